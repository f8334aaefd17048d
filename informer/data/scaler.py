"""Location and scale of each channel, learnt from the train rows alone: by series, or for all.

T rows of the raw series   C channels   C_t targets   S series of a panel   K fitted series
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from informer.errors import FrameError

__all__ = ["Scales", "StandardScaler", "Summary"]

_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]
Parts = Callable[[], Iterable[tuple[_Floats, _Flags]]]
# The interquartile range of a normal distribution, in standard deviations.
QUARTILES, NORMAL_RANGE = (0.25, 0.5, 0.75), 1.3489795003921634


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
            FrameError: as `Summary.of_parts`.
        """
        found = Summary.of(values, observed)
        return cls(mean=found.mean, std=found.deviation)

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


@dataclass(frozen=True)
class Summary:
    """What the observed rows of C channels show.

    Attributes:
        mean: (C,) of the observed values.
        deviation: (C,) their population deviation; 1 for a channel that never changes.
        low: (C,) the lowest of them.
        high: (C,) the highest.
    """

    mean: _Floats
    deviation: _Floats
    low: _Floats
    high: _Floats

    @classmethod
    def of(cls, values: npt.ArrayLike, observed: npt.ArrayLike | None = None) -> Summary:
        """Of the entries of (T, C) `values` that were observed; None: all were.

        Raises:
            FrameError: as `of_parts`.
        """
        table = np.asarray(values, dtype=np.float64)
        seen = np.ones(table.shape, bool) if observed is None else np.asarray(observed, bool)
        return cls.of_parts(lambda: [(table, seen)])

    @classmethod
    def of_parts(cls, parts: Parts) -> Summary:
        """Of rows that need not lie in memory all at once.

        Args:
            parts: gives, each time that it is called, the same pairs of (T_i, C) rows and which of
                their entries were observed.

        Raises:
            FrameError: a channel has no observed value, or values too large to be squared.
        """
        count, total, n_rows = np.zeros(1, np.int64), np.zeros(1), 0
        low, high = np.array([np.inf]), np.array([-np.inf])
        for table, seen in parts():
            n_rows += len(table)
            count = count + seen.sum(axis=0)  # (C,)
            with np.errstate(over="ignore"):
                total = total + np.where(seen, table, 0.0).sum(axis=0)
            low = np.minimum(low, np.where(seen, table, np.inf).min(axis=0, initial=np.inf))
            high = np.maximum(high, np.where(seen, table, -np.inf).max(axis=0, initial=-np.inf))
        if (count == 0).any():
            raise FrameError(
                f"channel {int(np.argmin(count))} has no observed value in the {n_rows} train "
                "rows. Lengthen the train part, or leave the channel out."
            )
        mean, squares = total / count, np.zeros_like(total)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for table, seen in parts():
                squares = squares + (np.where(seen, table - mean, 0.0) ** 2).sum(axis=0)
        deviation, constant = np.sqrt(squares / count), low == high
        if not np.isfinite(deviation).all():
            raise _too_large(low, high, deviation)
        return cls(
            mean=np.where(constant, low, mean),
            deviation=np.where(constant | (deviation == 0.0), 1.0, deviation),
            low=low,
            high=high,
        )


def _too_large(low: _Floats, high: _Floats, deviation: _Floats) -> FrameError:
    channel = int(np.flatnonzero(~np.isfinite(deviation))[0])
    return FrameError(
        f"channel {channel} holds values from {low[channel]:g} to {high[channel]:g}, whose squares "
        "are too large to be added. Such a value usually stands for a missing one. Replace it with "
        "an empty cell, or correct it."
    )


