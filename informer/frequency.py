"""What a frequency is: the step from one time to the next, and how many calendar features it has.

Which features a frequency has is as in the reference implementation, so that its weights fit; a
multiple such as 15min has the features of its base frequency.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

import pandas as pd
from pandas.tseries.offsets import BaseOffset

from informer.errors import ConfigError

__all__ = ["base_letter", "n_calendar_features", "pandas_offset"]

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

# How many features each letter's times have: continuous ones, and whole numbers.
_N_CONTINUOUS = {"s": 6, "t": 5, "h": 4, "d": 3, "b": 3, "w": 2, "m": 1}
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
        raise ConfigError(
            f"freq is {freq!r}, which is not a step forward in time; give at least 1 step."
        )
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
