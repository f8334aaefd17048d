"""Times on the clock of a zone, without their offset: which instants they are.

When a clock is put back, an hour of it comes twice; when it is put forward, one is left out.

    T rows of all series
"""

from __future__ import annotations

import zoneinfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.errors import TimesError

__all__ = ["check_not_local", "check_not_twice", "instants_of"]

_Codes = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]

COMMON_ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "Australia/Sydney")
CHANCE = 0.05  # how likely the missing hours of spring may be by chance
WITH_OFFSET = "Write times with their offset, such as 2024-10-27T02:00+01:00"


def instants_of(
    walls: pd.DatetimeIndex, codes: _Codes, zone: str, step: pd.Timedelta, name: str
) -> pd.DatetimeIndex:
    """The instants of wall times, in UTC and naive.

    An hour that comes twice is told apart within each series: by the order of its rows where both
    times have a row, else by the rows beside it.

    Args:
        walls: (T,) naive times on the clock of `zone`, the rows of a series in order of time,
            oldest or newest first, where a time comes twice.
        codes: (T,) the number of the series of each row.
        zone: whose clock.
        step: from one row to the next.
        name: of the column.

    Raises:
        TimesError: the clock never shows one of the times, or the rows of a series that has a
            time twice are in no order.
    """
    first, second = _both(walls, zone)
    absent = np.flatnonzero(np.isnat(first))
    if len(absent):
        raise TimesError(
            f"column {name!r} has times that the clock of {zone} never shows ({len(absent)}), the "
            f"first {walls[absent[0]]}: the clock was put forward then. Correct them, or set "
            f"frame.naive to utc if they are in UTC. {WITH_OFFSET} if they are on another clock."
        )
    twice = np.flatnonzero(first != second)
    if not len(twice):
        return pd.DatetimeIndex(first)
    is_second = _is_second(walls, codes, twice, step, name)
    instants = first.copy()
    instants[twice[is_second]] = second[twice[is_second]]
    return pd.DatetimeIndex(instants)


def _both(
    walls: pd.DatetimeIndex, zone: str
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.datetime64]]:
    """(T,), (T,) the earlier and the later instant of each time; NaT where there is none."""
    early, late = (
        walls.tz_localize(zone, ambiguous=np.full(len(walls), is_first), nonexistent="NaT")
        .tz_convert("UTC")
        .tz_localize(None)
        .to_numpy()
        for is_first in (True, False)
    )
    return np.minimum(early, late), np.maximum(early, late)


def _is_second(
    walls: pd.DatetimeIndex, codes: _Codes, twice: npt.NDArray[np.int64], step: pd.Timedelta,
    name: str,
) -> _Mask:  # fmt: skip
    """Which of the rows `twice`, whose time comes twice, are of the second time."""
    concerned = np.flatnonzero(np.isin(codes, np.unique(codes[twice])))
    rows = pd.DataFrame({"series": codes[concerned], "wall": walls[concerned]}, index=concerned)
    by_series = rows.groupby("series")["wall"]
    falls = (by_series.last() < by_series.first()).reindex(rows["series"]).to_numpy()
    rows = pd.concat([rows[~falls], rows[falls][::-1]])  # oldest first within each series
    chosen = rows[rows.index.isin(twice)].copy()
    keys = [chosen["series"], chosen["wall"]]
    occurrence = chosen.groupby(keys).cumcount()
    if occurrence.any():
        _check_ordered(rows.drop(chosen.index), chosen[occurrence > 0], name)
    second = occurrence > 0
    count = chosen.groupby(keys)["wall"].transform("size")
    for (series, _), part in chosen[count == 1].groupby(["series", chosen["wall"].dt.floor("D")]):
        own = chosen[(chosen["series"] == series) & chosen["wall"].between(*_day_of(part))]
        known = rows[rows["series"] == series]["wall"]
        second.loc[part.index] = _single(own["wall"], known, step).loc[part.index]
    return second.reindex(twice).to_numpy()


