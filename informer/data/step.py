"""Which step a series of times takes, read off the times themselves; gaps do not hide it."""

from __future__ import annotations

import pandas as pd
from pandas.tseries.frequencies import to_offset

from informer.frequency import pandas_offset

__all__ = ["infer_freq"]

DAY, WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)
MIN_TIMES = 3
MIN_SHARE = 0.5  # of a grid's times that must be there


def infer_freq(times: pd.DatetimeIndex) -> str | None:
    """The step of `times`, spelled as `pandas_offset` reads it.

    Args:
        times: naive times in any order; repeated ones count once.

    Returns:
        A step of the clock (15min, 3h) or of the calendar (D, W-MON, B, MS, ME, QE-MAR), or None
        where there are too few times or no step is common to most of them.
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
    for freq in (*anchored, "ME", "MS", "BME", "BMS", "B"):
        grid = pd.date_range(ordered[0], ordered[-1], freq=pandas_offset(freq))
        if ordered.isin(grid).all() and len(ordered) >= MIN_SHARE * len(grid):
            return freq
    return None
