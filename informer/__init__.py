"""The Informer (Zhou et al., AAAI 2021) as a library that stands alone: the public door.

from informer import Forecaster, ForecasterConfig
forecast = Forecaster.fit(history, ForecasterConfig()).predict(history)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
