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

from informer.data import Panel, regular_panel, series_names
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
        losses: model, series (its number), step and cutoff of the window, n, mse, mae: the loss of
            each window over its steps and targets; see `informer.evaluation.origins`.
        churn: model, unique_id, n, churn: how far forecasts of the same time move, in the mean,
            from one origin to the next, `stride` steps later; in the same units as mae.
        examples: unique_id, ds, cutoff, y, and the first model's y_hat and quantiles, for the
            latest origins of each series whose horizons do not overlap.
        n_windows: how many windows each model forecast, but for those that `strides` names.
        first, last: the first and the last cutoff.
    """

    scores: pd.DataFrame
    losses: pd.DataFrame
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
    n_examples: int = 4,
) -> Backtest:
    """Forecast all horizons that lie within `between` with every model and score them.

    Errors are scaled by the first model's train rows for all models, so that they compare; the
    values of MASE's denominator come from the rows before `between`.

    Args:
        models: name to forecaster; all forecast the same columns and horizon.
        frame: long frame that holds the test rows and the history before them.
        between: first time of the test rows, and the time at which they end (exclusive).
        stride: steps from one origin to the next.
        strides: models that forecast only every so-manieth of these origins, being too slow.
        n_examples: how many origins of each series to keep for plots.

    Raises:
        FrameError: no window lies within `between`.
    """
    first = next(iter(models.values()))
    config = first.config
    panel = regular_panel(frame, config.frame)
    look_back = max(model.look_back for model in models.values())
    origins = _origins(panel, between, look_back, config.model.pred_len, stride)
    scales = mase_scales(panel, between[0], config.frame.season, len(config.frame.targets))
    strides = strides or {}
    own = {name: origins[:: strides.get(name, 1)] for name in models}
    names = series_names(panel.ids, config.frame)
    parts: dict[str, list[pd.DataFrame]] = {"scores": [], "losses": [], "churn": []}
    for name, model in models.items():
        log = OriginLog(panel, first.target_std, stride, names)
        scores, _ = score_windows(model, panel, own[name], (first.target_std, scales), log)
        for kind, table in (("scores", scores), ("losses", log.losses()), ("churn", log.churn())):
            table.insert(0, "model", name)
            parts[kind].append(table)
    scores, losses, churn = (pd.concat(tables, ignore_index=True) for tables in parts.values())
    cutoffs = panel.times[origins.numpy() - 1]
    return Backtest(
        scores=scores,
        losses=losses,
        churn=churn,
        examples=_examples(first, panel, own[next(iter(models))], n_examples),
        n_windows=len(origins),
        first=cutoffs.min(),
        last=cutoffs.max(),
    )


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
    rows = first[chosen][:, None] + np.arange(n_steps)  # (n, P)
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
