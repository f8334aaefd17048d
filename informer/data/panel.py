"""Regular series stacked along time: what windows are cut from.

C channels   S series   R runs   T rows of all runs, one after the other   M calendar features

A run is a stretch of a series without a long gap. No window crosses from one run into the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from informer.config import FrameConfig
from informer.data.calendar import calendar_features, future_times
from informer.data.scaler import Scales
from informer.data.times import on_clock
from informer.data.windows import Windows, mapped_rows, window_origins

__all__ = ["OBSERVED", "Panel"]

CHUNK = 2**20  # rows that are worked on at once
OBSERVED = "observed.u1"  # in the folder of a mapped panel


@dataclass(frozen=True)
class Panel:
    """Regular series stacked along time: what windows are cut from.

    Attributes:
        ids: the S series, sorted; `("",)` where the frame has no id column.
        bounds: (R + 1,) row at which each run begins, closed by T.
        owner: (R,) the number of the series that each run belongs to, rising.
        grid: every time step from the first row of any series to the last.
        steps: (T,) position of each row in `grid`.
        lags: (S,) by how much the times of a series are later than the grid's.
        values: (T, C) float64 in the data's own units, gaps filled with the last value before.
        observed: (T, C) False where a value was filled.
        ends: (S, C_t) position in `grid` of the last observed value of each target; -1 where there
            is none. None where nobody asked.
        left_out: series of the frame that are not among `ids`, each with the reason.
        folder: what the arrays are mapped from, see `informer.data.mapped`; None: they lie in
            memory.
    """

    ids: tuple[str, ...]
    bounds: npt.NDArray[np.int64]
    owner: npt.NDArray[np.int64]
    grid: pd.DatetimeIndex
    steps: npt.NDArray[np.int64]
    lags: npt.NDArray[np.timedelta64]
    values: npt.NDArray[np.float64]
    observed: npt.NDArray[np.bool_]
    ends: npt.NDArray[np.int64] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """(R,) position in `grid` of the first row of each run."""
        starts: npt.NDArray[np.int64] = self.steps[self.bounds[:-1]]
        return starts

    @property
    def times(self) -> pd.DatetimeIndex:
        """(T,) the time of each row, naive (UTC where the frame had a zone)."""
        return self.times_of(np.arange(len(self.steps)))

    def times_of(self, rows: npt.NDArray[np.int64]) -> pd.DatetimeIndex:
        """The time of each of `rows` (N,)."""
        times = self.grid[self.steps[rows]]
        if not self.lags.any():
            return times
        return times + pd.TimedeltaIndex(self.lags[self.series_of(rows)])

    @cached_property
    def _phases(self) -> tuple[npt.NDArray[np.timedelta64], npt.NDArray[np.int64]]:
        """(A,) the different lags, and (S,) which of them each series has."""
        lags, number = np.unique(self.lags, return_inverse=True)
        return lags, number.astype(np.int64)

    def marks(self, config: FrameConfig, embed: str) -> npt.NDArray[np.float32]:
        """(A * G, M) calendar features, by the clock of `config.time_zone`.

        Of each step of `grid`; of A different lags one table after the other.
        """
        tables = []
        for lag in self._phases[0]:
            times = on_clock(self.grid + pd.Timedelta(lag), config)
            tables.append(calendar_features(times, config.freq, embed))
        return np.concatenate(tables)

    def windows(
        self,
        scales: Scales,
        marks: npt.NDArray[np.float32],
        origins: Tensor,
        *,
        seq_len: int,
        label_len: int,
        pred_len: int,
        n_targets: int,
    ) -> Windows:
        """Windows over the scaled rows; of mapped rows these are written to a file beside them.

        Args:
            scales: of the channels of each series.
            marks: as `marks` gives them.
            origins: (N,) rows that begin a horizon.
            seq_len: L.
            label_len: rows of the start token.
            pred_len: P.
            n_targets: the last channels, which are forecast.
        """
        values, file = self._scaled(scales)
        observed, observed_file = self._mask(n_targets)
        n_steps = len(self.grid)
        ahead = self.bounds[:-1] - self.starts - n_steps * self._phases[1][self.owner]
        return Windows(
            values=values,
            marks=torch.from_numpy(np.array(marks, dtype=np.float32, order="C")),
            origins=origins,
            seq_len=seq_len,
            label_len=label_len,
            pred_len=pred_len,
            n_targets=n_targets,
            shifts=torch.from_numpy(np.stack([self.bounds[:-1], ahead])),
            owner=torch.from_numpy(self.owner),
            n_times=n_steps,
            observed=observed,
            file=file,
            observed_file=observed_file,
        )

    def _scaled(self, scales: Scales) -> tuple[Tensor, Path | None]:
        shape = self.values.shape
        if self.folder is None:
            scaled = np.empty(shape, dtype=np.float32)
            for part in _chunks(len(scaled)):
                scaled[part] = self._scaled_part(scales, part)
            return torch.from_numpy(scaled), None
        file = self.folder / f"scaled-{scales.digest()}.f32"
        if not file.exists():
            draft = file.with_suffix(f".{os.getpid()}")
            with draft.open("wb") as target:
                for part in _chunks(len(self.values)):
                    self._scaled_part(scales, part).tofile(target)
            draft.replace(file)
        return mapped_rows(file, shape), file

    def _scaled_part(self, scales: Scales, part: slice) -> npt.NDArray[np.float32]:
        rows = np.arange(part.start, part.stop)
        scaled = scales.transform(self.values[part], self.series_of(rows))
        with np.errstate(over="ignore"):  # no forecast is given of what becomes infinite
            return scaled.astype(np.float32)

    def _mask(self, n_targets: int) -> tuple[Tensor | None, Path | None]:
        """(T, C) which values were observed, and its file; None where every target was."""
        if self._complete[-n_targets:].all():
            return None, None
        if self.folder is None:
            return torch.from_numpy(self.observed), None
        file = self.folder / OBSERVED
        return mapped_rows(file, self.values.shape, torch.bool), file

    @cached_property
    def _complete(self) -> npt.NDArray[np.bool_]:
        """(C,) whether no value of a channel was filled; a chunk of rows is read at a time."""
        complete = np.ones(self.observed.shape[1], dtype=bool)
        for part in _chunks(len(self.observed)):
            complete &= self.observed[part].all(axis=0)
        return complete

    def series_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of the series that each of `rows` belongs to, in the same shape."""
        return self.owner[self._run_of(rows)]

    def _run_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        run: npt.NDArray[np.int64] = np.searchsorted(self.bounds, rows, side="right") - 1
        return run

    def rows_of(self, series: int) -> list[slice]:
        """The rows of each run of a series."""
        first, last = np.searchsorted(self.owner, [series, series + 1])
        return [slice(int(self.bounds[r]), int(self.bounds[r + 1])) for r in range(first, last)]

    def rows_at(
        self, series: npt.NDArray[np.int64], steps: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """(N,) the row of each series and step of the grid; -1 where there is none."""
        n_steps = len(self.grid) + 1
        starts = self.owner * n_steps + self.starts
        run = np.searchsorted(starts, series * n_steps + steps, side="right") - 1
        safe = np.maximum(run, 0)
        row = self.bounds[safe] + steps - self.starts[safe]
        is_there = (run >= 0) & (self.owner[safe] == series) & (row < self.bounds[safe + 1])
        return np.where(is_there & (steps >= 0), row, -1)

    def history_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(N,) how many rows of the same run lie before each of `rows`."""
        before: npt.NDArray[np.int64] = rows - self.bounds[self._run_of(rows)]
        return before

    def remaining_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(N,) how many rows each of `rows` and those after it are, to the end of the run."""
        after: npt.NDArray[np.int64] = self.bounds[self._run_of(rows) + 1] - rows
        return after

    def ahead(self, last: npt.NDArray[np.int64], look_back: int, n_steps: int, freq: str) -> Panel:
        """Runs that end in a horizon: `look_back` rows up to each of `last`, then `n_steps` more.

        The added rows stand for times to come. Their values repeat the last ones and count as not
        observed.

        Args:
            last: (N,) the last row that each horizon knows, series by series; each has
                `look_back - 1` rows of its run before it.
            look_back: rows of history.
            n_steps: rows added.
            freq: the step between rows.
        """
        past = (last[:, None] + np.arange(1 - look_back, 1)).ravel()
        length, at = look_back + n_steps, look_back * np.arange(1, len(last) + 1)
        to_come = np.repeat(last, n_steps)
        place = np.repeat(at, n_steps)
        further = np.tile(np.arange(1, n_steps + 1), len(last))
        return replace(
            self,
            bounds=length * np.arange(len(last) + 1),
            owner=self.series_of(last),
            grid=self._grid_to(n_steps, freq),
            steps=np.insert(self.steps[past], place, self.steps[to_come] + further),
            values=np.insert(self.values[past], place, self.values[to_come], axis=0),
            observed=np.insert(self.observed[past], place, False, axis=0),
        )

    def extended(self, n_steps: int, freq: str) -> Panel:
        """The same runs, the last one of each series with `n_steps` more rows, as `ahead` adds."""
        final = np.append(np.diff(self.owner) > 0, True)  # (R,)
        last = self.bounds[1:][final] - 1
        place, to_come = np.repeat(last + 1, n_steps), np.repeat(last, n_steps)
        further = np.tile(np.arange(1, n_steps + 1), len(last))
        return replace(
            self,
            bounds=self.bounds + np.concatenate([[0], np.cumsum(n_steps * final)]),
            grid=self._grid_to(n_steps, freq),
            steps=np.insert(self.steps, place, self.steps[to_come] + further),
            values=np.insert(self.values, place, self.values[to_come], axis=0),
            observed=np.insert(self.observed, place, False, axis=0),
        )

    def _grid_to(self, n_steps: int, freq: str) -> pd.DatetimeIndex:
        """The grid with `n_steps` more steps."""
        return pd.DatetimeIndex(self.grid.append(future_times(self.grid[-1], freq, n_steps)))

    def rows_between(self, start: pd.Timestamp | None, stop: pd.Timestamp | None) -> list[slice]:
        """One slice of rows per run that covers start <= time < stop, by the time of the grid."""
        low, high = self._between(start, stop)
        return [slice(int(a), int(b)) for a, b in zip(low, high, strict=True)]

    def _between(
        self, start: pd.Timestamp | None, stop: pd.Timestamp | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(R,), (R,) the first row of each run in start <= time < stop, and the one after."""
        first = 0 if start is None else int(self.grid.searchsorted(start))
        last = len(self.grid) if stop is None else int(self.grid.searchsorted(stop))
        lengths, starts = np.diff(self.bounds), self.starts
        begin = self.bounds[:-1]
        return (
            begin + np.clip(first - starts, 0, lengths),
            begin + np.clip(last - starts, 0, lengths),
        )

    def origins(
        self,
        between: tuple[pd.Timestamp | None, pd.Timestamp | None],
        look_back: int,
        pred_len: int,
        stride: int = 1,
        at_most: int | None = None,
    ) -> Tensor:
        """(N,) rows that begin a horizon which lies within start <= time < stop.

        The history before an origin may reach back past `start`, never past its run's first row.
        Of more than `at_most` so many are taken, spread over all series and times.
        """
        low, high = self._between(*between)
        return window_origins(self.bounds[:-1], low, high, look_back, pred_len, stride, at_most)


def _chunks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, CHUNK):
        yield slice(start, min(start + CHUNK, n_rows))
