"""What forecasts beside and around the network: baselines, highway, ensembles, intervals.

In: windows of scaled rows. Out: predictors with one signature, and the `Calibration` that turns
their forecasts into quantiles.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
