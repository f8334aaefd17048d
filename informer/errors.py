"""Every error that this library raises for something its user can mend.

    InformerError
    |-- ConfigError       a setting is impossible                         (also a ValueError)
    |-- FrameError        a data frame lacks what a forecast needs        (also a ValueError)
    |   `-- TimesError    its times can be read in more than one way, or in none
    |-- CheckpointError   a saved model is missing, damaged or refused
    |-- EvidenceError     there is too little to tell one model from another
    `-- TrainingError     a training cannot go on, or has nothing to learn from

Each message says what was expected, what came, and what to do.
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "CheckpointError", "ConfigError", "EvidenceError", "FrameError", "InformerError",
    "TimesError", "TrainingError",
]  # fmt: skip


class InformerError(Exception):
    """Base of all errors below; its text is one sentence fit for a user's eyes."""


class ConfigError(InformerError, ValueError):
    """A configuration that cannot work: names the field, its value and the mend."""


class FrameError(InformerError, ValueError):
    """A data frame that cannot be used: names the column or series and the mend.

    Attributes:
        left_out: where no series of several can be used, each of them and the reason.
    """

    left_out: Mapping[str, str] = MappingProxyType({})


class TimesError(FrameError):
    """Times that a setting or another spelling must settle: names the column and the mend."""


class CheckpointError(InformerError):
    """A saved model that cannot be loaded: names the file and the reason."""


class EvidenceError(InformerError):
    """Too few forecasts to judge by: names how many there are and how many are needed."""


class TrainingError(InformerError):
    """A training that cannot go on: names the epoch, what went wrong and the mend."""
