"""A rolling forecast: forecast the next horizon, take in what came, go on to the end.

The scaler and the model stay as they were fitted; a refit, where one is asked for, sees the rows
known at its cutoff and none after it.

N windows   P pred_len   C_t targets   S series
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from informer.config import ForecasterConfig
from informer.data import (
    Continuation,
    Panel,
    continued,
    frame_times,
    horizon_rows,
    regular_panel,
    series_names,
    tail_start,
)
from informer.errors import ConfigError, FrameError
from informer.evaluation.scoring import mase_scales, measured, score_by_series
from informer.forecaster import Forecaster
from informer.frequency import pandas_offset

__all__ = ["Rolled", "roll"]


@dataclass(frozen=True)
class Rolled:
    """What a rolling forecast gave.

    Attributes:
        forecasts: unique_id, ds, cutoff, step (from 1), y (NaN where nothing was measured), y_hat,
            the quantiles, is_test; ordered by cutoff, series, target and step.
        scores: unique_id, step, n, mse, mae (both in units of the first model's train deviation),
            mae_units, mase, coverage and more; see `informer.evaluation.metrics.score_table`.
        inputs: unique_id, ds, y: the rows that the first forecast of each series read.
        n_cutoffs: times from which was forecast.
        n_refits: models fitted on the way.
        is_test: False where the rows overlap those that were known before.
        left_out: series that were not forecast: they did not go on, or have too little history.
    """

    forecasts: pd.DataFrame
    scores: pd.DataFrame
    inputs: pd.DataFrame
    n_cutoffs: int
    n_refits: int
    is_test: bool
    left_out: tuple[str, ...]


def roll(
    forecaster: Forecaster,
    history: pd.DataFrame,
    future: pd.DataFrame,
    *,
    refit_every: int | None = None,
    allow_overlap: bool = False,
    check_values: bool = True,
    on_step: Callable[[int, int], None] | None = None,
) -> Rolled:
    """Forecast from the end of `history` to the end of `future`, `pred_len` steps at a time.

    The last horizon may reach beyond the rows; it is scored as far as they go. Only series of
    `future` are forecast.

    Args:
        forecaster: forecasts until the first refit.
        history: long frame of all rows known before, `look_back` a series at least.
        future: long frame with the same columns; each series begins one step after its history.
        refit_every: fit anew after so many cutoffs, by the forecaster's own configuration and seed,
            on all rows known by then; a validation part given as a time keeps its length and moves
            along. None: never.
        allow_overlap: also roll over rows that repeat some of `history`; nothing is a test then.
        check_values: as `Forecaster.fit` takes it, for each refit.
        on_step: called with cutoffs done and cutoffs in all.

    Raises:
        ConfigError: `refit_every` is less than 1.
        FrameError: a frame breaks the structural contract, `future` does not continue `history`,
            or there is too little history to forecast from.
    """
    if refit_every is not None and refit_every < 1:
        raise ConfigError(f"refit_every is {refit_every}; give at least 1, or None for no refit.")
    config = forecaster.config
    joined = continued(history, future, config.frame, allow_overlap=allow_overlap)
    n_steps = config.model.pred_len
    panel = regular_panel(joined.rows, config.frame).extended(n_steps, config.frame.freq)
    origins, without = _origins(panel, joined, forecaster.look_back, n_steps)
    stretches, n_cutoffs = _stretches(panel.times_of(origins - 1), refit_every)

    def refitted(cutoff: pd.Timestamp) -> Forecaster:
        return _refitted(forecaster, joined, cutoff, check_values=check_values)

    table = _forecast(forecaster, refitted, panel, origins, stretches, on_step)
    origins = origins[np.argsort(stretches, kind="stable")]
    rows = horizon_rows(origins, n_steps)  # (N, P)
    truth = measured(panel, len(config.frame.targets))[rows]  # (N, P, C_t)
    scales = (forecaster.deviations(panel), _seasonal(joined, panel.ids, config))
    return Rolled(
        forecasts=_with_truth(table, truth, is_test=not joined.overlaps),
        scores=_scores(table, truth, scales, panel, origins, config),
        inputs=_inputs(panel, origins, forecaster),
        n_cutoffs=n_cutoffs,
        n_refits=int(stretches.max()),
        is_test=not joined.overlaps,
        left_out=(*joined.left_out(panel.ids), *without),
    )


def _seasonal(
    joined: Continuation, ids: tuple[str, ...], config: ForecasterConfig
) -> npt.NDArray[np.float64]:
    """(S, C_t) denominators of MASE from the history of each of `ids`; NaN where there is none."""
    n_targets = len(config.frame.targets)
    past = regular_panel(joined.history, config.frame)
    scales = mase_scales(past, None, config.frame.season, n_targets)
    known = dict(zip(past.ids, scales, strict=True))
    return np.stack([known.get(name, np.full(n_targets, np.nan)) for name in ids])


def _origins(
    panel: Panel, joined: Continuation, look_back: int, n_steps: int
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """(N,) the first row of every horizon, series by series, and the series that have none.

    The last `n_steps` rows of a series are to come. In an overlap, and after a long gap, a series
    begins as soon as it has the history that a forecast reads.

    Raises:
        FrameError: no series has a horizon.
    """
    parts, without = [], []
    for i, name in enumerate(panel.ids):
        if name not in joined.starts:
            continue
        start = joined.starts[name] - pd.Timedelta(panel.lags[i])
        step = int(panel.grid.searchsorted(start))
        runs = panel.rows_of(i)
        own = [
            np.arange(first, stop, n_steps)
            for number, run in enumerate(runs)
            for first, stop in [_between(panel, run, step, look_back, n_steps)]
            if number or joined.overlaps or step - panel.steps[run.start] >= look_back
        ]
        found = np.concatenate(own) if own else np.empty(0, dtype=np.int64)
        parts.append(found)
        if not len(found):
            without.append((name, max(0, step - int(panel.steps[runs[-1].start]))))
    if not any(len(part) for part in parts):
        name, n_rows = without[0]
        raise FrameError(
            f"series {name!r} has {n_rows} rows of history; a forecast reads "
            f"at least {look_back}. Supply more history."
        )
    return np.concatenate(parts), tuple(name for name, _ in without)


def _between(panel: Panel, run: slice, step: int, look_back: int, n_steps: int) -> tuple[int, int]:
    """The first row of a run at which a horizon may begin, and the row after the last such row."""
    first = run.start + max(look_back, step - int(panel.steps[run.start]))
    return first, run.stop - n_steps + (0 if _is_extended(panel, run) else 1)


def _is_extended(panel: Panel, run: slice) -> bool:
    """Whether the last rows of a run are to come: they do where it is the last of its series."""
    number = int(np.searchsorted(panel.bounds, run.start, side="right")) - 1
    return number + 1 == len(panel.owner) or panel.owner[number + 1] != panel.owner[number]


def _stretches(
    cutoffs: pd.DatetimeIndex, refit_every: int | None
) -> tuple[npt.NDArray[np.int64], int]:
    """(N,) which of the models, by the time of their fit, forecasts from each cutoff; the count."""
    order = cutoffs.unique().sort_values()
    return order.get_indexer(cutoffs) // (refit_every or len(order)), len(order)


def _forecast(
    forecaster: Forecaster,
    refitted: Callable[[pd.Timestamp], Forecaster],
    panel: Panel,
    origins: npt.NDArray[np.int64],
    stretches: npt.NDArray[np.int64],
    on_step: Callable[[int, int], None] | None,
) -> pd.DataFrame:
    """The forecasts of all windows, stretch by stretch, each stretch in one batch."""
    cutoffs = panel.times_of(origins - 1)
    tables, model = [], forecaster
    for stretch in range(stretches.max() + 1):
        own = stretches == stretch
        if stretch:
            model = refitted(cutoffs[own].min())
        tables.append(model.forecast_from(panel, torch.from_numpy(origins[own])))
        if on_step is not None:
            on_step(cutoffs[stretches <= stretch].nunique(), cutoffs.nunique())
    return pd.concat(tables, ignore_index=True)


def _refitted(
    forecaster: Forecaster, joined: Continuation, cutoff: pd.Timestamp, *, check_values: bool
) -> Forecaster:
    """A model fitted as the first one was, on what was known at the cutoff."""
    config = forecaster.config
    frame = config.frame
    if isinstance(config.val, str):
        times = frame_times(joined.history, frame)
        begin = tail_start(config.val, times.min(), times.max(), frame)
        n_val = len(pd.date_range(begin, times.max(), freq=pandas_offset(frame.freq)))
        config = replace(config, val=n_val)
    known = joined.rows[frame_times(joined.rows, frame) <= cutoff]
    return Forecaster.fit(known, config, estimator=forecaster.estimator, check_values=check_values)


def _with_truth(
    table: pd.DataFrame, truth: npt.NDArray[np.float64], *, is_test: bool
) -> pd.DataFrame:
    n_windows, n_steps, n_targets = truth.shape
    table = table.assign(is_test=is_test)
    table.insert(3, "step", np.tile(np.arange(1, n_steps + 1), n_windows * n_targets))
    table.insert(4, "y", truth.transpose(0, 2, 1).ravel())
    return table.sort_values("cutoff", kind="stable", ignore_index=True)


def _scores(
    table: pd.DataFrame,
    truth: npt.NDArray[np.float64],
    scales: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    panel: Panel,
    origins: npt.NDArray[np.int64],
    config: ForecasterConfig,
) -> pd.DataFrame:
    n_windows, n_steps, n_targets = truth.shape

    def windows(column: str) -> npt.NDArray[np.float64]:
        values = table[column].to_numpy(dtype=np.float64)
        return values.reshape(n_windows, n_targets, n_steps).transpose(0, 2, 1)  # (N, P, C_t)

    levels = config.quantiles
    quantiles = np.stack([windows(f"y_hat_q{level * 100:g}") for level in levels], axis=1)
    names = series_names(panel.ids, config.frame)
    return score_by_series(
        truth, windows("y_hat"), quantiles, levels, scales, panel.series_of(origins), names
    )


def _inputs(panel: Panel, origins: npt.NDArray[np.int64], forecaster: Forecaster) -> pd.DataFrame:
    frame = forecaster.config.frame
    seen = measured(panel, len(frame.targets))
    names = series_names(panel.ids, frame)
    series, firsts = np.unique(panel.series_of(origins), return_index=True)
    parts = []
    for i, first in zip(series, origins[firsts], strict=True):
        rows = np.arange(first - forecaster.look_back, first)
        for target, name in enumerate(names[i]):
            values = {"unique_id": name, "ds": panel.times_of(rows), "y": seen[rows, target]}
            parts.append(pd.DataFrame(values))
    return pd.concat(parts, ignore_index=True).astype({"unique_id": "str"})
