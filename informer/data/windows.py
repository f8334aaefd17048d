"""From rows to windows: the only file that computes which rows a window covers.

    B batch   L seq_len   P pred_len   C channels   M calendar features   T rows   N windows

A window is named by its origin, the row of its first forecast step:

    rows         o-L ... o-label_len ... o-1 | o ... o+P-1
    encoder      [-----------------------]
    decoder                 [-- start token -] [- horizon -]

Runs of series stand one after the other along T; `window_origins` is given the bounds of each, so
that no window crosses from one into the next. No window is stored: a batch is gathered from the
rows, which may lie in memory or in a file that is mapped into it.

A gap in the data is filled, so that the network has something to read. A filled value is an input
and never a truth: `horizon` and `Batch.y` hold NaN in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from informer.errors import FrameError

__all__ = ["Batch", "Windows", "horizon_rows", "mapped_rows", "window_origins"]


class Batch(NamedTuple):
    """What one step of training reads; the decoder's values are built inside the network."""

    x_enc: Tensor  # (B, L, C)
    x_mark_enc: Tensor  # (B, L, M)
    x_mark_dec: Tensor  # (B, label_len + P, M)
    y: Tensor  # (B, P, n_targets), NaN where nothing was observed
    seen: Tensor | None = None  # (B, P, n_targets) False where nothing was; None: all was observed


RESIDENT_BYTES = 2**30  # mapped rows that an accelerator takes whole
CHUNK = 2048  # windows that are looked at together
Rows = int | npt.NDArray[np.int64]


