"""What a frequency is: the step from one time to the next, and how many calendar features it has.

Which features a frequency has is as in the reference implementation, so that its weights fit; a
multiple such as 15min has the features of its base frequency.
"""

from __future__ import annotations

import re
import warnings
import zoneinfo
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.offsets import BaseOffset, Tick

from informer.errors import ConfigError

__all__ = [
    "DayOfMonth", "base_letter", "check_time_zone", "counts_days", "is_end", "n_calendar_features",
    "pandas_offset",
]  # fmt: skip

_ACCEPTED = (
    "use one of the letters s, t, h, d, b, w, m, q, y, a multiple such as 15min or 3h, M-15 for "
    "the 15th of each month, or an offset that pandas knows, such as W-MON, MS or QE"
)


class _OwnInstances(type(pd.DateOffset)):  # type: ignore[misc]
    """pandas counts every offset as an instance of a kind of DateOffset; here it is none."""

    def __instancecheck__(cls, instance: object) -> bool:
        return cls in type(instance).__mro__


class DayOfMonth(pd.DateOffset, metaclass=_OwnInstances):
    """The same day of every month, or the month's last day where the month is shorter.

    Spelled M-30: January 30, February 29, March 30. `2M-30` is every second month.
    """

    def __init__(self, n: int = 1, normalize: bool = False, day: int = 1, months: int = 1) -> None:
        super().__init__(n, normalize, months=months, day=day)  # type: ignore[call-arg]

    @property
    def freqstr(self) -> str:
        """As `pandas_offset` reads it."""
        return f"{self.n if self.n > 1 else ''}M-{self.kwds['day']}"

    def is_on_offset(self, dt: datetime) -> bool:
        """Whether `dt` lies on that day."""
        return bool(dt.day == min(self.kwds["day"], pd.Timestamp(dt).days_in_month))

    def rollforward(self, dt: datetime) -> pd.Timestamp:
        """`dt` where it lies on that day, else the next time that does."""
        here = self._in_month(dt)
        return here if here >= dt else here + type(self)(1, day=self.kwds["day"])

    def rollback(self, dt: datetime) -> pd.Timestamp:
        """`dt` where it lies on that day, else the last time that does."""
        here = self._in_month(dt)
        return here if here <= dt else here - type(self)(1, day=self.kwds["day"])

    def _in_month(self, dt: datetime) -> pd.Timestamp:
        time = pd.Timestamp(dt)
        return time.replace(day=min(self.kwds["day"], time.days_in_month))

    # What pandas calls where a whole column is added; without it each row is added by itself.
    def _add_datetime_ndarray(self, dtarr: npt.NDArray[Any]) -> npt.NDArray[Any]:
        times = pd.DatetimeIndex(dtarr)
        firsts = times.to_period("M") + self.n
        days = np.minimum(self.kwds["day"], firsts.days_in_month) - 1
        since_midnight = times - times.normalize()
        moved = firsts.to_timestamp() + pd.to_timedelta(days, unit="D") + since_midnight
        added: npt.NDArray[Any] = moved.as_unit(times.unit).to_numpy()
        return added


_LETTERS: dict[str, Callable[[int], BaseOffset]] = {
    "s": pd.offsets.Second,
    "t": pd.offsets.Minute,
    "h": pd.offsets.Hour,
    "d": pd.offsets.Day,
    "b": pd.offsets.BusinessDay,
    "w": pd.offsets.Week,  # every seven days from the first time, whatever its weekday
    "m": pd.offsets.MonthEnd,
    "q": lambda n: pd.offsets.QuarterEnd(n, startingMonth=12),
    "y": lambda n: pd.offsets.YearEnd(n, month=12),
}

_DAY_OF_MONTH = re.compile(r"(\d*)M-(\d{1,2})", re.IGNORECASE)
_FIXED_ZONE = re.compile(r"(UTC|GMT)?[+-]\d{2}:\d{2}")
_ENDS = (
    pd.offsets.MonthEnd, pd.offsets.QuarterEnd, pd.offsets.YearEnd,
    pd.offsets.BusinessMonthEnd, pd.offsets.BQuarterEnd, pd.offsets.BYearEnd,
)  # fmt: skip

