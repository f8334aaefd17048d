"""Errors of forecasts, as pure functions of arrays; NaN in the truth marks what is not scored.

N windows   P pred_len   C targets   S series   Q quantiles
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "interval_places", "mean_difference", "score_table", "seasonal_differences", "summarize",
    "worst_tenth",
]  # fmt: skip

INTERVAL = (0.1, 0.9)
ROUNDING = 1e-12  # of a value
MEANS = ["mse", "mae", "mae_units", "mase", "coverage", "width", "quantile_loss", "size"]

Array = npt.NDArray[np.float64]


def seasonal_differences(
    values: Array, observed: npt.NDArray[np.bool_], season: int
) -> tuple[Array, npt.NDArray[np.int64]]:
    """(C,) the sum of the absolute seasonal differences of (T, C) `values`, and their number.

    Only pairs of observed values count. A difference that rounding can explain is none: MASE would
    divide by it.
    """
    now, before = values[season:], values[:-season]
    difference = np.abs(now - before)
    difference[difference <= ROUNDING * np.maximum(np.abs(now), np.abs(before))] = 0.0
    paired = observed[season:] & observed[:-season]
    return np.where(paired, difference, 0.0).sum(axis=0), paired.sum(axis=0)


def mean_difference(total: Array, count: npt.NDArray[np.int64]) -> Array:
    """The denominator of MASE, from `seasonal_differences`, in their shape.

    Hyndman & Koehler (2006), equation 3.1, with the seasonal naive forecast in sample. NaN where
    there is no pair of observed values one season apart, or nothing ever changes.
    """
    scale = np.full(total.shape, np.nan)
    np.divide(total, count, out=scale, where=(count > 0) & (total > 0))
    return scale


def interval_places(levels: tuple[float, ...]) -> tuple[int, int]:
    """The places among `levels` of the ends of the interval whose coverage is scored."""
    low, high = (int(np.abs(np.array(levels) - end).argmin()) for end in INTERVAL)
    return low, high


def score_table(
    truth: Array,
    forecast: Array,
    quantiles: Array,
    levels: tuple[float, ...],
    scales: tuple[Array, Array],
    names: list[str],
) -> pd.DataFrame:
    """Errors of one series by target and horizon step.

    Args:
        truth: (N, P, C) in the data's units, NaN where not observed.
        forecast: (N, P, C) in the data's units; where it is NaN and the truth is known, its errors
            are infinite, and it covers nothing.
        quantiles: (N, Q, P, C) of the forecast, in the data's units.
        levels: Q rising levels.
        scales: the train rows' standard deviation, (C,), which `mse` and `mae` are in units of, and
            their `seasonal_scale`, (C,), which `mase` is in units of.
        names: C values of `unique_id`.

    Returns:
        Columns unique_id, step (from 1), n, mse and mae (scaled), mae_units, mase, coverage (the
        share of the n values inside the interval of `INTERVAL`), width (of that interval, scaled),
        quantile_loss (twice the pinball loss, mean over the levels, in units), size (mean absolute
        value, in units) and wql, their ratio: the weighted quantile loss as GIFT-Eval defines it.
    """
    std, mase_scale = scales
    known = ~np.isnan(truth)
    n = known.sum(axis=0)  # (P, C)
    with np.errstate(over="ignore", invalid="ignore"):
        error = _unbounded(forecast - truth, known)
        absolute, squared = _mean(np.abs(error), n), _mean(error**2, n)
    low, high = (quantiles[:, place] for place in interval_places(levels))  # (N, P, C)
    inside = ((truth >= low) & (truth <= high)).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        width = _unbounded(np.where(known, high - low, np.nan), known)
        losses = [
            _mean(_unbounded(_pinball(truth - quantiles[:, q], level), known), n)
            for q, level in enumerate(levels)
        ]
    n_steps, n_targets = n.shape
    table = {
        "mse": _in_units_of(std**2, squared),
        "mae": _in_units_of(std, absolute),
        "mae_units": absolute,
        "mase": absolute / mase_scale,
        "coverage": _mean(inside, n),
        "width": _mean(width, n) / std,
        "quantile_loss": 2 * np.mean(losses, axis=0),
        "size": _mean(np.abs(truth), n),
    }
    places = {
        "unique_id": np.tile(np.array(names, dtype=object), n_steps),
        "step": np.repeat(np.arange(1, n_steps + 1), n_targets),
        "n": n.ravel(),
    }
    columns = places | {name: values.ravel() for name, values in table.items()}
    return _with_wql(pd.DataFrame(columns).astype({"unique_id": "str"}))


def _unbounded(values: Array, known: npt.NDArray[np.bool_]) -> Array:
    """A forecast that is no number errs without bound wherever the truth is known."""
    return np.where(known & np.isnan(values), np.inf, values)


def _in_units_of(scale: Array, errors: Array) -> Array:
    """(P, C) errors in units of a scale (C,), NaN where they are.

    They are infinite where the scale is not finite: in such units every error would be 0.
    """
    unbounded = np.where(np.isnan(errors), np.nan, np.inf)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(scale), errors / scale, unbounded)


def _pinball(error: Array, level: float) -> Array:
    """The quantile loss of truth less quantile."""
    return np.maximum(level * error, (level - 1) * error)


def _mean(values: Array, n: npt.NDArray[np.int64]) -> Array:
    mean = np.full(n.shape, np.nan)
    np.divide(np.nansum(values, axis=0), n, out=mean, where=n > 0)
    return mean


def _with_wql(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(wql=table["quantile_loss"] / table["size"].where(table["size"] > 0))


def worst_tenth(scores: pd.DataFrame) -> pd.DataFrame:
    """How the series fare that a mean over all of them hides.

    Args:
        scores: a score table with the column `model`.

    Returns:
        model, mae_worst: the mean `mae` of the tenth of the series with the largest one; and
        coverage_worst: the mean coverage of the tenth with the lowest one. Each series counts once,
        and one series at least is looked at.
    """
    by_series = summarize(scores, ["model", "unique_id"])
    by_series = by_series[by_series["n"] > 0]
    rows = []
    for model, own in by_series.groupby("model", sort=False):
        n = math.ceil(len(own) / 10)
        rows.append(
            {
                "model": model,
                "mae_worst": own["mae"].nlargest(n).mean(),
                "coverage_worst": own["coverage"].nsmallest(n).mean(),
            }
        )
    return pd.DataFrame(rows, columns=["model", "mae_worst", "coverage_worst"])


def summarize(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means of a score table over everything but `by`, each value weighted by its count `n`.

    MASE is undefined for a channel that never changes and is left out of its own mean. `wql` is the
    ratio of the means of `quantile_loss` and `size`, as GIFT-Eval pools it.
    """
    weights = scores[MEANS].notna().mul(scores["n"], axis=0)
    keys = [scores[name] for name in by]
    totals = (scores[MEANS].fillna(0.0) * weights).groupby(keys, sort=False).sum()
    counts = weights.groupby(keys, sort=False).sum()
    means = totals / counts.where(counts > 0)
    means.insert(0, "n", scores["n"].groupby(keys, sort=False).sum())
    return _with_wql(means.reset_index())