def window_origins(
    first_row: Rows,
    start: Rows,
    stop: Rows,
    look_back: int,
    pred_len: int,
    stride: int = 1,
    at_most: int | None = None,
) -> Tensor:
    """The origins whose forecast lies in start <= row < stop, of one series or of S, each its own.

    Args:
        first_row: The row where the series begins; history may come from before `start`. ()/(S,)
        start: The first row that may be forecast. ()/(S,)
        stop: The row after the last one that may be forecast. ()/(S,)
        look_back: How many rows before its origin a window reads.
        pred_len: P, how many rows from its origin a window forecasts.
        stride: The distance between origins.
        at_most: How many are taken where there are more: one at random out of each of so many
            equal stretches, the same ones at every call. None takes all.

    Returns:
        (N,) int64 rows, rising within a series, series by series; empty where no window fits.
    """
    low = np.atleast_1d(np.maximum(start, np.add(first_row, look_back)))  # (S,)
    counts = np.maximum(0, -(-(np.asarray(stop) - pred_len + 1 - low) // stride))
    ends = np.cumsum(counts)
    n_windows = int(ends[-1])
    if at_most is None or n_windows <= at_most:
        number = np.arange(n_windows)
    else:
        edges = np.arange(at_most + 1) * n_windows // at_most
        drawn = np.random.default_rng(0).random(at_most)
        number = edges[:-1] + (drawn * np.diff(edges)).astype(np.int64)
    series = np.searchsorted(ends, number, side="right")
    within = number - (ends - counts)[series]
    return torch.from_numpy(low[series] + within * stride)


def horizon_rows(origins: npt.NDArray[np.int64], n_steps: int) -> npt.NDArray[np.int64]:
    """(N, n_steps) the rows that the horizons of the origins (N,) cover."""
    rows: npt.NDArray[np.int64] = np.asarray(origins)[:, None] + np.arange(n_steps)
    return rows


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows:
    """N windows over rows that are stored once.

    Attributes:
        values: (T, C) float32, scaled; the targets are the last `n_targets` channels.
        marks: (G, M) float32 calendar features of each time step; of each row without `shifts`.
        origins: (N,) int64, the row of the first forecast step of each window.
        seq_len: L, rows that the encoder reads.
        label_len: rows of the encoder's input that the decoder reads again.
        pred_len: P, rows forecast.
        n_targets: channels forecast.
        shifts: (2, R) the first row of each run, and by how much its rows are ahead of their marks;
            None where each row has marks of its own, and then all rows are one run.
        owner: (R,) int64, the number of the series of each run; None where there is one run.
        n_times: steps of the time grid, where the marks hold several tables of so many rows.
        observed: (T, C) bool, False where a value was filled; None where none was.
        file: what `values` are mapped from; None where they lie in memory.
        observed_file: what `observed` is mapped from, likewise.
        batch_device: where batches are made; None: where the rows lie.

    Raises:
        FrameError: a horizon reaches beyond the rows, or `values` differ in rows from `marks`, or
            in shape from `observed`.
    """

    values: Tensor
    marks: Tensor
    origins: Tensor
    seq_len: int
    label_len: int
    pred_len: int
    n_targets: int
    shifts: Tensor | None = None
    owner: Tensor | None = None
    n_times: int | None = None
    observed: Tensor | None = None
    file: Path | None = None
    observed_file: Path | None = None
    batch_device: torch.device | None = None

    def __post_init__(self) -> None:
        n_rows = len(self.values)
        if self.shifts is None and len(self.marks) != n_rows:
            raise FrameError(
                f"values have {n_rows} rows and marks {len(self.marks)}; give one row of marks "
                "for each row of values."
            )
        if self.observed is not None and self.observed.shape != self.values.shape:
            raise FrameError(
                f"values have the shape {tuple(self.values.shape)} and observed "
                f"{tuple(self.observed.shape)}; give one flag for each value."
            )
        if not len(self.origins):
            return
        low, high = (int(bound) for bound in torch.aminmax(self.origins))
        if low < 0 or high + self.pred_len > n_rows:
            raise FrameError(
                f"windows with origins from {low} to {high} forecast up to row "
                f"{high + self.pred_len - 1}, but the rows are 0 to {n_rows - 1}. Take the "
                "origins from window_origins."
            )

    @classmethod
    def cut(
        cls,
        values: npt.NDArray[np.floating],
        marks: npt.NDArray[np.floating],
        origins: Tensor,
        *,
        seq_len: int,
        label_len: int,
        pred_len: int,
        n_targets: int,
        observed: npt.NDArray[np.bool_] | None = None,
    ) -> Windows:
        """Build from arrays of rows of one series in memory: (T, C), (T, M), (N,) and (T, C)."""
        return cls(
            values=torch.from_numpy(np.array(values, dtype=np.float32, order="C")),
            marks=torch.from_numpy(np.array(marks, dtype=np.float32, order="C")),
            origins=origins,
            seq_len=seq_len,
            label_len=label_len,
            pred_len=pred_len,
            n_targets=n_targets,
            observed=None if observed is None else torch.from_numpy(np.array(observed, dtype=bool)),
        )

    def __len__(self) -> int:
        """N, the number of windows."""
        return len(self.origins)

    @property
    def device(self) -> torch.device:
        """Where the batches are made."""
        return self.values.device if self.batch_device is None else self.batch_device

    @property
    def numbers(self) -> Tensor:
        """(N,) int64, the number of every window."""
        return torch.arange(len(self), device=self.origins.device)

    def parts(self, size: int) -> tuple[Tensor, ...]:
        """The numbers of all windows in order, `size` at a time."""
        return torch.split(self.numbers, size)

    @property
    def times(self) -> Tensor:
        """(N,) int64, the step of the time grid at which each window's forecast begins.

        Windows of different series that begin at the same time have the same step.
        """
        times = self.origins - self._ahead(self.origins)
        return times if self.n_times is None else times % self.n_times

    def series(self, index: Tensor) -> Tensor:
        """(B,) int64, the number of the series of each of the windows `index`."""
        rows = self._first(index)
        if self.shifts is None or self.owner is None:
            return torch.zeros_like(rows)
        return self.owner[self._run(rows)]

    def past(self, index: Tensor, n_rows: int) -> Tensor:
        """(B, n_rows, n_targets) scaled targets just before the origins of the windows `index`.

        A gap holds what it was filled with: that is what a forecaster knew.

        Raises:
            IndexError: so many rows reach back past the first one.
        """
        return _gathered(self._targets(self.values), self._first(index) - n_rows, n_rows)

    def past_observed(self, index: Tensor, n_rows: int) -> Tensor | None:
        """(B, n_rows, n_targets) False where `past` was filled; None where no value ever was."""
        if self.observed is None:
            return None
        return _gathered(self._targets(self.observed), self._first(index) - n_rows, n_rows)

    def horizon(self, index: Tensor) -> Tensor:
        """(B, P, n_targets) what came in the windows `index`, scaled; NaN if it was not observed.

        Without a NaN wherever `observed` is None.
        """
        values = _gathered(self._targets(self.values), self._first(index), self.pred_len)
        seen = self.horizon_observed(index)
        return values if seen is None else values.masked_fill(~seen, torch.nan)

    def horizon_observed(self, index: Tensor) -> Tensor | None:
        """(B, P, n_targets) False where nothing was observed; None where no value was filled."""
        if self.observed is None:
            return None
        return _gathered(self._targets(self.observed), self._first(index), self.pred_len)

    def n_observed(self) -> Tensor:
        """(N,) int64, how many observed target values the horizon of each window holds."""
        if self.observed is None:
            full = self.pred_len * self.n_targets
            return torch.full((len(self),), full, device=self.origins.device)
        counts = [_count(self.horizon_observed(index)) for index in self.parts(CHUNK)]
        return torch.cat(counts) if counts else self.numbers

    def with_truth(self) -> Windows:
        """The windows whose horizons hold an observed value; of the others nothing is known."""
        if self.observed is None:
            return self
        known = self.n_observed() > 0
        return self if bool(known.all()) else self.subset(known)

    def batch(self, index: Tensor) -> Batch:
        """The windows numbered `index` (B,), without a loop over them.

        Raises:
            IndexError: a window's history reaches back past the first row.
        """
        first = self._first(index) - self.seq_len  # (B,)
        values = _gathered(self.values, first, self.seq_len + self.pred_len)  # (B, L + P, C)
        first = first - self._ahead(first)
        marks = _gathered(self.marks, first, self.seq_len + self.pred_len)  # (B, L + P, M)
        values, marks = values.to(self.device), marks.to(self.device)
        y = self._targets(values)[:, self.seq_len :]
        seen = self.horizon_observed(index)
        if seen is not None:
            seen = seen.to(self.device)
            y = y.masked_fill(~seen, torch.nan)
        return Batch(
            x_enc=values[:, : self.seq_len],
            x_mark_enc=marks[:, : self.seq_len],
            x_mark_dec=marks[:, self.seq_len - self.label_len :],
            y=y,
            seen=seen,
        )

    def _first(self, index: Tensor) -> Tensor:
        """(B,) origins of the windows `index`."""
        return self.origins[index.to(self.origins.device)]

    def _ahead(self, rows: Tensor) -> Tensor | int:
        """By how much each of `rows` (B,) is ahead of its step of the time grid."""
        if self.shifts is None:
            return 0
        return self.shifts[1, self._run(rows)]

    def _run(self, rows: Tensor) -> Tensor:
        """(B,) the number of the run that each of `rows` (B,) belongs to."""
        assert self.shifts is not None
        return torch.searchsorted(self.shifts[0], rows.contiguous(), right=True) - 1

    def _targets(self, table: Tensor) -> Tensor:
        """(..., n_targets) the last channels of (..., C), without a copy."""
        return table[..., table.shape[-1] - self.n_targets :]

    def to(self, device: torch.device | str) -> Windows:
        """The same windows with their batches on `device`.

        The rows go there too, but for mapped ones of more than `RESIDENT_BYTES`, or on the CPU.
        """
        device = torch.device(device)
        if self.file is not None and (device.type == "cpu" or self.values.nbytes > RESIDENT_BYTES):
            return replace(self, batch_device=device)
        return replace(
            self,
            file=None,
            observed_file=None,
            observed=None if self.observed is None else self.observed.to(device),
            values=self.values.to(device),
            marks=self.marks.to(device),
            origins=self.origins.to(device),
            shifts=None if self.shifts is None else self.shifts.to(device),
            owner=None if self.owner is None else self.owner.to(device),
        )

    def subset(self, index: Tensor | slice) -> Windows:
        """The windows numbered `index`, over the same rows."""
        return replace(self, origins=self.origins[index])

    def __getstate__(self) -> dict[str, Any]:
        """Another process maps the file anew, in place of getting a copy of its rows."""
        state = dict(self.__dict__)
        if self.file is not None:
            state["values"] = tuple(self.values.shape)
        if self.observed_file is not None:
            state["observed"] = tuple(self.values.shape)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["file"] is not None:
            state = state | {"values": mapped_rows(state["file"], state["values"])}
        if state["observed_file"] is not None:
            shape, file = state["observed"], state["observed_file"]
            state = state | {"observed": mapped_rows(file, shape, torch.bool)}
        self.__dict__.update(state)


def mapped_rows(file: Path, shape: tuple[int, int], dtype: torch.dtype = torch.float32) -> Tensor:
    """The rows (T, C) of a file of `dtype`, read from it page by page when they are used."""
    size = shape[0] * shape[1]
    return torch.from_file(str(file), shared=False, size=size, dtype=dtype).view(shape)


def _gathered(table: Tensor, first: Tensor, span: int) -> Tensor:
    """(B, span, K) consecutive rows of a table (T, K) from the rows `first` (B,)."""
    # The view holds every window without a copy; only the windows wanted are gathered.
    return table.unfold(0, span, 1).transpose(1, 2).index_select(0, first)


def _count(seen: Tensor | None) -> Tensor:
    """(B,) how many entries of (B, P, n_targets) are true."""
    assert seen is not None
    return seen.sum(dim=(1, 2))
