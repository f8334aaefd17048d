"""Whole numbers as times: dates, months, years, or what a clock has counted since 1970.

T rows
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from informer.errors import FrameError, TimesError

__all__ = ["NumberedTimes", "numbers_as_times", "whole_numbers"]

YEARS = (1500, 2500)  # which numbers of four digits are years
LIKELY = (1900, 2199)  # the years in which longer numbers are taken for a calendar's
DAY_NUMBERS = (10_000, 80_000)  # of a spreadsheet: 1927 to 2119
# By how many digits a count since 1970 has: the unit that is counted.
UNITS: dict[tuple[int, int], Literal["s", "ms", "us", "ns"]] = {
    (9, 10): "s",
    (12, 13): "ms",
    (15, 16): "us",
    (18, 19): "ns",
}
WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "y": 2, "j": 3}  # digits of a directive
INSTEAD = "Write times as 2013-01-31 06:00:00"


@dataclass(frozen=True)
class NumberedTimes:
    """What numbers say.

    Attributes:
        times: (T,) naive.
        is_utc: whether they were counted since 1970, so that they are in UTC.
        is_label: whether each stands for a whole month or year, whose first day it is.
    """

    times: pd.Series[pd.Timestamp]
    is_utc: bool = False
    is_label: bool = False


def whole_numbers(column: pd.Series, name: str) -> pd.Series[int]:
    """A column of numbers, or of text that holds whole numbers, as int64.

    Raises:
        TimesError: a number is not whole, or the values are no numbers.
    """
    if pd.api.types.is_string_dtype(column):
        try:
            return column.str.replace(r"\.0*$", "", regex=True).astype("int64")
        except (ValueError, OverflowError) as error:
            raise FrameError(
                f"column {name!r} must hold times, but {column.iloc[0]!r} is none. {INSTEAD}."
            ) from error
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        raise FrameError(
            f"column {name!r} must hold times, but {column.iloc[0]!r} is not a time. {INSTEAD}."
        )
    if pd.api.types.is_integer_dtype(column):
        return column.astype("int64")
    values = column.to_numpy(dtype=np.float64)
    broken = ~np.isfinite(values) | (values != np.floor(values)) | (np.abs(values) >= 2.0**63)
    if broken.any():
        raise _unreadable(column, name, float(values[np.flatnonzero(broken)[0]]))
    whole: pd.Series[int] = pd.Series(values).astype("int64").set_axis(column.index)
    return whole


def numbers_as_times(
    numbers: pd.Series[int], name: str, time_format: str | None = None
) -> NumberedTimes:
    """Read whole numbers as times, by how many digits all of them have.

    8 digits are dates, 6 months, 4 years, 14 a date with a time of day; 9 and 10 digits are seconds
    since 1970, 12 and 13 milliseconds, 15 and 16 microseconds, 18 and 19 nanoseconds.

    Args:
        numbers: (T,) int64.
        name: of the column.
        time_format: how their digits are read instead, as strptime spells it.

    Raises:
        TimesError: they can be read in several ways or in none.
    """
    if time_format is not None:
        return NumberedTimes(_by_format(numbers, time_format))
    low, high = int(numbers.min()), int(numbers.max())
    digits = {len(str(abs(low))), len(str(abs(high)))}
    found = None
    if low > 0 and len(digits) == 1:
        found = _of_calendar(numbers, digits.pop(), name)
    elif low > 0:
        found = _of_count(numbers, digits)
    if found is None:
        raise _unreadable(numbers, name, low)
    return found


def _of_calendar(numbers: pd.Series[int], n_digits: int, name: str) -> NumberedTimes | None:
    """Numbers that all have as many digits: of a calendar, else a count since 1970."""
    if n_digits == 4 and numbers.between(*YEARS).all():
        return NumberedTimes(_calendar(numbers, "%Y"), is_label=True)
    if n_digits == 6 and (months := _calendar(numbers, "%Y%m", LIKELY)).notna().any():
        return NumberedTimes(_all_there(months, numbers, name), is_label=True)
    if n_digits == 8 and (days := _calendar(numbers, "%Y%m%d", YEARS)).notna().any():
        return NumberedTimes(_all_there(days, numbers, name))
    for width, written in ((10, "%Y%m%d%H"), (12, "%Y%m%d%H%M"), (14, "%Y%m%d%H%M%S")):
        if n_digits == width and _calendar(numbers, written, LIKELY).notna().all():
            return NumberedTimes(_settled(numbers, written, width, name))
    return _of_count(numbers, {n_digits})


def _of_count(numbers: pd.Series[int], digits: set[int]) -> NumberedTimes | None:
    for lengths, unit in UNITS.items():
        if digits <= set(lengths):
            counted: pd.Series[Any] = numbers
            return NumberedTimes(pd.to_datetime(counted, unit=unit), is_utc=True)
    return None


def _settled(
    numbers: pd.Series[int], written: str, width: int, name: str
) -> pd.Series[pd.Timestamp]:
    """Numbers of 14 digits are no count since 1970; shorter ones might be."""
    times = _calendar(numbers, written)
    if width == 14:
        return times
    raise TimesError(
        f"column {name!r} has numbers such as {numbers.iloc[0]}, which can be {times.iloc[0]} or a "
        f'count since 1970. Set frame.time_format to "{written}", or write times as 2013-01-31 '
        "06:00:00."
    )


def _all_there(
    times: pd.Series[pd.Timestamp], numbers: pd.Series[int], name: str
) -> pd.Series[pd.Timestamp]:
    if times.isna().any():
        raise FrameError(
            f"column {name!r} must hold times, but {numbers[times.isna()].iloc[0]} is not a date "
            f"as {numbers[times.notna()].iloc[0]} is. Correct it."
        )
    return times


def _calendar(
    numbers: pd.Series[int], written: str, years: tuple[int, int] | None = None
) -> pd.Series[pd.Timestamp]:
    """Numbers as their digits read, NaT where those are no time or lie outside `years`."""
    times = pd.to_datetime(numbers.astype("str"), format=written, errors="coerce")
    return times if years is None else times.where(times.dt.year.between(*years))


def _by_format(numbers: pd.Series[int], time_format: str) -> pd.Series[pd.Timestamp]:
    """By the digits; one that a number has lost at its front is given back."""
    parts = time_format.split("%")[1:]
    width = sum(WIDTHS.get(part, 0) for part in parts)
    is_fixed = all(part in WIDTHS for part in parts)
    text = numbers.astype("str")
    return pd.to_datetime(text.str.zfill(width) if is_fixed else text, format=time_format)


def _unreadable(column: pd.Series, name: str, example: float) -> TimesError:
    values = column.to_numpy(dtype=np.float64)
    if DAY_NUMBERS[0] <= values.min() and values.max() <= DAY_NUMBERS[1]:
        return TimesError(
            f"column {name!r} has numbers such as {example:g}, which look like the day numbers of "
            'a spreadsheet. Write them as dates there, or as pd.Timestamp("1899-12-30") + '
            'pd.to_timedelta(numbers, unit="D").'
        )
    if values.min() == np.floor(values.min()) and (np.diff(np.unique(values)) == 1).all():
        return TimesError(
            f"column {name!r} has row numbers such as {example:g}, not times. Write a time in "
            'place of each, such as pd.Timestamp("2000-01-01") + pd.to_timedelta(numbers, '
            'unit="D"), and set frame.freq to that step, such as d.'
        )
    return TimesError(
        f"column {name!r} has numbers such as {example:.14g} that are no times: dates have 8 "
        f"digits, months 6, years 4, seconds since 1970 have 10, milliseconds 13. {INSTEAD}, or "
        "set frame.time_format."
    )
