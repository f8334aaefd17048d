"""Rolling-origin evaluation: every model forecasts the same windows, scored in the same units.

N windows of a series   P pred_len   C_t targets
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from informer.data import Panel, horizon_rows, regular_panel
from informer.errors import FrameError
from informer.evaluation.origins import OriginLog
from informer.evaluation.scoring import mase_scales, measured, score_windows
from informer.forecaster import Forecaster

__all__ = ["Backtest", "backtest"]

SHOWN = ("y", "y_hat", "y_hat_q10", "y_hat_q90")


@dataclass(frozen=True)
class Backtest:
    """What a rolling-origin evaluation found.

    Attributes:
        scores: model, unique_id, step, n, mse, mae (both in units of the train rows' standard
            deviation), mae_units, mase, coverage and width (of the interval from q10 to q90),
            quantile_loss, size, wql; see `informer.evaluation.metrics.score_table`.
        windows: model, unique_id, series, target, step, cutoff, n, mse, mae: the loss of each
            window and target; see `informer.evaluation.windows`.
        churn: model, unique_id, n, churn: how far forecasts of the same time move, in the mean,
            from one origin to the next, `stride` steps later; in the same units as mae.
        examples: unique_id, ds, cutoff, y, and the first model's y_hat and quantiles, for the
            latest origins of each series whose horizons do not overlap.
        n_windows: how many windows each model forecast, but for those that `strides` names.
        first, last: the first and the last cutoff.
    """

    scores: pd.DataFrame
    windows: pd.DataFrame
    churn: pd.DataFrame
    examples: pd.DataFrame
    n_windows: int
    first: pd.Timestamp
    last: pd.Timestamp


def backtest(
    models: Mapping[str, Forecaster],
    frame: pd.DataFrame,
    between: tuple[pd.Timestamp, pd.Timestamp],
    *,
    stride: int = 1,
    strides: Mapping[str, int] | None = None,
    own_rows: Mapping[str, pd.DataFrame] | None = None,
    n_examples: int = 4,
) -> Backtest:
    """Forecast all horizons that lie within `between` with every model and score them.

    Errors are scaled by the first model's train rows for all models, so that they compare; those of
    each series by its own. No window crosses a gap that is longer than a model fills. The
    values of MASE's denominator come from the rows before `between`.

    Args:
        models: name to forecaster; all forecast the same targets at the same step, equally far.
        frame: long frame that holds the test rows and the history before them.
        between: first time of the test rows, and the time at which they end (exclusive).
        stride: steps from one origin to the next.
        strides: slow models, which forecast only every n-th of these origins.
        own_rows: the same data as `frame` with the columns that a model reads, by its name, for
            each model whose columns are not all in `frame`.
        n_examples: how many origins of each series to keep for plots.

    Raises:
        FrameError: no window lies within `between`, or no value was observed there.
    """
    own_rows, strides = own_rows or {}, strides or {}
    leading, first = next(iter(models.items()))
    config = first.config
    look_back = max(model.look_back for model in models.values())
    panel = regular_panel(own_rows.get(leading, frame), config.frame, on_gap="split")
    origins = _origins(panel, between, look_back, config.model.pred_len, stride)
    _check_truth(panel, between, len(config.frame.targets))
    tested = _Tested(panel, between[0], first, stride)
    parts: dict[str, list[pd.DataFrame]] = {"scores": [], "windows": [], "churn": []}
    for name, model in models.items():
        chosen, own = origins[:: strides.get(name, 1)], panel
        if model.config.frame.layout != config.frame.layout:
            own = regular_panel(own_rows.get(name, frame), model.config.frame, on_gap="split")
            chosen = _same_windows(chosen, panel, own, look_back, config.model.pred_len)
        for kind, table in tested.by(model, own, chosen).items():
            table.insert(0, "model", name)
            parts[kind].append(table)
    parts["windows"] = [_named_as(parts["windows"][0], table) for table in parts["windows"]]
    scores, windows, churn = (pd.concat(tables, ignore_index=True) for tables in parts.values())
    cutoffs = panel.times_of(origins.numpy() - 1)
    return Backtest(
        scores=scores,
        windows=windows,
        churn=churn,
        examples=_examples(first, panel, origins[:: strides.get(leading, 1)], n_examples),
        n_windows=len(origins),
        first=cutoffs.min(),
        last=cutoffs.max(),
    )


@dataclass(frozen=True)
class _Tested:
    """What every model is tested by: the first model's panel, and its scale for all errors."""

    panel: Panel
    start: pd.Timestamp
    first: Forecaster
    stride: int

    def by(self, model: Forecaster, panel: Panel, origins: torch.Tensor) -> dict[str, pd.DataFrame]:
        """Scores, windows and churn of a model's forecasts from origins of its own panel.

        Raises:
            FrameError: the panel holds none of the windows.
        """
        if not len(origins):
            raise FrameError(
                "the rows that a compared model reads contain none of the test windows. Supply "
                "its columns for the same times."
            )
        targets, frame = self.first.config.frame.targets, model.config.frame
        order = [targets.index(name) for name in frame.targets]
        std = self.first.deviations(self.panel)[:, order]  # (S, C_t) of the first model's panel
        place = {name: i for i, name in enumerate(self.panel.ids)}
        std = std[[place.get(name, 0) for name in panel.ids]]  # of another series nothing is asked
        scales = mase_scales(panel, self.start, self.first.config.frame.season, len(targets))
        log = OriginLog(panel, frame, self.panel.grid, std, self.stride)
        scores, _ = score_windows(model, panel, origins, (std, scales), log)
        return {"scores": scores, "windows": log.windows(), "churn": log.churn()}


