from .config import (
    ForecasterConfig as ForecasterConfig,
    FrameConfig as FrameConfig,
    InformerConfig as InformerConfig,
    TrainingConfig as TrainingConfig,
)
from .data.split import SplitConfig as SplitConfig
from .errors import (
    CheckpointError as CheckpointError,
    ConfigError as ConfigError,
    FrameError as FrameError,
    InformerError as InformerError,
)
from .evaluation.backtest import Backtest as Backtest, backtest as backtest
from .evaluation.rolling import Rolled as Rolled, roll as roll
from .forecaster import Forecaster as Forecaster
from .nn.model import Informer as Informer
