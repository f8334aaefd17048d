"""What a time stamp tells the network (paper appendix B), and which times come next.

    T rows of the raw series   M calendar features

`timeF` gives continuous features in [-0.5, 0.5]; `fixed` and `learned` give whole numbers that
index an embedding table. How many there are of each is `informer.frequency.n_calendar_features`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.frequency import base_letter, n_calendar_features, pandas_offset

__all__ = ["calendar_features", "future_times"]

_Feature = Callable[[pd.DatetimeIndex], npt.ArrayLike]

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
        indices = _INDICES[: n_calendar_features(freq, embed)]
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
