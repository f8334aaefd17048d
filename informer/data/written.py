"""From a column as people write it to times: text, numbers, dates, periods, with offsets or not.

    T rows

What a column says is kept in two ways: the wall times, as a clock beside the writer shows them, and
the instants in UTC where the column says which they are.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from informer.data.numbered import numbers_as_times, whole_numbers
from informer.errors import FrameError, TimesError

__all__ = ["Written", "parse_times", "read_column"]

# A time of day, then an offset: "31-12-2024" has none.
OFFSET = r"(?P<wall>[T ]\d{2}.*?)\s*(?P<offset>Z|UTC|[+-]\d{2}(?::?\d{2})?)$"
HAS_OFFSET = r"[T ]\d{2}.*?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$"  # as text: pandas has a faster engine
DAY_AND_MONTH = r"^\s*(?P<a>\d{1,2})(?P<mark>[./-])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})\b"
DIGITS = r"\s*[+-]?\d+(?:\.0*)?\s*"
MONTHS = 12


@dataclass(frozen=True)
class Written:
    """What a column of times says.

    Attributes:
        read_walls: gives `walls`, which are not read where only the instants are asked for.
        instants: (T,) the same in UTC and naive; None where the column does not say the offset.
        is_label: whether each stands for a whole month, quarter or year, whose first day it is.
    """

    read_walls: Callable[[], pd.Series[pd.Timestamp]]
    instants: pd.Series[pd.Timestamp] | None = None
    is_label: bool = False

    @classmethod
    def of(
        cls,
        walls: pd.Series[pd.Timestamp],
        instants: pd.Series[pd.Timestamp] | None = None,
        *,
        is_label: bool = False,
    ) -> Written:
        """Of times that are read already."""
        return cls(lambda: walls, instants, is_label)

    @cached_property
    def walls(self) -> pd.Series[pd.Timestamp]:
        """(T,) naive times as they are written."""
        return self.read_walls()


def parse_times(
    column: pd.Series, name: str, time_format: str | None = None
) -> pd.Series[pd.Timestamp]:
    """Read a column as times: naive ones as they are, others in UTC and made naive.

    Text is read as ISO 8601, else in the one format that all its values show. Whole numbers are
    dates (20240131), months (202401), years (2024), or seconds to nanoseconds since 1970 in UTC.

    Raises:
        FrameError: a value is missing or is no time.
        TimesError: the values can be read in more than one way.
    """
    written = read_column(column, name, time_format)
    return written.walls if written.instants is None else written.instants


def read_column(column: pd.Series, name: str, time_format: str | None = None) -> Written:
    """Read a column as times, as `parse_times` does, and keep how they were written.

    Raises:
        FrameError: a value is missing or is no time.
        TimesError: the values can be read in more than one way.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    _check_missing(column, name)
    try:
        read = _read(column, name, time_format)
    except FrameError:
        raise
    except (ValueError, TypeError, OverflowError, UserWarning) as error:
        raise FrameError(
            f"column {name!r} must hold times, but {_first_bad_time(column)!r} is not a time "
            f"({type(error).__name__}). Write times as 2013-01-31 06:00:00"
            + (f", or correct frame.time_format, {time_format!r}." if time_format else ".")
        ) from error
    _check_missing(read.walls if read.instants is None else read.instants, name)
    return read


def _check_missing(column: pd.Series, name: str) -> None:
    missing = column.isna()
    if missing.any():
        raise FrameError(
            f"column {name!r} has no time in row {int(np.flatnonzero(missing)[0])}. Drop "
            "such rows or give them a time."
        )


def _read(column: pd.Series, name: str, time_format: str | None) -> Written:
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        return Written.of(
            column.dt.tz_localize(None), column.dt.tz_convert("UTC").dt.tz_localize(None)
        )
    if isinstance(dtype, pd.PeriodDtype):
        return _of_periods(column)
    if pd.api.types.is_datetime64_dtype(dtype):
        return Written.of(column)
    if pd.api.types.is_numeric_dtype(dtype):
        return _of_numbers(whole_numbers(column, name), name, time_format)
    if pd.api.types.is_string_dtype(column):
        return _of_text(column.astype("str"), name, time_format)
    return _of_objects(column, name, time_format)


def _of_periods(column: pd.Series) -> Written:
    months = (pd.offsets.MonthEnd, pd.offsets.QuarterEnd, pd.offsets.YearEnd)
    is_label = isinstance(column.dtype.freq, months)  # type: ignore[union-attr]
    return Written.of(column.dt.to_timestamp(), is_label=is_label)


def _of_numbers(numbers: pd.Series[int], name: str, time_format: str | None) -> Written:
    found = numbers_as_times(numbers, name, time_format)
    return Written.of(found.times, found.times if found.is_utc else None, is_label=found.is_label)


