"""Rows that are already known, played as if they came one step after the other.

K cutoffs   S series   P pred_len   C_t targets   Q quantiles
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from informer.config import FrameConfig
from informer.data import Panel, frame_times, horizon_rows, regular_panel, series_names
from informer.errors import ConfigError
from informer.evaluation.churn import forecast_churn
from informer.evaluation.metrics import summarize
from informer.evaluation.scoring import mase_scales, measured, score_by_series
from informer.forecaster import Forecaster

__all__ = ["Scales", "Stream", "moves"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scales:
    """What errors are in units of, the same for every model that is compared.

    Attributes:
        deviation: (S, C_t) standard deviation of the targets over the train rows.
        seasonal: (S, C_t) denominators of MASE, from the rows before the stream.
    """

    deviation: Array
    seasonal: Array


@dataclass(frozen=True)
class Stream:
    """A data set of which the rows from `start` on are still to come.

    Attributes:
        rows: the long frame, all of it; `known` gives what may be looked at.
        frame: what its columns are.
        panel: the same rows, regular.
        steps: (K,) the step in `panel.grid` at which each horizon begins.
        n_ahead: P, steps of a horizon.
    """

    rows: pd.DataFrame
    frame: FrameConfig
    panel: Panel
    steps: npt.NDArray[np.int64]
    n_ahead: int

    @classmethod
    def begin(
        cls,
        rows: pd.DataFrame,
        frame: FrameConfig,
        start: pd.Timestamp,
        every: pd.Timedelta,
        n_ahead: int,
    ) -> Stream:
        """The stream of the rows from `start` on, with a forecast `every` so often.

        Args:
            rows: long frame of what is known before and what comes.
            frame: what its columns are.
            start: the first time that is not known at the first cutoff.
            every: time from one cutoff to the next; where the grid is wider, one step of it.
            n_ahead: steps of a horizon; only cutoffs whose whole horizon is in the rows are kept.

        Raises:
            ConfigError: nothing is known before `start`, or no whole horizon follows.
            FrameError: the rows break the structural contract.
        """
        panel = regular_panel(rows, frame)
        grid = panel.grid
        if start <= grid[0]:
            raise ConfigError(
                f"the start {start} has no row before it: the data begin at {grid[0]}. Give a "
                "later start."
            )
        begins = pd.date_range(start, max(start, grid[-1]), freq=every)
        steps = np.unique(grid.searchsorted(begins)).astype(np.int64)
        steps = steps[steps + n_ahead <= len(grid)]
        if not len(steps):
            raise ConfigError(
                f"there are no rows to play: from the start {start} to the end of the data at "
                f"{grid[-1]} there are fewer than {n_ahead} steps, one horizon. Give an earlier "
                "start, or more rows."
            )
        return cls(rows, frame, panel, steps, n_ahead)

    @property
    def cutoffs(self) -> pd.DatetimeIndex:
        """(K,) the last time that is known when each forecast is made."""
        return self.panel.grid[self.steps - 1]

    @property
    def start(self) -> pd.Timestamp:
        """The first time that is forecast."""
        return pd.Timestamp(self.panel.grid[self.steps[0]])

    @property
    def end(self) -> pd.Timestamp:
        """The last time that is forecast."""
        return pd.Timestamp(self.panel.grid[self.steps[-1] + self.n_ahead - 1])

    def known(self, k: int) -> pd.DataFrame:
        """The rows known at cutoff number `k`."""
        return self.rows[frame_times(self.rows, self.frame) <= self.cutoffs[k]]

    def scales(self, deviation: Array, season: int) -> Scales:
        """The units of errors: `deviation`, (S, C_t), and MASE's from the rows before `start`."""
        n_targets = len(self.frame.targets)
        return Scales(deviation, mase_scales(self.panel, self.start, season, n_targets))

    def forecast(
        self, model: Forecaster, k: int, scales: Scales
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Forecast from cutoff number `k`, and score the forecast by what came.

        A series that has ended, or has less history than the model reads, is not forecast.

        Returns:
            The forecast, with the columns of `Forecaster.predict` and `y`, NaN where nothing was
            measured; and its errors by `unique_id`, over all steps, as `score_table` has them.
        """
        first = self._origins(model, k)
        n_targets, levels = len(self.frame.targets), model.config.quantiles
        table = model.forecast_from(self.panel, torch.from_numpy(first))
        shape = (len(first), n_targets, self.n_ahead)

        def windows(column: str) -> Array:
            values = table[column].to_numpy(dtype=np.float64)
            return values.reshape(shape).transpose(0, 2, 1)  # (S, P, C_t)

        truth = measured(self.panel, n_targets)[horizon_rows(first, self.n_ahead)]
        quantiles = np.stack([windows(f"y_hat_q{level * 100:g}") for level in levels], axis=1)
        names = series_names(self.panel.ids, self.frame)
        scores = score_by_series(
            truth, windows("y_hat"), quantiles, levels, (scales.deviation, scales.seasonal),
            self.panel.series_of(first), names,
        )  # fmt: skip
        table.insert(3, "y", truth.transpose(0, 2, 1).ravel())
        scores = summarize(scores, ["unique_id"])
        scores.insert(0, "cutoff", self.cutoffs[k])
        return table, scores

    def _origins(self, model: Forecaster, k: int) -> npt.NDArray[np.int64]:
        """(S,) the rows at which the horizon of each series begins."""
        step, bounds = int(self.steps[k]), self.panel.bounds
        time, after = self.panel.grid[step], step + self.n_ahead
        stop = self.panel.grid[after] if after < len(self.panel.grid) else None
        parts = self.panel.rows_between(time, stop)
        found = [
            part.start
            for part, begin in zip(parts, bounds[:-1], strict=True)
            if part.stop - part.start == self.n_ahead and part.start - begin >= model.look_back
        ]
        if not found:
            raise ConfigError(
                f"no series has both the {model.look_back} rows before {time} that a forecast "
                f"reads and the {self.n_ahead} rows after it. Give a later start."
            )
        return np.array(found, dtype=np.int64)


def moves(before: pd.DataFrame, after: pd.DataFrame, deviation: pd.Series) -> float:
    """How far the forecasts of the same times moved from one cutoff to the next.

    Args:
        before: unique_id, ds, cutoff, y_hat, from one cutoff.
        after: the same, from the next.
        deviation: by unique_id, what the result is in units of.

    Returns:
        The mean absolute change; NaN where the horizons do not overlap.
    """
    moved = forecast_churn(pd.concat([before, after], ignore_index=True)).set_index("unique_id")
    moved = moved[moved["n"] > 0]
    total = (moved["churn"] / deviation.reindex(moved.index) * moved["n"]).sum()
    return float(total / moved["n"].sum()) if len(moved) else float("nan")
