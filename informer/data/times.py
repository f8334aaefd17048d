"""The times of a frame: as the library keeps them, as they were written, and as they are shown.

Inside, all times are naive. Steps below a day are kept in UTC, so that every step is equally long.
Days, weeks, months, quarters and years are kept as the dates that were written: the day of a zone
has 23 or 25 hours when its clock is changed.

    T rows   G steps of a grid
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.offsets import Tick

from informer.config import FrameConfig
from informer.data.local import check_not_local, check_not_twice, instants_of
from informer.data.written import Written, read_column
from informer.errors import ConfigError, FrameError, TimesError
from informer.frequency import counts_days, is_end, pandas_offset

__all__ = [
    "as_kept", "as_written", "border_text", "border_time", "dates_in", "for_regular",
    "frame_times", "kept_times", "local_texts", "on_clock", "shown",
]  # fmt: skip

UTC = "UTC"
HOUR = pd.Timedelta(hours=1)


def frame_times(frame: pd.DataFrame, config: FrameConfig) -> pd.Series[pd.Timestamp]:
    """The times of a frame as the library keeps them: naive, dates or in UTC.

    Every frame is read through this function, raw rows and regular ones: it gives the same times
    for both.

    Args:
        frame: has `config.time_column`, and `config.id_column` where there is one.
        config: the step, and on which clock and in which format times are written.

    Raises:
        FrameError: a value is missing or is no time.
        TimesError: the times can be read in more than one way, or in none.
    """
    name = config.time_column
    written = read_column(frame[name], name, config.time_format)
    times = _kept(written, frame, config)
    return times if times.dt.unit in ("us", "ns") else times.dt.as_unit("us")


def _kept(written: Written, frame: pd.DataFrame, config: FrameConfig) -> pd.Series[pd.Timestamp]:
    if counts_days(config.freq):
        return _dates(written, config)
    if written.instants is not None:
        return written.instants
    walls, name = pd.DatetimeIndex(written.walls), config.time_column
    codes = _codes(frame, config)
    if config.time_zone is None:
        check_not_twice(walls, codes, name)
        return written.walls
    step = _step(config)
    if config.naive == "utc":
        check_not_local(walls, codes, config.time_zone, step, name)
        return written.walls
    instants = instants_of(walls, codes, config.time_zone, step, name)
    return pd.Series(instants, index=written.walls.index)


def _codes(frame: pd.DataFrame, config: FrameConfig) -> npt.NDArray[np.int64]:
    if config.id_column is None:
        return np.zeros(len(frame), dtype=np.int64)
    return pd.factorize(frame[config.id_column])[0].astype(np.int64)


def _step(config: FrameConfig) -> pd.Timedelta:
    offset = pandas_offset(config.freq)
    return pd.Timedelta(offset) if isinstance(offset, Tick) else HOUR


def _dates(written: Written, config: FrameConfig) -> pd.Series[pd.Timestamp]:
    """Dates as they were written.

    Where there are offsets: the dates of the zone where its clock shows midnights, else those of
    the column itself where it shows one time of day.
    """
    walls = written.walls
    if written.instants is not None:
        in_zone = walls
        if config.time_zone is not None:
            in_zone = _on_wall(written.instants, config.time_zone)
        if _at_one_time(in_zone) == pd.Timedelta(0):
            walls = in_zone
        elif _at_one_time(walls) is None:
            walls = in_zone if _at_one_time(in_zone) is not None else written.instants
    if written.is_label and is_end(config.freq):
        offset = pandas_offset(config.freq).base
        ends = {time: offset.rollforward(time) for time in walls.unique()}
        walls = pd.Series(pd.DatetimeIndex(walls.map(ends)), index=walls.index)
    return walls


def _at_one_time(walls: pd.Series[pd.Timestamp]) -> pd.Timedelta | None:
    """The time of day that all of them have, if there is one."""
    times = walls - walls.dt.normalize()
    return pd.Timedelta(times.iloc[0]) if times.nunique() == 1 else None


def dates_in(
    column: pd.Series, name: str, zone: str | None, time_format: str | None = None
) -> pd.Series[pd.Timestamp] | None:
    """The dates that a column holds, as of steps of a day or longer; None where it holds hours.

    Args:
        column: as it was read from a file.
        name: of the column.
        zone: whose dates they are, where their offset says another.
        time_format: how they are written; None: found in the column.

    Raises:
        FrameError: a value is missing or is no time.
        TimesError: the times can be read in more than one way.
    """
    written = read_column(column, name, time_format)
    dates = _dates(written, FrameConfig(freq="d", time_zone=zone))
    return dates if _at_one_time(dates) == pd.Timedelta(0) else None


def _on_wall(instants: pd.Series[pd.Timestamp], zone: str) -> pd.Series[pd.Timestamp]:
    return instants.dt.tz_localize(UTC).dt.tz_convert(zone).dt.tz_localize(None)


def kept_times(times: pd.DatetimeIndex, config: FrameConfig) -> pd.DatetimeIndex:
    """Times of the library as a regular frame holds them, so that `frame_times` gives them back.

    They are naive; where naive times are read on a local clock, they get the zone UTC.
    """
    if config.naive == "local" and not counts_days(config.freq):
        return times.tz_localize(UTC)
    return times


def as_written(rows: pd.DataFrame, config: FrameConfig) -> pd.DataFrame:
    """Regular rows with their times as a source of this configuration writes them, all naive."""
    if not isinstance(rows[config.time_column].dtype, pd.DatetimeTZDtype):
        return rows
    walls = on_clock(pd.DatetimeIndex(frame_times(rows, config)), config)
    return rows.assign(**{config.time_column: walls})


def for_regular(config: FrameConfig) -> FrameConfig:
    """A frame's configuration for rows that are regular already, which say their clock themselves.

    So a model reads the regular rows of a configuration with another clock rightly.
    """
    return replace(config, naive="utc", time_format=None)


def border_time(text: str, name: str, config: FrameConfig) -> pd.Timestamp:
    """A time that a person wrote, read on the same clock as the times of the frame.

    Args:
        text: such as 2013-09-01 06:00.
        name: of the setting, for the message.
        config: of the frame.

    Raises:
        ConfigError: it is no time.
    """
    try:
        time = pd.Timestamp(text)
        if pd.isna(time):
            raise ValueError("not a time")
        row = {config.time_column: [time]} | ({config.id_column: [""]} if config.id_column else {})
        plain = replace(config, time_format=None)
        return pd.Timestamp(frame_times(pd.DataFrame(row), plain).iloc[0])
    except FrameError as error:
        raise ConfigError(f"{name} is {text!r}: {error}") from error
    except ValueError as error:
        raise ConfigError(
            f"{name} is {text!r}, which is not a time; write it as 2013-09-01 or 2013-09-01 06:00."
        ) from error


def border_text(time: pd.Timestamp, config: FrameConfig) -> str:
    """A time of the library as `border_time` reads it."""
    is_local = config.naive == "local" and not counts_days(config.freq)
    return f"{time.isoformat()}Z" if is_local else time.isoformat()


def on_clock(times: pd.DatetimeIndex, config: FrameConfig) -> pd.DatetimeIndex:
    """(G,) times of the library as the clock of `config.time_zone` shows them, naive.

    Dates are the same on every clock.
    """
    if config.time_zone is None or counts_days(config.freq):
        return times
    return times.tz_localize(UTC).tz_convert(config.time_zone).tz_localize(None)


def shown(table: pd.DataFrame, frame: pd.DataFrame, config: FrameConfig) -> pd.DataFrame:
    """A forecast with its times on the clock of the frame that it was made from.

    Where steps are shorter than a day, `config.time_zone` is set, and the frame's times have an
    offset or are on the local clock, `ds` and `cutoff` have that zone; else they are naive.

    Args:
        table: has `ds` and `cutoff` as the library keeps them.
        frame: the rows that were forecast from.
        config: of the frame.
    """
    if config.time_zone is None or counts_days(config.freq):
        return table
    if config.naive == "utc" and not _says_offset(frame, config):
        return table
    zoned = {
        name: table[name].dt.tz_localize(UTC).dt.tz_convert(config.time_zone)
        for name in ("ds", "cutoff")
    }
    return table.assign(**zoned)


def as_kept(table: pd.DataFrame) -> pd.DataFrame:
    """A forecast with its times as the library keeps them, whatever clock `shown` gave it."""
    zoned = [c for c in ("ds", "cutoff") if isinstance(table[c].dtype, pd.DatetimeTZDtype)]
    return table.assign(
        **{name: table[name].dt.tz_convert(UTC).dt.tz_localize(None) for name in zoned}
    )


def _says_offset(frame: pd.DataFrame, config: FrameConfig) -> bool:
    name = config.time_column
    try:
        written = read_column(frame[name].iloc[:1], name, config.time_format)
    except TimesError:  # the first value alone does not say how it is written
        written = read_column(frame[name], name, config.time_format)
    return written.instants is not None


def local_texts(times: pd.Series[pd.Timestamp], config: FrameConfig) -> pd.Series[str] | None:
    """Times of the library on the clock of `config.time_zone`, as ISO 8601 with the offset.

    None where that clock says nothing more: without a zone, and where times are dates.
    """
    if config.time_zone is None or counts_days(config.freq):
        return None
    zoned = times.dt.tz_localize(UTC).dt.tz_convert(config.time_zone)
    return zoned.map(lambda time: time.isoformat()).astype("str")