def _of_objects(column: pd.Series, name: str, time_format: str | None) -> Written:
    """A column of Python objects: dates, datetimes, datetime64 of any unit, periods, numbers."""
    kinds = {type(value) for value in column}
    if all(issubclass(kind, pd.Period) for kind in kinds):
        return _of_periods(pd.Series(pd.PeriodIndex(column), index=column.index))
    times = (datetime, date, np.datetime64)
    if all(issubclass(kind, times) for kind in kinds):
        zoned = [getattr(value, "tzinfo", None) is not None for value in column]
        _check_mix(pd.Series(zoned, index=column.index), column, name)
        if not zoned[0]:
            return Written.of(pd.to_datetime(column))
        walls = [value.replace(tzinfo=None) for value in column]
        return Written.of(
            pd.to_datetime(pd.Series(walls, index=column.index)),
            pd.to_datetime(column, utc=True).dt.tz_localize(None),
        )
    if any(issubclass(kind, (*times, pd.Period)) for kind in kinds) or len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TimesError(
            f"column {name!r} mixes kinds of values ({names}). Write all its times in one way, "
            "such as 2013-01-31 06:00:00."
        )
    return _of_numbers(whole_numbers(column.infer_objects(), name), name, time_format)


def _of_text(text: pd.Series[str], name: str, time_format: str | None) -> Written:
    text = text.str.strip()
    if text.iloc[:1].str.fullmatch(DIGITS).all() and text.str.fullmatch(DIGITS).all():
        return _of_numbers(whole_numbers(text, name), name, time_format)
    if time_format is not None and "%z" not in time_format:
        return Written.of(_parsed(text, name, time_format))
    if time_format is None:
        zoned = text.str.contains(HAS_OFFSET, regex=True)
        _check_mix(zoned, text, name)
        if not zoned.iloc[0]:
            return Written.of(_parsed(text, name, None))
    instants = _parsed(text, name, time_format, utc=True).dt.tz_localize(None)
    if time_format is not None:
        if not time_format.endswith("%z"):
            return Written.of(instants, instants)
        time_format = time_format.removesuffix("%z").rstrip()

    def walls() -> pd.Series[pd.Timestamp]:
        return _parsed(text.str.replace(OFFSET, r"\g<wall>", regex=True), name, time_format)

    return Written(walls, instants)


def _check_mix(zoned: pd.Series[bool], column: pd.Series, name: str) -> None:
    if zoned.any() and not zoned.all():
        with warnings.catch_warnings(action="ignore"):
            rest = pd.to_datetime(column[~zoned], errors="coerce", format="mixed")
        if rest.isna().any():
            raise ValueError("a value is no time")
        raise TimesError(
            f"column {name!r} mixes times with an offset, such as {column[zoned].iloc[0]}, and "
            f"without, such as {column[~zoned].iloc[0]}. Write the offset in all of them, or in "
            "none."
        )


def _parsed(
    text: pd.Series[str], name: str, time_format: str | None, *, utc: bool = False
) -> pd.Series[pd.Timestamp]:
    if time_format is not None:
        return pd.to_datetime(text, format=time_format, utc=utc)
    try:
        return pd.to_datetime(text, utc=utc, format="ISO8601")
    except ValueError:
        day_first = _is_day_first(text, name)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pandas warns where it would guess value by value
            return pd.to_datetime(text, utc=utc, dayfirst=day_first)


def _is_day_first(text: pd.Series[str], name: str) -> bool:
    """Whether 31.12.2024 or 12/31/2024 is meant, by all values together.

    Raises:
        TimesError: every value can be read either way, or its year has two digits.
    """
    parts = text.str.extract(DAY_AND_MONTH)
    if parts.isna().any(axis=None):  # another format, or a value that is no time
        return False
    first, mark = text.iloc[0], parts["mark"].iloc[0]
    if (parts["year"].str.len() == 2).any():
        ways = [f"%d{mark}%m{mark}%y", f"%m{mark}%d{mark}%y", f"%y{mark}%m{mark}%d"]
        rest = _after_date(first)
        fitting = [way + rest for way in ways if _fits(text, way + rest)]
        raise TimesError(
            f"column {name!r} has years of two digits, such as {first!r}. {_mend(fitting or ways)}"
        )
    a, b = parts["a"].astype(int), parts["b"].astype(int)
    if (a > MONTHS).any() and (b > MONTHS).any():
        raise ValueError("no single order of day and month")
    if (a > MONTHS).any() or (b > MONTHS).any():
        return bool((a > MONTHS).any())
    rest = _after_date(first)
    ways = [f"%d{mark}%m{mark}%Y{rest}", f"%m{mark}%d{mark}%Y{rest}"]
    raise TimesError(
        f"column {name!r} has times such as {first!r}, which can be read with the day or the month "
        f"first, and no value of it says which. {_mend(ways)}"
    )


def _mend(formats: list[str]) -> str:
    return (
        f"Set frame.time_format to {' or '.join(chr(34) + way + chr(34) for way in formats)}, or "
        "write times as 2013-01-31 06:00:00."
    )


def _after_date(first: str) -> str:
    """The format of what follows the date, such as ` %H:%M`."""
    rest = re.sub(DAY_AND_MONTH, "2024-01-31", first)
    with warnings.catch_warnings(action="ignore"):
        guessed = guess_datetime_format(rest)
    return "" if guessed is None else guessed.removeprefix("%Y-%m-%d")


def _fits(text: pd.Series[str], time_format: str) -> bool:
    return bool(pd.to_datetime(text, format=time_format, errors="coerce").notna().all())


def _first_bad_time(column: pd.Series) -> Any:  # noqa: ANN401 -- whatever a cell holds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # only an example is looked for
        bad = pd.to_datetime(column, errors="coerce", utc=True, format="mixed").isna()
    return column[bad].iloc[0] if bad.any() else column.iloc[0]
