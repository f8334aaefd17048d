"""Regular series stacked along time: what windows are cut from.

C channels   S series   T rows of all series, one after the other   M calendar features
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from informer.config import FrameConfig
from informer.data.calendar import calendar_features, future_times
from informer.data.scaler import StandardScaler
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
        bounds: (S + 1,) row at which each series begins, closed by T.
        grid: every time step from the first row of any series to the last.
        steps: (T,) position of each row in `grid`.
        values: (T, C) float64 in the data's own units, gaps filled with the last value before.
        observed: (T, C) False where a value was filled.
        folder: what the arrays are mapped from, see `informer.data.mapped`; None: they lie in
            memory.
    """

    ids: tuple[str, ...]
    bounds: npt.NDArray[np.int64]
    grid: pd.DatetimeIndex
    steps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    observed: npt.NDArray[np.bool_]
    folder: Path | None = None

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """(S,) position in `grid` of the first row of each series."""
        starts: npt.NDArray[np.int64] = self.steps[self.bounds[:-1]]
        return starts

    @property
    def times(self) -> pd.DatetimeIndex:
        """(T,) the time of each row, naive (UTC where the frame had a zone)."""
        return self.grid[self.steps]

    def marks(self, config: FrameConfig, embed: str) -> npt.NDArray[np.float32]:
        """(G, M) calendar features of each step of `grid`, by the clock of `config.time_zone`."""
        return calendar_features(on_clock(self.grid, config), config.freq, embed)

    def fit_scaler(self, until: pd.Timestamp | None) -> StandardScaler:
        """The scaler of the rows before a time.

        Raises:
            FrameError: a channel has no observed value among them.
        """
        rows = self.rows_between(None, until)

        def parts() -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]:
            for part in _pieces(rows):
                yield (
                    np.concatenate([self.values[piece] for piece in part]),
                    np.concatenate([self.observed[piece] for piece in part]),
                )

        return StandardScaler.fit_parts(parts)

    def windows(
        self,
        scaler: StandardScaler,
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
            scaler: of the channels.
            marks: (G, M), as `marks` gives them.
            origins: (N,) rows that begin a horizon.
            seq_len: L.
            label_len: rows of the start token.
            pred_len: P.
            n_targets: the last channels, which are forecast.
        """
        values, file = self._scaled(scaler)
        observed, observed_file = self._mask(n_targets)
        ahead = self.bounds[:-1] - self.starts
        return Windows(
            values=values,
            marks=torch.from_numpy(np.array(marks, dtype=np.float32, order="C")),
            origins=origins,
            seq_len=seq_len,
            label_len=label_len,
            pred_len=pred_len,
            n_targets=n_targets,
            shifts=torch.from_numpy(np.stack([self.bounds[:-1], ahead])),
            observed=observed,
            file=file,
            observed_file=observed_file,
        )

    def _scaled(self, scaler: StandardScaler) -> tuple[Tensor, Path | None]:
        shape = self.values.shape
        if self.folder is None:
            scaled = np.empty(shape, dtype=np.float32)
            for part in _chunks(len(scaled)):
                scaled[part] = scaler.transform(self.values[part])
            return torch.from_numpy(scaled), None
        digest = hashlib.sha256(scaler.mean.tobytes() + scaler.std.tobytes()).hexdigest()[:16]
        file = self.folder / f"scaled-{digest}.f32"
        if not file.exists():
            draft = file.with_suffix(f".{os.getpid()}")
            with draft.open("wb") as target:
                for part in _chunks(len(self.values)):
                    scaler.transform(self.values[part]).astype(np.float32).tofile(target)
            draft.replace(file)
        return mapped_rows(file, shape), file

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
        series: npt.NDArray[np.int64] = np.searchsorted(self.bounds, rows, side="right") - 1
        return series

    def last(self, n_rows: int) -> Panel:
        """The last `n_rows` rows of each series, which has at least so many."""
        rows = (self.bounds[1:, None] + np.arange(-n_rows, 0)).ravel()
        return Panel(
            ids=self.ids,
            bounds=n_rows * np.arange(len(self.bounds)),
            grid=self.grid,
            steps=self.steps[rows],
            values=self.values[rows],
            observed=self.observed[rows],
        )

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
        low, high = self._between(start, stop)
        return [slice(int(a), int(b)) for a, b in zip(low, high, strict=True)]

    def _between(
        self, start: pd.Timestamp | None, stop: pd.Timestamp | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(S,), (S,) the first row of each series in start <= time < stop, and the one after."""
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

        The history before an origin may reach back past `start`, never past its series' first row.
        Of more than `at_most` so many are taken, spread over all series and times.
        """
        low, high = self._between(*between)
        return window_origins(self.bounds[:-1], low, high, look_back, pred_len, stride, at_most)


def _chunks(n_rows: int) -> Iterator[slice]:
    for start in range(0, n_rows, CHUNK):
        yield slice(start, min(start + CHUNK, n_rows))


def _pieces(rows: Sequence[slice]) -> Iterator[list[slice]]:
    """The same rows in lists of slices that hold at most `CHUNK` rows together."""
    held: list[slice] = []
    n_held = 0
    for whole in rows:
        start = whole.start
        while start < whole.stop:
            stop = min(whole.stop, start + CHUNK - n_held)
            held.append(slice(start, stop))
            n_held += stop - start
            start = stop
            if n_held == CHUNK:
                yield held
                held, n_held = [], 0
    if held:
        yield held
