"""Regular series stacked along time: what windows are cut from.

C channels   S series   T rows of all series, one after the other   M calendar features
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from informer.config import FrameConfig
from informer.data.calendar import calendar_features, future_times
from informer.data.windows import window_origins

__all__ = ["Panel"]


@dataclass(frozen=True)
class Panel:
    """Regular series stacked along time: what windows are cut from.

    Attributes:
        ids: the S series, sorted; `("",)` where the frame has no id column.
        bounds: (S + 1,) row at which each series begins, closed by T.
        grid: every time step from the first row of any series to the last.
        steps: (T,) position of each row in `grid`.
        values: (T, C) float64 in the data's own units, gaps filled with the last value before.
        observed: (T, C) False where a value was filled.
    """

    ids: tuple[str, ...]
    bounds: npt.NDArray[np.int64]
    grid: pd.DatetimeIndex
    steps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    observed: npt.NDArray[np.bool_]

    @property
    def times(self) -> pd.DatetimeIndex:
        """(T,) the time of each row, naive (UTC where the frame had a zone)."""
        return self.grid[self.steps]

    def marks(self, config: FrameConfig, embed: str) -> npt.NDArray[np.float32]:
        """(T, M) calendar features, read off the clock of `config.time_zone`."""
        times = self.grid
        if config.time_zone is not None:
            times = times.tz_localize("UTC").tz_convert(config.time_zone).tz_localize(None)
        return calendar_features(times, config.freq, embed)[self.steps]

    def series_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of the series that each of `rows` belongs to, in the same shape."""
        series: npt.NDArray[np.int64] = np.searchsorted(self.bounds, rows, side="right") - 1
        return series

    def extended(self, n_steps: int, freq: str) -> Panel:
        """The same series with `n_steps` more rows each, which only stand for times to come.

        Their values repeat the last ones and count as not observed.
        """
        n_series = len(self.ids)
        last = np.repeat(self.bounds[1:] - 1, n_steps)  # (S * n_steps,)
        ahead = np.tile(np.arange(1, n_steps + 1), n_series)
        return Panel(
            ids=self.ids,
            bounds=self.bounds + n_steps * np.arange(n_series + 1),
            grid=pd.DatetimeIndex(self.grid.append(future_times(self.grid[-1], freq, n_steps))),
            steps=np.insert(self.steps, last + 1, self.steps[last] + ahead),
            values=np.insert(self.values, last + 1, self.values[last], axis=0),
            observed=np.insert(self.observed, last + 1, False, axis=0),
        )

    def rows_between(self, start: pd.Timestamp | None, stop: pd.Timestamp | None) -> list[slice]:
        """One slice of rows per series that covers start <= time < stop."""
        first = 0 if start is None else int(self.grid.searchsorted(start))
        last = len(self.grid) if stop is None else int(self.grid.searchsorted(stop))
        found = []
        for begin, end in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            steps = self.steps[begin:end]
            low, high = np.searchsorted(steps, [first, last])
            found.append(slice(int(begin + low), int(begin + high)))
        return found

    def origins(
        self,
        between: tuple[pd.Timestamp | None, pd.Timestamp | None],
        look_back: int,
        pred_len: int,
        stride: int = 1,
    ) -> Tensor:
        """(N,) rows that begin a horizon which lies within start <= time < stop.

        The history before an origin may reach back past `start`, never past its series' first row.
        """
        parts = [
            window_origins(int(first), rows.start, rows.stop, look_back, pred_len, stride)
            for first, rows in zip(self.bounds[:-1], self.rows_between(*between), strict=True)
        ]
        return torch.cat(parts)
