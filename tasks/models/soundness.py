"""What is no finite number becomes no version: the last look before a model is registered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from informer.storage import read_model
from tasks.settings import RegistryError

__all__ = ["require_finite"]

RANGES = ("scales.low", "scales.high")  # NaN where an earlier version did not keep them


def require_finite(model_dir: Path, forecast: pd.DataFrame, name: str) -> None:
    """Refuse a model with a weight, or a forecast of its example, that is no finite number.

    Args:
        model_dir: where `Forecaster.load` finds it.
        forecast: what it forecasts from the example that is registered with it.
        name: of the registered model.

    Raises:
        RegistryError: there is such a number; the message says where.
    """
    _, tensors = read_model(model_dir)
    wild = [
        key for key, value in tensors.items()
        if value.is_floating_point() and key not in RANGES and not bool(value.isfinite().all())
    ]  # fmt: skip
    if wild:
        raise _refusal(f"{wild[0]} holds numbers that are not finite", name)
    values = forecast.select_dtypes("number")
    rows = ~np.isfinite(values.to_numpy(dtype=np.float64)).all(axis=1)
    if rows.any():
        series = forecast.loc[rows, "unique_id"].unique()
        told = f"its forecast of {series[0]!r} is not finite"
        raise _refusal(told if len(series) == 1 else f"{told}, nor of {len(series) - 1} more", name)


def _refusal(what: str, name: str) -> RegistryError:
    return RegistryError(
        f"the new model of {name} is not registered: {what}. Look for extreme values in the data, "
        "or lower train.learning_rate. What served before still serves."
    )