def _day_of(part: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    day = part["wall"].iloc[0].floor("D")
    return day, day + pd.Timedelta(days=1)


def _single(
    own: pd.Series[pd.Timestamp], known: pd.Series[pd.Timestamp], step: pd.Timedelta
) -> pd.Series[bool]:
    """Of the rows of one change, oldest first, which are of the second time round.

    The clock goes back where a row is earlier than the one before it. Where none is, all rows are
    of one time: the first, unless only the row after them is there.
    """
    goes_back = (own.diff() < pd.Timedelta(0)).cummax()
    if goes_back.any():
        return goes_back
    has_before = (known == own.iloc[0] - step).any()
    has_after = (known == own.iloc[-1] + step).any()
    return pd.Series(bool(has_after and not has_before), index=own.index)


def _check_ordered(others: pd.DataFrame, doubled: pd.DataFrame, name: str) -> None:
    steps = others.groupby("series")["wall"].diff()
    series = set(others.loc[steps < pd.Timedelta(0), "series"]) & set(doubled["series"])
    if series:
        first = doubled.loc[doubled["series"].isin(series), "wall"].iloc[0]
        raise TimesError(
            f"column {name!r} has {first} twice, because the clock was put back then, but the rows "
            "are in no order of time that would tell which came first. Sort the rows of each "
            f"series as they came. {WITH_OFFSET} if their order is lost."
        )


def check_not_local(
    walls: pd.DatetimeIndex, codes: _Codes, zone: str, step: pd.Timedelta, name: str
) -> None:
    """Make sure that naive times that are said to be in UTC are not on the clock of `zone`.

    Local times show themselves by an hour that comes twice exactly when the clock is put back, or
    is missing exactly when it is put forward.

    Raises:
        TimesError: they are.
    """
    ordered = pd.DatetimeIndex(walls.unique().sort_values())
    early, late = _both(ordered, zone)
    if np.isnat(early).any():  # the clock of the zone never shows them
        return
    back = ordered[early != late]
    repeated = pd.DataFrame({"series": codes, "wall": walls}).duplicated().to_numpy()
    if repeated.any() and np.isin(walls[repeated], back).all():
        raise _looks_local(walls[repeated][0], "comes twice", "back", zone, name)
    spring = _missing_in_spring(ordered, zone, step)
    if spring is not None:
        raise _looks_local(spring, "is missing", "forward", zone, name)


def _missing_in_spring(
    ordered: pd.DatetimeIndex, zone: str, step: pd.Timedelta
) -> pd.Timestamp | None:
    """The first time that no row has because the clock was put forward, if so by no chance."""
    if len(ordered) < 2 or ordered.freq is not None:
        return None
    grid = pd.date_range(ordered[0], ordered[-1], freq=step, unit=ordered.unit)
    absent = ~grid.isin(ordered)
    if not absent.any():
        return None
    never = np.isnat(_both(grid, zone)[0])
    if not never.any() or not absent[never].all():
        return None
    starts = np.flatnonzero(never & ~np.roll(never, 1))
    ends = np.flatnonzero(never & ~np.roll(never, -1))
    if absent[starts - 1].any() or absent[ends + 1].any():  # more is missing than the hour
        return None
    by_chance = float(absent[~never].mean()) ** len(starts)
    return pd.Timestamp(grid[starts[0]]) if by_chance < CHANCE else None


def _looks_local(time: pd.Timestamp, what: str, where: str, zone: str, name: str) -> TimesError:
    return TimesError(
        f"column {name!r} is read in UTC, but {time} {what}, which is when the clock of {zone} was "
        f"put {where}. Set frame.naive to local if the times are on that clock. If they are in "
        "UTC, write them with a Z at their end."
    )


def check_not_twice(walls: pd.DatetimeIndex, codes: _Codes, name: str) -> None:
    """Make sure that no time comes twice just when the clock of some zone is put back.

    Raises:
        TimesError: one does, and no other.
    """
    order = np.lexsort((walls.asi8, codes)) if not _rises(walls, codes) else None
    if order is None:
        return
    same = (np.diff(walls.asi8[order]) == 0) & (np.diff(codes[order]) == 0)
    repeated = pd.DatetimeIndex(walls[order[1:][same]].unique())
    if not len(repeated):
        return
    for zone in (*COMMON_ZONES, *sorted(zoneinfo.available_timezones())):
        early, late = _both(repeated, zone)
        if (late > early).all():  # False for NaT
            raise TimesError(
                f"column {name!r} has times twice in a series ({len(repeated)}), the first "
                f"{repeated.min()}: the clock was put back then, in {zone} for one. If the times "
                "are on such a clock, set frame.time_zone to its zone and frame.naive to local. "
                "Otherwise keep one row for each series and time."
            )


def _rises(walls: pd.DatetimeIndex, codes: _Codes) -> bool:
    same = np.diff(codes) == 0
    return bool((np.diff(walls.asi8)[same] > 0).all() and (np.diff(codes) >= 0).all())
