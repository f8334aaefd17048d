"""Errors of forecasts, as pure functions of arrays; NaN in the truth marks what is not scored.

N windows   P pred_len   C targets   S series
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["score_table", "seasonal_scale", "summarize"]

Array = npt.NDArray[np.float64]


def seasonal_scale(values: Array, observed: npt.NDArray[np.bool_], season: int) -> Array:
    """(C,) mean absolute seasonal difference of (T, C) `values`: the denominator of MASE.

    Hyndman & Koehler (2006), equation 3.1, with the seasonal naive forecast in sample. NaN where a
    channel has no pair of observed values one season apart, or never changes.
    """
    difference = np.abs(values[season:] - values[:-season])
    paired = observed[season:] & observed[:-season]
    count = paired.sum(axis=0)
    total = np.where(paired, difference, 0.0).sum(axis=0)
    scale = np.full(values.shape[1], np.nan)
    np.divide(total, count, out=scale, where=(count > 0) & (total > 0))
    return scale


def score_table(
    truth: Array,
    forecast: Array,
    interval: tuple[Array, Array],
    scales: tuple[Array, Array],
    names: list[str],
) -> pd.DataFrame:
    """Errors of one series by target and horizon step.

    Args:
        truth: (N, P, C) in the data's units, NaN where not observed.
        forecast: (N, P, C) in the data's units.
        interval: lower and upper bound of the forecast, broadcastable to (N, P, C).
        scales: the train rows' standard deviation, (C,), which `mse` and `mae` are in units of, and
            their `seasonal_scale`, (C,), which `mase` is in units of.
        names: C values of `unique_id`.

    Returns:
        Columns unique_id, step (from 1), n, mse and mae (scaled), mae_units, mase, coverage (the
        share of the n values inside the interval).
    """
    std, mase_scale = scales
    error = forecast - truth
    n = (~np.isnan(error)).sum(axis=0)  # (P, C)
    absolute = _mean(np.abs(error), n)
    squared = _mean(error**2, n)
    inside = ((truth >= interval[0]) & (truth <= interval[1])).astype(np.float64)
    n_steps, n_targets = n.shape
    return pd.DataFrame(
        {
            "unique_id": np.tile(np.array(names, dtype=object), n_steps),
            "step": np.repeat(np.arange(1, n_steps + 1), n_targets),
            "n": n.ravel(),
            "mse": (squared / std**2).ravel(),
            "mae": (absolute / std).ravel(),
            "mae_units": absolute.ravel(),
            "mase": (absolute / mase_scale).ravel(),
            "coverage": _mean(inside, n).ravel(),
        }
    ).astype({"unique_id": "str"})


def _mean(values: Array, n: npt.NDArray[np.int64]) -> Array:
    mean = np.full(n.shape, np.nan)
    np.divide(np.nansum(values, axis=0), n, out=mean, where=n > 0)
    return mean


def summarize(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means of a score table over everything but `by`, each value weighted by its count `n`.

    MASE is undefined for a channel that never changes and is left out of its own mean.
    """
    columns = ["mse", "mae", "mae_units", "mase", "coverage"]
    rows = []
    for key, group in scores.groupby(by, sort=False):
        means = {name: _weighted(group[name], group["n"]) for name in columns}
        names = key if isinstance(key, tuple) else (key,)
        rows.append(dict(zip(by, names, strict=True)) | {"n": int(group["n"].sum())} | means)
    return pd.DataFrame(rows, columns=[*by, "n", *columns])


def _weighted(values: pd.Series[float], weights: pd.Series[int]) -> float:
    used = values.notna() & (weights > 0)
    if not used.any():
        return float("nan")
    return float(np.average(values[used], weights=weights[used]))
