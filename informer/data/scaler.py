"""Zero mean and unit deviation for each channel, learnt from the train rows alone.

T rows of the raw series   C channels
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from informer.errors import FrameError

__all__ = ["StandardScaler"]

_Floats = npt.NDArray[np.float64]
Parts = Callable[[], Iterable[tuple[_Floats, npt.NDArray[np.bool_]]]]


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
        return cls.fit_parts(lambda: [(table, seen)])

    @classmethod
    def fit_parts(cls, parts: Parts) -> StandardScaler:
        """Learn from rows that need not lie in memory all at once.

        Args:
            parts: gives, each time that it is called, the same pairs of (T_i, C) rows and which of
                their entries were observed.

        Raises:
            FrameError: a channel has no observed value.
        """
        count, total, n_rows = np.zeros(1, np.int64), np.zeros(1), 0
        lowest, highest = np.array([np.inf]), np.array([-np.inf])
        for table, seen in parts():
            n_rows += len(table)
            count = count + seen.sum(axis=0)  # (C,)
            total = total + np.where(seen, table, 0.0).sum(axis=0)
            lowest = np.minimum(lowest, np.where(seen, table, np.inf).min(axis=0, initial=np.inf))
            highest = np.maximum(
                highest, np.where(seen, table, -np.inf).max(axis=0, initial=-np.inf)
            )
        if (count == 0).any():
            raise FrameError(
                f"channel {int(np.argmin(count))} has no observed value in the {n_rows} train "
                "rows. Lengthen the train part, or leave the channel out."
            )
        mean, squares = total / count, np.zeros_like(total)
        for table, seen in parts():
            squares = squares + (np.where(seen, table - mean, 0.0) ** 2).sum(axis=0)
        std, constant = np.sqrt(squares / count), lowest == highest
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