@dataclass(frozen=True, eq=False)
class Scales:
    """How each series is scaled: what is subtracted, what is divided by, and what the rows held.

    Attributes:
        ids: the K series, sorted; empty where one scale serves all of them, and then K is 1.
        center: (K, C) what is subtracted.
        spread: (K, C) what is divided by then.
        deviation: (K, C) standard deviation in the data's own units, the unit of errors.
        low: (K, C) lowest value, in the data's own units; NaN where it is not known.
        high: (K, C) highest value.
        n_log: how many of the last channels are scaled by the logarithm of 1 + value.
    """

    ids: tuple[str, ...]
    center: _Floats
    spread: _Floats
    deviation: _Floats
    low: _Floats
    high: _Floats
    n_log: int = 0

    @classmethod
    def fit(cls, parts: Parts, *, robust: bool = False, n_log: int = 0) -> Scales:
        """One scale for all rows.

        Args:
            parts: as `Summary.of_parts` takes them. For a robust scale they are held all at once.
            robust: take the median and the interquartile range.
            n_log: of how many of the last channels the logarithm is scaled.

        Raises:
            FrameError: as `Summary.of_parts`; or a value is -1 or less where a logarithm is taken.
        """
        units = Summary.of_parts(parts)

        def logged() -> Iterator[tuple[_Floats, _Flags]]:
            for values, seen in parts():
                yield _logged(values, seen, n_log), seen

        shown = Summary.of_parts(logged) if n_log else units
        center, spread = shown.mean, shown.deviation
        if robust:
            center, spread = _robust(logged, shown)
        return cls(
            ids=(),
            center=center[None],
            spread=spread[None],
            deviation=units.deviation[None],
            low=units.low[None],
            high=units.high[None],
            n_log=n_log,
        )

    @classmethod
    def joined(cls, ids: Sequence[str], parts: Sequence[Scales]) -> Scales:
        """The scales of single series as one table."""
        tables = [part.to_arrays() for part in parts]
        arrays = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
        return cls.from_arrays(ids, parts[0].n_log, arrays)

    def rows(self, number: npt.NDArray[np.int64]) -> Scales:
        """The scales of the series numbered `number` (S,), without names."""
        arrays = {name: array[number] for name, array in self.to_arrays().items()}
        return Scales.from_arrays((), self.n_log, arrays)

    def transform(self, values: _Floats, series: npt.NDArray[np.int64]) -> _Floats:
        """(N, C) in the data's own units -> (N, C) scaled; `series` (N,) are rows of the table."""
        table = _logged(values, None, self.n_log)
        return (table - self.center[series]) / self.spread[series]

    def inverse_targets(
        self, values: _Floats, series: npt.NDArray[np.int64], n_targets: int
    ) -> _Floats:
        """(N, ..., C_t) scaled targets -> the same in the data's own units; `series` (N,)."""
        shape = (len(series), *(1,) * (values.ndim - 2), n_targets)
        spread, center = (
            part[series, -n_targets:].reshape(shape) for part in (self.spread, self.center)
        )
        units = np.asarray(values, dtype=np.float64) * spread + center
        return np.expm1(units) if self.n_log else units

    def digest(self) -> str:
        """What names a file of rows that were scaled so."""
        parts = self.center.tobytes() + self.spread.tobytes() + bytes([self.n_log > 0])
        return hashlib.sha256(parts).hexdigest()[:16]

    def to_arrays(self) -> dict[str, _Floats]:
        """The arrays by name; `from_arrays` takes them back."""
        return {
            "center": self.center, "spread": self.spread, "deviation": self.deviation,
            "low": self.low, "high": self.high,
        }  # fmt: skip

    @classmethod
    def from_arrays(
        cls, ids: Sequence[str], n_log: int, arrays: Mapping[str, npt.NDArray[Any]]
    ) -> Scales:
        """Rebuild from names and `to_arrays`."""
        return cls(
            ids=tuple(ids),
            n_log=n_log,
            **{name: np.array(array, dtype=np.float64) for name, array in arrays.items()},
        )


def _logged(values: _Floats, observed: _Flags | None, n_log: int) -> _Floats:
    """The rows with the logarithm of 1 + value in the last `n_log` channels."""
    if not n_log:
        return values
    targets = values[:, -n_log:]
    counts = targets if observed is None else targets[observed[:, -n_log:]]
    if observed is not None and (counts <= -1).any():
        raise FrameError(
            f"a target holds {counts.min():g}, and transform=log1p takes the logarithm of 1 + "
            "target, which needs values above -1. Set frame.transform to none."
        )
    logged = np.log1p(np.maximum(targets, np.nextafter(-1.0, 0.0)))
    return np.concatenate([values[:, :-n_log], logged], axis=1)


def _robust(parts: Parts, shown: Summary) -> tuple[_Floats, _Floats]:
    """(C,) median and interquartile range over that of a normal distribution.

    A channel of which half the values are the same keeps its standard deviation.
    """
    n_channels = len(shown.mean)
    center, spread = np.empty(n_channels), np.empty(n_channels)
    for c in range(n_channels):
        held = np.concatenate([values[seen[:, c], c] for values, seen in parts()])
        low, center[c], high = np.quantile(held, QUARTILES)
        spread[c] = (high - low) / NORMAL_RANGE
    return center, np.where(spread > 0, spread, shown.deviation)
