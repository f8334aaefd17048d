"""Windows against what was measured: the scores that a backtest and a rolling forecast share.

N windows   P pred_len   C_t targets   S series   T rows   Q quantiles
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from informer.data import Panel, horizon_rows, series_names
from informer.evaluation.metrics import (
    mean_difference,
    score_table,
    seasonal_differences,
    summarize,
)
from informer.evaluation.origins import OriginLog
from informer.forecaster import Forecaster

__all__ = ["mase_scales", "measured", "score_by_series", "score_windows"]

MAX_ENTRIES = 2**24  # quantiles held at once

Array = npt.NDArray[np.float64]


def measured(panel: Panel, n_targets: int) -> Array:
    """(T, C_t) the targets in their own units, NaN where nothing was observed."""
    return np.where(panel.observed, panel.values, np.nan)[:, -n_targets:]


def mase_scales(panel: Panel, stop: pd.Timestamp | None, season: int, n_targets: int) -> Array:
    """(S, C_t) denominators of MASE from the rows of each series before `stop`.

    No difference is taken across a long gap.
    """
    shape = (len(panel.ids), n_targets)
    total, count = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    for series, part in zip(panel.owner, panel.rows_between(None, stop), strict=True):
        own, n = seasonal_differences(
            panel.values[part, -n_targets:], panel.observed[part, -n_targets:], season
        )
        total[series] += own
        count[series] += n
    return mean_difference(total, count)


def score_windows(
    forecaster: Forecaster,
    panel: Panel,
    origins: torch.Tensor,
    scales: tuple[Array, Array],
    log: OriginLog | None = None,
) -> tuple[pd.DataFrame, Array]:
    """Forecast windows and score them by series, so many at a time that the memory is bounded.

    Args:
        forecaster: what forecasts.
        panel: regular series in the data's units.
        origins: (N,) rows of `panel` that are the first forecast step.
        scales: the deviations that errors are in units of, and `mase_scales`, both (S, C_t).
        log: takes in every part of the windows; None: nothing is kept by origin.

    Returns:
        The table of `score_by_series`, and the forecasts, (N, P, C_t) in the data's units.
    """
    config = forecaster.config
    n_targets, n_steps = len(config.frame.targets), config.model.pred_len
    truth = measured(panel, n_targets)
    names = series_names(panel.ids, config.frame)
    size = max(1, MAX_ENTRIES // (len(config.quantiles) * n_steps * n_targets))
    tables, forecasts = [], []
    for part in torch.split(origins, size):
        first = part.numpy()
        forecast, quantiles = forecaster.forecast_windows(panel, part)
        came = truth[horizon_rows(first, n_steps)]
        table = score_by_series(
            came, forecast, quantiles, config.quantiles, scales, panel.series_of(first), names
        )
        if log is not None:
            log.add(first, came, forecast)
        tables.append(table)
        forecasts.append(forecast)
    scores = summarize(pd.concat(tables, ignore_index=True), ["unique_id", "step"])
    return scores, np.concatenate(forecasts)


def score_by_series(
    truth: Array,
    forecast: Array,
    quantiles: Array,
    levels: tuple[float, ...],
    scales: tuple[Array, Array],
    series: npt.NDArray[np.int64],
    names: list[list[str]],
) -> pd.DataFrame:
    """The `score_table` of each series, one after the other.

    Args:
        truth: (N, P, C_t) in the data's units, NaN where not observed.
        forecast: (N, P, C_t) in the data's units.
        quantiles: (N, Q, P, C_t) in the data's units.
        levels: Q rising levels.
        scales: the train rows' standard deviations, and `mase_scales`, both (S, C_t).
        series: (N,) the number of each window's series.
        names: the `unique_id` of every series and target.
    """
    tables = []
    for i in np.unique(series):
        own = series == i
        own_scales = (scales[0][i], scales[1][i])
        table = score_table(truth[own], forecast[own], quantiles[own], levels, own_scales, names[i])
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
