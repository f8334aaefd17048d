"""Zero mean and unit deviation for each channel, learnt from the train rows alone.

T rows of the raw series   C channels
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from informer.errors import FrameError

__all__ = ["StandardScaler"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StandardScaler:
    """Mean and population deviation of C channels; `inverse` undoes `transform`.

    Attributes:
        mean: (C,) in the data's own units.
        std: (C,) in the data's own units; 1 for a channel that never changes.
    """

    mean: _Floats
    std: _Floats

    @classmethod
    def fit(cls, values: npt.ArrayLike, observed: npt.ArrayLike | None = None) -> StandardScaler:
        """Learn from the entries of `values` that were observed.

        Args:
            values: (T, C) rows of the train part; entries not observed may hold anything.
            observed: (T, C) False where a value was filled; None means that none was.

        Raises:
            FrameError: a channel has no observed value.
        """
        table = np.asarray(values, dtype=np.float64)
        seen = np.ones(table.shape, bool) if observed is None else np.asarray(observed, bool)
        count = seen.sum(axis=0)  # (C,)
        if (count == 0).any():
            raise FrameError(
                f"channel {int(np.argmin(count))} has no observed value among {len(table)} train "
                "rows. Lengthen the train part, or leave the channel out."
            )
        mean = np.where(seen, table, 0.0).sum(axis=0) / count
        std = np.sqrt((np.where(seen, table - mean, 0.0) ** 2).sum(axis=0) / count)
        lowest = np.where(seen, table, np.inf).min(axis=0)
        constant = lowest == np.where(seen, table, -np.inf).max(axis=0)
        return cls(
            mean=np.where(constant, lowest, mean),
            std=np.where(constant | (std == 0.0), 1.0, std),
        )

    def transform(self, values: npt.ArrayLike) -> _Floats:
        """(..., C) in the data's own units -> (..., C) scaled."""
        return (np.asarray(values, dtype=np.float64) - self.mean) / self.std

    def inverse(self, values: npt.ArrayLike) -> _Floats:
        """(..., C) scaled -> (..., C) in the data's own units."""
        return np.asarray(values, dtype=np.float64) * self.std + self.mean

    def last(self, n_channels: int) -> StandardScaler:
        """The scaler of the last `n_channels` channels, where the targets are."""
        first = len(self.mean) - n_channels
        return StandardScaler(mean=self.mean[first:], std=self.std[first:])

    def to_dict(self) -> dict[str, list[float]]:
        """Plain lists, which JSON gives back bit for bit."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Sequence[float]]) -> StandardScaler:
        """Rebuild from `to_dict`."""
        return cls(
            mean=np.asarray(values["mean"], dtype=np.float64),
            std=np.asarray(values["std"], dtype=np.float64),
        )
