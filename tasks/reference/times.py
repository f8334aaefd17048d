"""The times of a person's own file: which column holds them, and on which clock they are read.

The library keeps times without a zone, in UTC where they had one. What a file says in its own zone
is forecast in that zone: a `Clock` goes both ways.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from informer.data import parse_times
from informer.errors import ConfigError, FrameError

__all__ = ["Clock", "find_time_column", "read_clock"]

TIME_COLUMN = "date"
UTC = "UTC"
# A time of day, then an offset: "31-12-2024" has none.
OFFSET = r"(?P<wall>[T ]\d{2}.*?)\s*(?P<offset>Z|[+-]\d{2}:?\d{2})$"


def find_time_column(frame: pd.DataFrame) -> str:
    """The column `date`, else the only column that is no number and reads as times.

    Raises:
        FrameError: there is none, or more than one.
    """
    if TIME_COLUMN in frame.columns:
        return TIME_COLUMN
    texts = [str(c) for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]
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
    """

    zone: str | None
    is_mixed: bool = False

    def read(self, column: pd.Series, name: str) -> pd.Series[pd.Timestamp]:
        """The times of `column` as the library keeps them: naive, in UTC where there is a zone.

        Raises:
            FrameError: a value is no time, or none that the clock of the zone ever shows.
        """
        if self.zone is None:
            return parse_times(_without_offset(column), name)
        if _has_zone(column):
            return parse_times(column, name)
        naive = parse_times(column, name)
        try:
            zoned = naive.dt.tz_localize(self.zone, ambiguous="infer")
        except ValueError as error:
            raise FrameError(
                f"column {name!r} has times that do not exist in {self.zone}: {error}. Write the "
                "times with their offset, such as 2024-10-27T02:00+01:00, or in UTC."
            ) from error
        return zoned.dt.tz_convert(UTC).dt.tz_localize(None)

    def show(self, times: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
        """Times of the library as the file would write them."""
        if self.zone is None:
            return times
        return times.dt.tz_localize(UTC).dt.tz_convert(self.zone)

    def wall(self, times: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
        """Times of the library as a clock on the wall shows them, for a chart."""
        return self.show(times).dt.tz_localize(None)


def read_clock(column: pd.Series, name: str, zone: str | None) -> Clock:
    """Find the clock of a column of times.

    Dates without a time of day have no zone, whatever offset they bear: a day, a week or a month is
    one step long, also where its clock was put forward.

    Args:
        column: as it was read from the file.
        name: of the column.
        zone: the zone that a person named, or None.

    Raises:
        ConfigError: no zone is known as `zone`.
        FrameError: a value is no time.
    """
    _check_zone(zone)
    wall = parse_times(_without_offset(column), name)
    if (wall == wall.dt.normalize()).all():
        return Clock(None)
    if zone is not None or not _has_zone(column):
        return Clock(zone)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return Clock(str(column.dtype.tz))
    offsets = column.astype(str).str.extract(OFFSET)["offset"].unique()
    if len(offsets) > 1:
        return Clock(UTC, is_mixed=True)
    return Clock(UTC if offsets[0] == "Z" else str(offsets[0]))


def _check_zone(zone: str | None) -> None:
    try:
        pd.Timestamp(0, tz=zone)
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise ConfigError(
            f"time_zone is {zone!r}, which is not a time zone; use a name such as Europe/Berlin."
        ) from error


def _has_zone(column: pd.Series) -> bool:
    if pd.api.types.is_string_dtype(column):
        return bool(column.astype(str).str.extract(OFFSET)["offset"].notna().all())
    return isinstance(column.dtype, pd.DatetimeTZDtype)


def _without_offset(column: pd.Series) -> pd.Series:
    """What the clock on the wall showed."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_localize(None)
    if pd.api.types.is_string_dtype(column) and _has_zone(column):
        column = column.astype(str).str.replace(OFFSET, r"\g<wall>", regex=True)
    return column