def _named_as(first: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """The windows with the names in the order of the first model's, which keeps them compact."""
    names = {
        column: windows[column].cat.set_categories(first[column].cat.categories)
        for column in ("unique_id", "series", "target")
    }
    return windows.assign(**names)


def _same_windows(
    origins: torch.Tensor, panel: Panel, own: Panel, look_back: int, pred_len: int
) -> torch.Tensor:
    """The rows of another panel at which the same windows begin, but for those that it lacks."""
    rows = origins.numpy()
    place = {name: i for i, name in enumerate(own.ids)}
    series = np.array([place.get(name, -1) for name in panel.ids])[panel.series_of(rows)]
    lags = own.lags[series] if len(own.lags) else own.lags
    steps = own.grid.get_indexer(panel.times_of(rows) - pd.TimedeltaIndex(lags))
    found = own.rows_at(series, steps)
    found = found[(found >= 0) & (series >= 0)]
    whole = (own.history_of(found) >= look_back) & (own.remaining_of(found) >= pred_len)
    return torch.from_numpy(found[whole])


def _origins(
    panel: Panel,
    between: tuple[pd.Timestamp, pd.Timestamp],
    look_back: int,
    pred_len: int,
    stride: int,
) -> torch.Tensor:
    origins = panel.origins(between, look_back, pred_len, stride)
    if not len(origins):
        raise FrameError(
            f"no window of {look_back} + {pred_len} steps has its horizon from {between[0]} to "
            f"{between[1]}. Move the split or supply more history."
        )
    return origins


def _check_truth(panel: Panel, between: tuple[pd.Timestamp, pd.Timestamp], n_targets: int) -> None:
    parts = panel.rows_between(*between)
    if not any(panel.observed[part, -n_targets:].any() for part in parts):
        raise FrameError(
            f"no target was observed from {between[0]} to {between[1]}: there is nothing to score "
            "a forecast by. Move the split, or supply the missing values."
        )


def _examples(
    forecaster: Forecaster, panel: Panel, origins: torch.Tensor, n_examples: int
) -> pd.DataFrame:
    config = forecaster.config
    n_steps, first = config.model.pred_len, origins.numpy()
    series = panel.series_of(first)
    chosen = [
        window
        for i in np.unique(series)
        for window in _apart(np.flatnonzero(series == i), first, n_steps)[:n_examples]
    ]
    table = forecaster.forecast_from(panel, origins[chosen])
    rows = horizon_rows(first[chosen], n_steps)  # (n, P)
    truth = measured(panel, len(config.frame.targets))[rows]  # (n, P, C_t)
    table.insert(3, "y", truth.transpose(0, 2, 1).ravel())
    return table


def _apart(
    windows: npt.NDArray[np.int64], origins: npt.NDArray[np.int64], n_steps: int
) -> list[int]:
    """Those of the windows of one series, latest first, whose horizons do not overlap."""
    chosen: list[int] = []
    for window in windows[::-1]:
        if not chosen or origins[window] + n_steps <= origins[chosen[-1]]:
            chosen.append(int(window))
    return chosen
