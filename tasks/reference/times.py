"""The times of a person's own file: which column holds them, and on which clock they are read.

The library keeps times without a zone, in UTC where they had one. What a file says in its own zone
is forecast in that zone: a `Clock` goes both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from informer.config import FrameConfig
from informer.data import as_numbers, dates_in, frame_times, parse_times, read_column
from informer.errors import FrameError, TimesError
from informer.frequency import check_time_zone

__all__ = ["Clock", "find_time_column", "read_clock"]

TIME_COLUMN = "date"
UTC = "UTC"
# What stands for the offset where a column of text or of times has one.
OFFSET = r"(?P<offset>Z|UTC|[+-]\d{2}(?::?\d{2})?)$"


def find_time_column(frame: pd.DataFrame) -> str:
    """The column `date`, else the only column that is no number and reads as times.

    Raises:
        FrameError: there is none, or more than one.
    """
    if TIME_COLUMN in frame.columns:
        return TIME_COLUMN
    texts = [str(c) for c in frame.columns if as_numbers(frame[c]) is None]
    found = [name for name in texts if _reads_as_times(frame[name])]
    if len(found) != 1:
        raise FrameError(
            f"expected a column {TIME_COLUMN!r}, or exactly one column of times; "
            f"{', '.join(map(repr, found)) or 'none'} of {[str(c) for c in frame.columns]} can be "
            f"read as times. Rename the right one to {TIME_COLUMN!r}."
        )
    return found[0]


def _reads_as_times(column: pd.Series) -> bool:
    try:
        parse_times(column, str(column.name))
    except TimesError:  # they are times, which `read_clock` says how to write
        return True
    except FrameError:
        return False
    return True


@dataclass(frozen=True)
class Clock:
    """How a file's times are kept and shown.

    Attributes:
        zone: whose clock the calendar features read and forecasts are shown on; None: times have
            no zone, and are kept as they stand.
        is_mixed: whether the times had several offsets and no zone was named: UTC stands for it.
        are_dates: whether the times are whole days, which are the same on every clock.
        date_zone: whose dates they are, where a person named a zone.
        time_format: how they are written; None: found in the column.
    """

    zone: str | None
    is_mixed: bool = False
    are_dates: bool = False
    date_zone: str | None = None
    time_format: str | None = None

    def read(self, column: pd.Series, name: str) -> pd.Series[pd.Timestamp]:
        """The times of `column` as the library keeps them: dates, or in UTC where there is a zone.

        Raises:
            FrameError: a value is no time, or none that the clock of the zone ever shows.
        """
        if self.are_dates:
            dates = dates_in(column, name, self.date_zone, self.time_format)
            return parse_times(column, name, self.time_format) if dates is None else dates
        naive: Literal["utc", "local"] = "utc" if self.zone is None else "local"
        known = FrameConfig(
            time_column=name,
            id_column=None,
            freq=_step_of(read_column(column, name, self.time_format).walls),
            time_zone=self.zone,
            naive=naive,
            time_format=self.time_format,
        )
        return frame_times(column.to_frame(name), known)

    def show(self, times: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
        """Times of the library as the file would write them."""
        if self.zone is None:
            return times
        return times.dt.tz_localize(UTC).dt.tz_convert(self.zone)

    def wall(self, times: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
        """Times of the library as a clock on the wall shows them, for a chart."""
        return self.show(times).dt.tz_localize(None)


def _step_of(walls: pd.Series[pd.Timestamp]) -> str:
    """A step below a day that these times may take, of which only its length counts here."""
    apart = walls.diff().dropna()
    common = apart[apart > pd.Timedelta(0)]
    seconds = int(common.median().total_seconds()) if len(common) else 3600
    return f"{min(max(seconds, 1), 12 * 3600)}s"


def read_clock(
    column: pd.Series, name: str, zone: str | None, time_format: str | None = None
) -> Clock:
    """Find the clock of a column of times.

    Dates without a time of day have no zone, whatever offset they bear: a day, a week or a month is
    one step long, also where its clock was put forward.

    Args:
        column: as it was read from the file.
        name: of the column.
        zone: the zone that a person named, or None.
        time_format: how the times are written; None: found in the column.

    Raises:
        ConfigError: no zone is known as `zone`.
        FrameError: a value is no time.
    """
    check_time_zone(zone)
    if dates_in(column, name, zone, time_format) is not None:
        return Clock(None, are_dates=True, date_zone=zone, time_format=time_format)
    written = read_column(column, name, time_format)
    counted = pd.api.types.is_numeric_dtype(column)
    if zone is not None or counted or written.instants is None:
        return Clock(zone, time_format=time_format)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return Clock(str(column.dtype.tz))
    offsets = column.astype(str).str.extract(OFFSET)["offset"].unique()
    if len(offsets) != 1 or pd.isna(offsets[0]) or offsets[0] in ("Z", UTC):
        return Clock(UTC, is_mixed=len(offsets) > 1, time_format=time_format)
    offset = pd.Timestamp(f"2024-01-01T00{offsets[0]}").isoformat()[-len("+00:00") :]
    return Clock(offset, time_format=time_format)
