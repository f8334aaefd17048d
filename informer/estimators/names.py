"""The baselines by name, and whether the library behind one is there: needs no torch."""

from __future__ import annotations

import importlib.util
from typing import Literal, get_args

from informer.errors import ConfigError

__all__ = ["CLASSICAL", "LIBRARY", "Baseline", "ClassicalName", "require_library"]

ClassicalName = Literal["auto_ets", "auto_theta", "auto_arima"]
Baseline = Literal["naive", "seasonal_naive", "linear", ClassicalName]
CLASSICAL: tuple[str, ...] = get_args(ClassicalName)

LIBRARY = "statsforecast"
INSTALL = "pip install 'informer-pipeline[classical]'"


def require_library(name: str) -> None:
    """Make sure that the library behind the model `name` is there.

    Raises:
        ConfigError: it is not installed.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise ConfigError(
            f"the baseline {name} needs the library {LIBRARY}, which is not installed. "
            f"Run: {INSTALL}, or leave {name} out."
        )
