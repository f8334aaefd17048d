"""Which step a series of times takes, read off the times themselves; gaps do not hide it."""

from __future__ import annotations

import pandas as pd
from pandas.tseries.frequencies import to_offset

from informer.frequency import DayOfMonth, pandas_offset

__all__ = ["fitting_freq", "infer_freq", "mend_of_freq"]

DAY, WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)
MIN_TIMES = 3
MIN_SHARE = 0.5  # of a grid's times that must be there


def infer_freq(times: pd.DatetimeIndex) -> str | None:
    """The step of `times`, spelled as `pandas_offset` reads it.

    Args:
        times: naive times in any order; repeated ones count once.

    Returns:
        A step of the clock (15min, 3h) or of the calendar (D, W-MON, B, MS, ME, M-15, QE-MAR), or
        None where there are too few times or no step is common to most of them.
    """
    ordered = pd.DatetimeIndex(times.unique().sort_values())
    if len(ordered) < MIN_TIMES:
        return None
    apart = ordered[1:] - ordered[:-1]
    common = apart.value_counts().index[0]
    if common >= DAY:
        calendar = _calendar_step(ordered)
        if calendar is not None:
            return calendar
    if (apart == common).mean() < MIN_SHARE:
        return None
    if common == WEEK:
        return f"W-{ordered[0].day_name()[:3].upper()}"
    if common % DAY == pd.Timedelta(0):  # an offset of 24 hours has the calendar of hours
        return f"{common // DAY}D"
    spelled: str = to_offset(common).freqstr
    return spelled


def _calendar_step(ordered: pd.DatetimeIndex) -> str | None:
    """The step of years, quarters, months or business days whose grid the times fill."""
    month = ordered[0].month_name()[:3].upper()
    anchored = [f"{step}-{month}" for step in ("YE", "YS", "QE", "QS")]
    day = DayOfMonth(day=int(ordered.day.max())).freqstr
    several = [f"{n}{step}" for n in (2, 3, 4, 6, 12) for step in ("ME", "MS", day)]
    for freq in (*anchored, "ME", "MS", day, "BME", "BMS", "B", *several):
        grid = pd.date_range(ordered[0], ordered[-1], freq=pandas_offset(freq))
        if ordered.isin(grid).all() and len(ordered) >= MIN_SHARE * len(grid):
            return freq
    return None


def fitting_freq(times: pd.DatetimeIndex) -> str | None:
    """The step on whose grid every one of `times` lies, or None where none is known."""
    found = infer_freq(times)
    if found is None:
        return None
    grid = pd.date_range(times.min(), times.max(), freq=pandas_offset(found))
    return found if times.isin(grid).all() else None


def mend_of_freq(times: pd.DatetimeIndex, where: str = "frame.freq") -> str:
    """What to do with times that lie off their grid, as a sentence.

    Args:
        times: naive, as the library keeps them.
        where: the setting that holds the step.
    """
    found = fitting_freq(times)
    if found is None:
        return f"Set {where} to the step of the data, or resample the data."
    return f"The times fit the step {found!r}: set {where} to {found}."
