"""From rows to windows: the only place where an index into time is computed.

    B batch   L seq_len   P pred_len   C channels   M calendar features   T rows   N windows

A window is named by its origin, the row of its first forecast step:

    rows         o-L ... o-label_len ... o-1 | o ... o+P-1
    encoder      [-----------------------]
    decoder                 [-- start token -] [- horizon -]

Series stand one after the other along T; `window_origins` is called once for each, with its own
bounds, so that no window crosses from one series into the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from informer.errors import FrameError

__all__ = ["Batch", "Windows", "window_origins"]


class Batch(NamedTuple):
    """What one step of training reads; the decoder's values are built inside the network."""

    x_enc: Tensor  # (B, L, C)
    x_mark_enc: Tensor  # (B, L, M)
    x_mark_dec: Tensor  # (B, label_len + P, M)
    y: Tensor  # (B, P, n_targets)


def window_origins(
    first_row: int, start: int, stop: int, look_back: int, pred_len: int, stride: int = 1
) -> Tensor:
    """Every origin of one series whose forecast lies in start <= row < stop.

    Args:
        first_row: The row where the series begins; history may come from before `start`.
        start: The first row that may be forecast.
        stop: The row after the last one that may be forecast.
        look_back: How many rows before its origin a window reads.
        pred_len: P, how many rows from its origin a window forecasts.
        stride: The distance between origins.

    Returns:
        (N,) int64 rows, rising; empty where no window fits.
    """
    low = max(start, first_row + look_back)
    return torch.arange(low, max(low, stop - pred_len + 1), stride, dtype=torch.int64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows:
    """N windows over rows that are stored once, on one device.

    Attributes:
        values: (T, C) float32, scaled; the targets are the last `n_targets` channels.
        marks: (T, M) float32 calendar features.
        origins: (N,) int64, the row of the first forecast step of each window.
        seq_len: L, rows that the encoder reads.
        label_len: rows of the encoder's input that the decoder reads again.
        pred_len: P, rows forecast.
        n_targets: channels forecast.

    Raises:
        FrameError: a horizon reaches beyond the rows, or `values` and `marks` differ in rows.
    """

    values: Tensor
    marks: Tensor
    origins: Tensor
    seq_len: int
    label_len: int
    pred_len: int
    n_targets: int

    def __post_init__(self) -> None:
        n_rows = len(self.values)
        if len(self.marks) != n_rows:
            raise FrameError(
                f"values have {n_rows} rows and marks {len(self.marks)}; give each row its marks."
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
    ) -> Windows:
        """Build from arrays of rows: `values` (T, C) scaled, `marks` (T, M), `origins` (N,)."""
        return cls(
            values=torch.from_numpy(np.array(values, dtype=np.float32, order="C")),
            marks=torch.from_numpy(np.array(marks, dtype=np.float32, order="C")),
            origins=origins,
            seq_len=seq_len,
            label_len=label_len,
            pred_len=pred_len,
            n_targets=n_targets,
        )

    def __len__(self) -> int:
        """N, the number of windows."""
        return len(self.origins)

    @property
    def device(self) -> torch.device:
        """Where the rows lie and the batches are made."""
        return self.values.device

    def batch(self, index: Tensor) -> Batch:
        """The windows numbered `index` (B,), without a loop over them.

        Raises:
            IndexError: a window's history reaches back past the first row.
        """
        first = self.origins[index] - self.seq_len  # (B,)
        span = self.seq_len + self.pred_len
        # Each view holds every window without a copy; only the windows wanted are gathered.
        values = self.values.unfold(0, span, 1).transpose(1, 2)  # (T - span + 1, L + P, C)
        values = values.index_select(0, first)  # (B, L + P, C)
        marks = self.marks.unfold(0, span, 1).transpose(1, 2)  # (T - span + 1, L + P, M)
        marks = marks.index_select(0, first)  # (B, L + P, M)
        return Batch(
            x_enc=values[:, : self.seq_len],
            x_mark_enc=marks[:, : self.seq_len],
            x_mark_dec=marks[:, self.seq_len - self.label_len :],
            y=values[:, self.seq_len :, values.shape[2] - self.n_targets :],
        )

    def to(self, device: torch.device | str) -> Windows:
        """The same windows with their rows on `device`."""
        return replace(
            self,
            values=self.values.to(device),
            marks=self.marks.to(device),
            origins=self.origins.to(device),
        )

    def subset(self, index: Tensor | slice) -> Windows:
        """The windows numbered `index`, over the same rows."""
        return replace(self, origins=self.origins[index])
