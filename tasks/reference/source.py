"""The data of a run: where the file lies, its time column, its step, its regular rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from informer.data import infer_freq
from informer.errors import ConfigError
from informer.frequency import base_letter, pandas_offset
from tasks.reference.flags import DATASETS, Flags
from tasks.reference.times import Clock, find_time_column, read_clock
from tasks.rows import find_dataset, read
from tasks.settings import Home, SourceError

__all__ = ["Source", "gaps", "read_rolling_rows", "read_source"]


TOLD = 5  # columns whose gaps are told one by one


@dataclass(frozen=True)
class Source:
    """A file that was read.

    Attributes:
        name: the file, or the data set known by name.
        rows: every column of it; the times naive, in UTC where they have a zone.
        time_column: which column holds the times.
        clock: how the times are shown.
        freq: the step between rows.
        warnings: what a person should know of how the file was understood.
    """

    name: str
    rows: pd.DataFrame
    time_column: str
    clock: Clock
    freq: str
    warnings: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column but the times, in the order of the file."""
        return tuple(str(name) for name in self.rows.columns if name != self.time_column)


def read_source(flags: Flags, home: Home) -> Source:
    """Read the data file, or else the known data set of that name.

    Raises:
        SourceError: there is no such file, or it cannot be read.
        FrameError: no column, or no single one, holds times.
        ConfigError: `--freq` contradicts the times, or is needed and not there.
    """
    own_file = DATASETS[flags.data][0] if flags.data in DATASETS else flags.data_path
    file = flags.data_path if "data_path" in flags.given else own_file
    path = Path(flags.root_path).expanduser() / file
    if path.is_file():
        name = str(path)
    elif file == own_file and find_dataset(flags.data) is not None:
        name = flags.data
    else:
        raise SourceError(
            f"there is no data file {path}. Give its folder with --root_path and the file with "
            "--data_path."
        )
    frame = read(name, home)
    column = find_time_column(frame)
    clock = read_clock(frame[column], column, flags.time_zone, flags.time_format)
    rows = frame.assign(**{column: clock.read(frame[column], column)})
    freq = _step(pd.DatetimeIndex(rows[column]), name, flags)
    return Source(name, rows, column, clock, freq, _warnings(column, clock, flags))


def read_rolling_rows(flags: Flags, source: Source, home: Home) -> pd.DataFrame:
    """The rows of the second file, its times kept as those of the first.

    Raises:
        SourceError: there is no such file, or it has no time column of that name.
    """
    assert flags.rolling_data_path is not None
    named = Path(flags.rolling_data_path).expanduser()
    places = (Path(flags.root_path).expanduser() / named, named)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise SourceError(
            f"there is no rolling file {places[0]}, nor {places[1]}. Give it with "
            "--rolling_data_path."
        )
    frame = read(str(path), home)
    if source.time_column not in frame.columns:
        raise SourceError(
            f"{path} lacks the time column {source.time_column!r} of {source.name}; it has "
            f"{[str(c) for c in frame.columns]}. Give both files the same columns."
        )
    times = source.clock.read(frame[source.time_column], source.time_column)
    return frame.assign(**{source.time_column: times})


def _step(times: pd.DatetimeIndex, name: str, flags: Flags) -> str:
    """`--freq` where it is given and fits, else the step that the times take."""
    found = infer_freq(times)
    if "freq" not in flags.given:
        if found is None:
            raise ConfigError(
                f"the times of {name} have no common step; give one with --freq, such as 15min."
            )
        return found
    offset = pandas_offset(flags.freq)
    if found is None or offset == pandas_offset(found):
        return flags.freq
    # In the reference a letter says which features the calendar has, whatever the step is.
    if len(flags.freq) == 1 and base_letter(flags.freq) == base_letter(found):
        return found
    raise ConfigError(
        f"--freq {flags.freq} contradicts {name}, whose rows are one {found} apart. Give --freq "
        f"{found}, or leave it out."
    )


def _warnings(column: str, clock: Clock, flags: Flags) -> tuple[str, ...]:
    found: list[str] = []
    if clock.is_mixed:
        found.append(
            f"the times in {column!r} have several offsets, so calendar features and forecasts "
            "are in UTC. Give a time zone with --time_zone"
        )
    if flags.time_zone is not None and clock.are_dates:
        found.append(f"--time_zone is ignored: the times in {column!r} are whole days")
    return tuple(found)


def gaps(rows: pd.DataFrame, columns: Sequence[str], source: Source, max_gap: int) -> list[str]:
    """What a person should know of the missing values of regular rows, column by column."""
    found: list[str] = []
    broken = [name for name in columns if rows[name].isna().any()]
    for name in broken[:TOLD]:
        missing = rows[name].isna()
        first = source.clock.show(rows.loc[missing, source.time_column]).iloc[0]
        run = missing.groupby((~missing).cumsum()).cumsum().max()
        what = "each is filled with the value before it, and is not scored"
        if run > max_gap:
            what = (
                f"gaps of up to {max_gap} are filled with the value before them, and are not "
                f"scored; no window crosses a longer one (the longest: {run})"
            )
        found.append(
            f"{name!r} lacks {int(missing.sum())} of {len(rows)} values, the first at {first}: "
            f"{what}"
        )
    if len(broken) > TOLD:
        found.append(
            f"{len(broken) - TOLD} more columns lack values. They are filled in the same way"
        )
    return found
