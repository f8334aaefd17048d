"""What a time stamp tells the network (paper appendix B), and which times come next.

    T rows of the raw series   M calendar features

`timeF` gives continuous features in [-0.5, 0.5]; `fixed` and `learned` give whole numbers that
index an embedding table. Which features a frequency has is as in the reference implementation,
so that its weights fit; a multiple such as 15min has the features of its base frequency.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.offsets import BaseOffset

from informer.errors import ConfigError

__all__ = [
    "base_letter", "calendar_features", "future_times", "n_calendar_features", "pandas_offset",
]  # fmt: skip

_Feature = Callable[[pd.DatetimeIndex], npt.ArrayLike]

_ACCEPTED = (
    "use one of the letters s, t, h, d, b, w, m, a multiple such as 15min or 3h, "
    "or an offset that pandas knows, such as W-MON, MS or QE"
)

_LETTERS: dict[str, Callable[[int], BaseOffset]] = {
    "s": pd.offsets.Second,
    "t": pd.offsets.Minute,
    "h": pd.offsets.Hour,
    "d": pd.offsets.Day,
    "b": pd.offsets.BusinessDay,
    "w": pd.offsets.Week,  # every seven days from the first time, whatever its weekday
    "m": pd.offsets.MonthEnd,
}

# The first row that fits decides: which letter's features an offset has.
_BASES: tuple[tuple[tuple[type[BaseOffset], ...], str], ...] = (
    ((pd.offsets.Nano, pd.offsets.Micro, pd.offsets.Milli, pd.offsets.Second), "s"),
    ((pd.offsets.Minute,), "t"),
    ((pd.offsets.Hour, pd.offsets.BusinessHour), "h"),
    ((pd.offsets.Day, pd.offsets.SemiMonthEnd, pd.offsets.SemiMonthBegin), "d"),
    ((pd.offsets.BusinessDay,), "b"),
    ((pd.offsets.Week,), "w"),
    ((pd.offsets.MonthEnd, pd.offsets.MonthBegin), "m"),
    ((pd.offsets.BusinessMonthEnd, pd.offsets.BusinessMonthBegin), "m"),
    ((pd.offsets.QuarterEnd, pd.offsets.QuarterBegin), "m"),
    ((pd.offsets.BQuarterEnd, pd.offsets.BQuarterBegin), "m"),
    ((pd.offsets.YearEnd, pd.offsets.YearBegin), "m"),
    ((pd.offsets.BYearEnd, pd.offsets.BYearBegin), "m"),
)

# Continuous features: the part of the clock or calendar, its first value, its range.
_SECOND: tuple[_Feature, int, int] = (lambda t: t.second, 0, 59)
_MINUTE: tuple[_Feature, int, int] = (lambda t: t.minute, 0, 59)
_HOUR: tuple[_Feature, int, int] = (lambda t: t.hour, 0, 23)
_DAY_OF_WEEK: tuple[_Feature, int, int] = (lambda t: t.day_of_week, 0, 6)
_DAY_OF_MONTH: tuple[_Feature, int, int] = (lambda t: t.day, 1, 30)
_DAY_OF_YEAR: tuple[_Feature, int, int] = (lambda t: t.day_of_year, 1, 365)
_WEEK_OF_YEAR: tuple[_Feature, int, int] = (lambda t: t.isocalendar().week, 1, 52)
_MONTH_OF_YEAR: tuple[_Feature, int, int] = (lambda t: t.month, 1, 11)

_DAYS = (_DAY_OF_WEEK, _DAY_OF_MONTH, _DAY_OF_YEAR)
_CONTINUOUS = {
    "s": (_SECOND, _MINUTE, _HOUR, *_DAYS),
    "t": (_MINUTE, _HOUR, *_DAYS),
    "h": (_HOUR, *_DAYS),
    "d": _DAYS,
    "b": _DAYS,
    "w": (_DAY_OF_MONTH, _WEEK_OF_YEAR),
    "m": (_MONTH_OF_YEAR,),
}

# Whole-number features: month from 1, day from 1, weekday from Monday = 0, hour, quarter of it.
_INDICES: tuple[_Feature, ...] = (
    lambda t: t.month,
    lambda t: t.day,
    lambda t: t.day_of_week,
    lambda t: t.hour,
    lambda t: t.minute // 15,
)
_N_INDICES = {"s": 5, "t": 5, "h": 4, "d": 3, "b": 3, "w": 1, "m": 1}


def pandas_offset(freq: str) -> BaseOffset:
    """The step between two times of a series.

    Args:
        freq: A letter of the reference implementation (s, t, h, d, b, w, m), a multiple such as
            15min, 15t or 3h, or any offset that pandas knows. `m` is the end of each month.

    Returns:
        The offset; adding it to a time gives the next.

    Raises:
        ConfigError: `freq` is none of these, or does not step forward.
    """
    offset = _parse(freq)
    if offset.n < 1:
        raise ConfigError(f"freq is {freq!r}, which does not step forward; give at least 1 step.")
    return offset


def _parse(freq: str) -> BaseOffset:
    letter = re.fullmatch(r"(\d*)([sthdbwm])", str(freq).strip(), flags=re.IGNORECASE)
    if letter:
        return _LETTERS[letter[2].lower()](int(letter[1] or 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old spelling that pandas still reads is fine here
        try:
            return pd.tseries.frequencies.to_offset(str(freq))
        except ValueError as error:
            raise ConfigError(f"freq is {freq!r}, which names no step; {_ACCEPTED}.") from error


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
    """M, the number of columns that `calendar_features` gives.

    Raises:
        ConfigError: `freq` names no step.
    """
    base = base_letter(freq)
    return len(_CONTINUOUS[base]) if embed == "timeF" else _N_INDICES[base]


def calendar_features(
    times: pd.DatetimeIndex, freq: str, embed: str
) -> npt.NDArray[np.float32]:  # (T, M)
    """Describe each time by its place in the hour, day, week, month and year.

    Args:
        times: T times; those with a zone are described by the clock of that zone.
        freq: The step between them, which decides the features.
        embed: `timeF` for features in [-0.5, 0.5], `fixed` or `learned` for whole numbers:
            month, day, weekday, hour and quarter of an hour, as far as `freq` resolves them.

    Returns:
        (T, M) features, finest part first with `timeF`, month first with the others.

    Raises:
        ConfigError: `freq` names no step.
    """
    base = base_letter(freq)
    if embed == "timeF":
        columns = [
            (np.asarray(part(times), dtype=np.float64) - first) / span - 0.5
            for part, first, span in _CONTINUOUS[base]
        ]
    else:
        indices = _INDICES[: _N_INDICES[base]]
        columns = [np.asarray(part(times), dtype=np.float64) for part in indices]
    return np.stack(columns, axis=1).astype(np.float32)  # (T, M)


def future_times(last: pd.Timestamp, freq: str, n: int) -> pd.DatetimeIndex:
    """The `n` times of the grid `freq` that follow `last`, nearest first.

    A `last` beside an anchored grid (the 15th of a month with `m`) is followed by the grid's next
    times.

    Raises:
        ConfigError: `freq` names no step.
    """
    offset = pandas_offset(freq)
    times = pd.date_range(last, periods=n + 1, freq=offset)
    return times[times > last][:n]
