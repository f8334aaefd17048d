"""Windows against what was measured: the scores that a backtest and a rolling forecast share.

N windows   P pred_len   C_t targets   S series   T rows
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.data.panel import Panel
from informer.metrics import score_table, seasonal_scale

__all__ = ["interval_places", "mase_scales", "measured", "score_by_series"]

INTERVAL = (0.1, 0.9)

Array = npt.NDArray[np.float64]


def measured(panel: Panel, n_targets: int) -> Array:
    """(T, C_t) the targets in their own units, NaN where nothing was observed."""
    return np.where(panel.observed, panel.values, np.nan)[:, -n_targets:]


def mase_scales(panel: Panel, stop: pd.Timestamp | None, season: int, n_targets: int) -> Array:
    """(S, C_t) denominators of MASE from the rows of each series before `stop`."""
    return np.stack(
        [
            seasonal_scale(
                panel.values[part, -n_targets:], panel.observed[part, -n_targets:], season
            )
            for part in panel.rows_between(None, stop)
        ]
    )


def interval_places(quantiles: tuple[float, ...]) -> tuple[int, int]:
    """The places among `quantiles` of the ends of the interval whose coverage is scored."""
    levels = np.array(quantiles)
    low, high = (int(np.abs(levels - level).argmin()) for level in INTERVAL)
    return low, high


def score_by_series(
    truth: Array,
    forecast: Array,
    interval: tuple[Array, Array],
    scales: tuple[Array, Array],
    series: npt.NDArray[np.int64],
    names: list[list[str]],
) -> pd.DataFrame:
    """The `score_table` of each series, one after the other.

    Args:
        truth: (N, P, C_t) in the data's units, NaN where not observed.
        forecast: (N, P, C_t) in the data's units.
        interval: lower and upper bound of the forecast, each (N, P, C_t).
        scales: the train rows' standard deviation, (C_t,), and `mase_scales`, (S, C_t).
        series: (N,) the number of each window's series.
        names: the `unique_id` of every series and target.
    """
    tables = []
    for i in np.unique(series):
        own = series == i
        bounds = (interval[0][own], interval[1][own])
        tables.append(
            score_table(truth[own], forecast[own], bounds, (scales[0], scales[1][i]), names[i])
        )
    return pd.concat(tables, ignore_index=True)