# The first row that fits decides: which letter's features an offset has.
_BASES: tuple[tuple[tuple[type[BaseOffset], ...], str], ...] = (
    ((pd.offsets.Nano, pd.offsets.Micro, pd.offsets.Milli, pd.offsets.Second), "s"),
    ((pd.offsets.Minute,), "t"),
    ((pd.offsets.Hour, pd.offsets.BusinessHour), "h"),
    ((pd.offsets.Day, pd.offsets.SemiMonthEnd, pd.offsets.SemiMonthBegin), "d"),
    ((pd.offsets.BusinessDay,), "b"),
    ((pd.offsets.Week,), "w"),
    ((pd.offsets.MonthEnd, pd.offsets.MonthBegin, DayOfMonth), "m"),
    ((pd.offsets.BusinessMonthEnd, pd.offsets.BusinessMonthBegin), "m"),
    ((pd.offsets.QuarterEnd, pd.offsets.QuarterBegin), "m"),
    ((pd.offsets.BQuarterEnd, pd.offsets.BQuarterBegin), "m"),
    ((pd.offsets.YearEnd, pd.offsets.YearBegin), "m"),
    ((pd.offsets.BYearEnd, pd.offsets.BYearBegin), "m"),
)

# How many features each letter's times have: continuous ones, and whole numbers.
_N_CONTINUOUS = {"s": 6, "t": 5, "h": 4, "d": 3, "b": 3, "w": 2, "m": 1}
_N_INDICES = {"s": 5, "t": 5, "h": 4, "d": 3, "b": 3, "w": 1, "m": 1}


def pandas_offset(freq: str) -> BaseOffset:
    """The step between two times of a series.

    Args:
        freq: A letter of the reference implementation (s, t, h, d, b, w, m), a multiple such as
            15min, 15t or 3h, or any offset that pandas knows. `m` is the end of each month, `q` of
            each quarter, `y` of each year; M-15 is the 15th of each month.

    Returns:
        The offset; adding it to a time gives the next.

    Raises:
        ConfigError: `freq` is none of these, or does not step forward.
    """
    offset = _parse(freq)
    if offset.n < 1:
        raise ConfigError(
            f"freq is {freq!r}, which is not a step forward in time; give at least 1 step."
        )
    return offset


def _parse(freq: str) -> BaseOffset:
    spelled = str(freq).strip()
    letter = re.fullmatch(r"(\d*)([sthdbwmqy])", spelled, flags=re.IGNORECASE)
    if letter:
        return _LETTERS[letter[2].lower()](int(letter[1] or 1))
    if (of_month := _DAY_OF_MONTH.fullmatch(spelled)) and 1 <= int(of_month[2]) <= 31:
        return DayOfMonth(int(of_month[1] or 1), day=int(of_month[2]))
    if spelled.isdigit():
        raise ConfigError(
            f"freq is {freq!r}, a count of rows, but rows need times. Write a time in place of "
            'each row number, such as pd.Timestamp("2000-01-01") + pd.Timedelta(days=number), and '
            "set freq to that step, such as d."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old spelling that pandas still reads is fine here
        try:
            return pd.tseries.frequencies.to_offset(str(freq))
        except ValueError as error:
            raise ConfigError(
                f"freq is {freq!r}, which is not a time step; {_ACCEPTED}."
            ) from error


def base_letter(freq: str) -> str:
    """The letter of the reference implementation whose features the frequency `freq` has.

    Raises:
        ConfigError: `freq` names no step, or one of which no features are known.
    """
    offset = pandas_offset(freq)
    for kinds, letter in _BASES:
        if isinstance(offset, kinds):
            return letter
    raise ConfigError(f"freq is {freq!r}, for which no calendar features are known; {_ACCEPTED}.")


def n_calendar_features(freq: str, embed: str) -> int:
    """M, the number of columns that `informer.data.calendar_features` gives.

    Raises:
        ConfigError: `freq` names no step.
    """
    base = base_letter(freq)
    return (_N_CONTINUOUS if embed == "timeF" else _N_INDICES)[base]


def counts_days(freq: str) -> bool:
    """Whether a step of `freq` is a day or longer: such times are dates, on any clock.

    Raises:
        ConfigError: `freq` names no step.
    """
    offset = pandas_offset(freq)
    if isinstance(offset, Tick):
        return pd.Timedelta(offset) >= pd.Timedelta(days=1)
    return not isinstance(offset, pd.offsets.BusinessHour)


def is_end(freq: str) -> bool:
    """Whether `freq` steps from the end of a month, quarter or year to the next.

    Raises:
        ConfigError: `freq` names no step.
    """
    return isinstance(pandas_offset(freq), _ENDS)


def check_time_zone(zone: object) -> None:
    """Make sure that `zone` is None, the name of a time zone, or a fixed offset such as +02:00.

    Raises:
        ConfigError: it is none of them.
    """
    if zone is None:
        return
    try:
        if not isinstance(zone, str) or (
            any(c in zone for c in "+-")
            and not _FIXED_ZONE.fullmatch(zone)
            and "/" not in zone
            and zone not in zoneinfo.available_timezones()
        ):
            raise ValueError("neither a name nor an offset")
        pd.Timestamp(0, tz=zone)
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise ConfigError(
            f"time_zone is {zone!r}, which is not a time zone; use a name such as Europe/Berlin, "
            "or an offset such as +02:00."
        ) from error
