"""How good forecasts are: scores, backtests, rolling origins, paired tests, drift, causes.

In: fitted forecasters, rows that came, forecasts that were made before.
Out: frames of errors by series, origin and step, and the statistics that compare them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
