"""Rows of any order on the regular time grid, series by series.

    C columns   S series   T rows of all series, one after the other

A fault of one series leaves that series out. A fault of all of them is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.offsets import BaseOffset, Day, Tick, Week

from informer.data.columns import SINGLE_SERIES
from informer.data.step import mend_of_freq
from informer.errors import FrameError
from informer.frequency import pandas_offset

__all__ = ["Fault", "RegularRows", "fixed_step", "kept_series", "of_series", "on_grid", "placed"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Lags = npt.NDArray[np.timedelta64]


@dataclass(frozen=True)
class Fault:
    """Why a series cannot be used.

    Attributes:
        reason: what follows the name of the series, such as `has no values`.
        text: the whole error, for a frame that holds no other series.
    """

    reason: str
    text: str


@dataclass(frozen=True)
class RegularRows:
    """Every series on the grid, with NaN where nothing was read.

    Attributes:
        ids: the S series, sorted.
        bounds: (S + 1,) row at which each series begins, closed by T.
        grid: every time step from the first row of any series to the last.
        steps: (T,) position of each row in `grid`.
        lags: (S,) by how much the times of a series are later than the grid's.
        values: (T, C) in the data's own units.
        left_out: series to the reason why they are not among `ids`.
    """

    ids: tuple[str, ...]
    bounds: Ints
    grid: pd.DatetimeIndex
    steps: Ints
    lags: Lags
    values: Floats
    left_out: Mapping[str, str]

    @property
    def series(self) -> Ints:
        """(T,) the number of the series that each row belongs to."""
        return np.repeat(np.arange(len(self.ids)), np.diff(self.bounds))

    @property
    def times(self) -> pd.DatetimeIndex:
        """(T,) the time of each row."""
        return self.grid[self.steps] + pd.TimedeltaIndex(self.lags[self.series])


def of_series(series: str) -> str:
    """Which series is meant, where the frame names them."""
    return "" if series == SINGLE_SERIES else f" of series {series!r}"


def kept_series(
    ids: tuple[str, ...], faults: Mapping[int, Fault]
) -> tuple[npt.NDArray[np.bool_], dict[str, str]]:
    """Which series have no fault, (S,), and why the others are left out.

    Raises:
        FrameError: every series has one.
    """
    if len(faults) == len(ids):
        error = FrameError(faults[min(faults)].text)
        error.left_out = {ids[i]: fault.reason for i, fault in sorted(faults.items())}
        raise error
    kept = np.ones(len(ids), dtype=bool)
    kept[list(faults)] = False
    return kept, {ids[i]: fault.reason for i, fault in sorted(faults.items())}


def fixed_step(offset: BaseOffset) -> pd.Timedelta | None:
    """How long each step is; None where steps differ in length, as months do."""
    if isinstance(offset, Tick):
        return pd.Timedelta(offset)
    if isinstance(offset, Day):
        return pd.Timedelta(days=offset.n)
    if isinstance(offset, Week) and getattr(offset, "weekday", None) is None:
        return pd.Timedelta(weeks=offset.n)
    return None


def on_grid(
    times: pd.DatetimeIndex,
    codes: Ints,
    ids: tuple[str, ...],
    values: Floats,
    freq: str,
    faults: dict[int, Fault],
) -> RegularRows:
    """Put rows on the grid.

    Args:
        times: (N,) naive times in any order.
        codes: (N,) the number of each row's series.
        ids: the S series.
        values: (N, C).
        freq: the step between rows.
        faults: series to leave out that are known already; more are added.

    Raises:
        FrameError: no series is left.
    """
    usable = ~np.isin(codes, list(faults))
    if not usable.any():
        kept_series(ids, faults)
    base, steps, lags = placed(times, codes, len(ids), freq, usable=usable)
    _add_strays(faults, times, codes, ids, steps, usable, freq, base)
    _add_repeated(faults, times, codes, ids, steps)
    kept, left_out = kept_series(ids, faults)
    rows = kept[codes]
    number = np.cumsum(kept) - 1
    codes, steps, values = number[codes[rows]], steps[rows], values[rows]
    n_series = int(kept.sum())
    low = np.full(n_series, np.iinfo(np.int64).max)
    high = np.full(n_series, -1, dtype=np.int64)
    np.minimum.at(low, codes, steps)
    np.maximum.at(high, codes, steps)
    bounds = np.concatenate([[0], np.cumsum(high - low + 1)])
    regular = np.full((int(bounds[-1]), values.shape[1]), np.nan)
    regular[bounds[codes] + steps - low[codes]] = values
    return RegularRows(
        ids=tuple(name for name, is_kept in zip(ids, kept, strict=True) if is_kept),
        bounds=bounds,
        grid=pd.date_range(base, periods=int(high.max()) + 1, freq=pandas_offset(freq)),
        steps=np.arange(int(bounds[-1])) - np.repeat(bounds[:-1] - low, np.diff(bounds)),
        lags=lags[kept],
        values=regular,
        left_out=left_out,
    )


def placed(
    times: pd.DatetimeIndex,
    codes: Ints,
    n_series: int,
    freq: str,
    *,
    usable: npt.NDArray[np.bool_] | None = None,
    base: pd.Timestamp | None = None,
) -> tuple[pd.Timestamp, Ints, Lags]:
    """Where the grid begins, the step of each time (N,), and the lag of each series (S,).

    The step of a time that is on no grid is -1. Steps of a fixed length may begin at another time
    in each series: weeks on another weekday, hours at half past. Months have one grid for all.

    Args:
        times: (N,) naive times.
        codes: (N,) the number of each time's series.
        n_series: S.
        freq: the step.
        usable: (N,) rows that say where the grid begins; None: all do.
        base: where the grid begins, if that is known.
    """
    offset = pandas_offset(freq)
    seen = slice(None) if usable is None else usable
    step = fixed_step(offset)
    no_lags = np.zeros(n_series, dtype="timedelta64[us]")
    if step is None:
        base = _calendar_base(times[seen], codes[seen]) if base is None else base
        grid = pd.date_range(base, times[seen].max(), freq=offset)
        return (grid[0] if len(grid) else base), grid.get_indexer(times).astype(np.int64), no_lags
    base = times[seen].min() if base is None else base
    apart = _nanoseconds(times - base)
    first = np.full(n_series, np.iinfo(np.int64).max)
    np.minimum.at(first, codes[seen], apart[seen])
    lags = np.where(first == np.iinfo(np.int64).max, 0, first % step.value)
    steps, rest = np.divmod(apart - lags[codes], step.value)
    steps[(rest != 0) | (steps < 0)] = -1
    return base, steps, lags.astype("timedelta64[ns]").astype("timedelta64[us]")


def _nanoseconds(apart: pd.TimedeltaIndex) -> Ints:
    return apart.as_unit("ns").to_numpy().astype(np.int64)


def _calendar_base(times: pd.DatetimeIndex, codes: Ints) -> pd.Timestamp:
    """The first time, at the time of day at which most series begin."""
    first = pd.Series(times).groupby(codes).min()
    time_of_day = (first - first.dt.normalize()).mode().iloc[0]
    base: pd.Timestamp = times.min().normalize() + time_of_day
    return base


def _add_strays(
    faults: dict[int, Fault],
    times: pd.DatetimeIndex,
    codes: Ints,
    ids: tuple[str, ...],
    steps: Ints,
    usable: npt.NDArray[np.bool_],
    freq: str,
    base: pd.Timestamp,
) -> None:
    stray = np.flatnonzero((steps < 0) & usable)
    for series in np.unique(codes[stray]):
        own = stray[codes[stray] == series]
        time = times[int(own[0])]
        faults[int(series)] = Fault(
            f"has times that are not on the {freq!r} grid of the others, such as {time}",
            f"{time}{of_series(ids[int(series)])} is not on the {freq!r} grid that begins at "
            f"{base}. {mend_of_freq(times[codes == series])}",
        )


def _add_repeated(
    faults: dict[int, Fault],
    times: pd.DatetimeIndex,
    codes: Ints,
    ids: tuple[str, ...],
    steps: Ints,
) -> None:
    order = np.lexsort((steps, codes))
    again = (np.diff(codes[order]) == 0) & (np.diff(steps[order]) == 0) & (steps[order][1:] >= 0)
    twice = order[np.flatnonzero(again)]
    for series in np.unique(codes[twice]):
        if int(series) in faults:
            continue
        own = twice[codes[twice] == series]
        time = times[int(own[0])]
        faults[int(series)] = Fault(
            f"has several rows for one time, such as {time}",
            f"{len(own)} rows have the time of an earlier row, the first at "
            f"{time}{of_series(ids[int(series)])}. Keep one row for each series and time.",
        )
