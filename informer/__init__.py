"""The Informer (Zhou et al., AAAI 2021) as a library that stands alone: the public door.

from informer import Forecaster, ForecasterConfig
forecast = Forecaster.fit(history, ForecasterConfig()).predict(history)
"""

from informer.backtest import Backtest, backtest
from informer.config import ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.data.split import SplitConfig
from informer.errors import CheckpointError, ConfigError, FrameError, InformerError
from informer.forecaster import Forecaster
from informer.nn.model import Informer
from informer.rolling import Rolled, roll

__all__ = [
    "Backtest",
    "CheckpointError",
    "ConfigError",
    "Forecaster",
    "ForecasterConfig",
    "FrameConfig",
    "FrameError",
    "Informer",
    "InformerConfig",
    "InformerError",
    "Rolled",
    "SplitConfig",
    "TrainingConfig",
    "backtest",
    "roll",
]
