"""The published protocol: scaled errors over every test window, beside what others published.

In: a configuration, horizons, models, seeds; `conf/published/` for the figures of others.
Out: a `Row` for each data set, horizon and model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
