"""Data in place of a configuration's own: which columns they have, and what follows from that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype

from informer.config import FrameConfig
from informer.data import ETT_MINUTE, as_numbers, frame_times, infer_freq
from informer.errors import ConfigError, FrameError
from informer.frequency import base_letter, pandas_offset
from tasks.reference import find_time_column, read_clock
from tasks.rows import DATASETS, find_dataset, layout_of, read
from tasks.settings import Home, RunConfig

__all__ = ["Foreign", "name_of", "read_foreign"]

DAY_S, NS = 24 * 60 * 60, 1e9
SEASONS = {"d": 7, "b": 5, "w": 52, "m": 12}
"""Steps in a season by the letter of the step, for steps of a day and longer."""

MAX_GAP = 6  # steps that are filled, at least: who brings other data has promised nothing
QUARTER = "15min"


@dataclass(frozen=True)
class Foreign:
    """Data in place of a configuration's own.

    Attributes:
        rows: as read; times kept as the library keeps them.
        has_same_columns: whether they have all columns that the configuration reads.
        values: dotted fields of the configuration that follow from the data.
        warnings: what a person should know of how the file was understood.
    """

    rows: pd.DataFrame
    has_same_columns: bool
    values: dict[str, Any]
    warnings: tuple[str, ...]


def name_of(source: str, home: Home) -> str:
    """What the data are called in a table: a known data set also where it is named by its file."""
    dataset = find_dataset(source)
    if dataset is not None:
        return dataset.name
    places = (Path(source).expanduser(), home.root / source)
    path = next((place for place in places if place.is_file()), places[0])
    if path.is_file():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        for known in DATASETS:
            if known.sha256 == digest:
                return known.name
    return path.stem


def read_foreign(
    source: str, config: RunConfig, overrides: Mapping[str, str], home: Home
) -> Foreign:
    """Read a source and find out its times, step, columns and season.

    Args:
        source: a data set's name, or a file.
        config: the configuration whose data it takes the place of.
        overrides: dotted fields that the command sets, which are not looked for in the data.
        home: where named files are looked for.

    Raises:
        SourceError: it is not there, or cannot be read.
        FrameError: it has no single time column, or no numeric one.
        ConfigError: its times show no common step.
    """
    rows = read(source, home, layout_of(config.frame))
    frame = config.frame
    features = overrides.get("frame.features", frame.features)
    channels = (frame.target,) if features == "S" else frame.columns
    keys = [name for name in (frame.time_column, frame.id_column) if name is not None]
    if {*keys, *channels} <= set(rows.columns):
        times = frame_times(rows, frame)
        freq = _step(times, source, overrides)
        values = {
            "frame.columns": [name for name in frame.columns if name in rows.columns],
            "frame.freq": freq,
            "frame.max_gap": max(frame.max_gap, MAX_GAP),
        }
        return Foreign(rows, True, values | _of_step(freq, config), ())
    column = overrides.get("frame.time_column") or find_time_column(rows)
    clock = read_clock(rows[column], column, None)
    rows = rows.assign(**{column: clock.read(rows[column], column)})
    freq = _step(rows[column], source, overrides)
    columns, warnings = _numeric_columns(rows, column, source)
    target, told = _target(columns, frame, overrides)
    values = {
        "frame.time_column": column,
        "frame.id_column": None,
        "frame.columns": columns,
        "frame.target": target,
        "frame.freq": freq,
        "frame.time_zone": clock.zone,
        "frame.max_gap": MAX_GAP,
        "frame.season": season_of(freq),
    }
    return Foreign(rows, False, values, (*warnings, *told))


def season_of(freq: str) -> int:
    """Steps in the season that most data of this step have: a day, a week, a year."""
    letter = base_letter(freq)
    if letter in SEASONS:
        step = pandas_offset(freq).n if letter == "d" else 1
        return max(1, SEASONS[letter] // step)
    step_s = pandas_offset(freq).nanos / NS
    return max(1, int(DAY_S / step_s))


def _of_step(freq: str, config: RunConfig) -> dict[str, Any]:
    """What changes with the step: the season, and the months of the ETT tables."""
    if pandas_offset(freq) == pandas_offset(config.frame.freq):
        return {}
    values: dict[str, Any] = {"frame.season": season_of(freq)}
    if pandas_offset(freq) == pandas_offset(QUARTER):
        parts = {"train": ETT_MINUTE.train, "val": ETT_MINUTE.val, "test": ETT_MINUTE.test}
    else:
        parts = {"train": 0.7, "val": 0.1, "test": 0.2}
    return values | {f"split.{name}": part for name, part in parts.items()}


def _step(times: pd.Series[pd.Timestamp], source: str, overrides: Mapping[str, str]) -> str:
    found = overrides.get("frame.freq") or infer_freq(pd.DatetimeIndex(times))
    if found is None:
        raise ConfigError(
            f"the times of {source} have no common step; set it, such as frame.freq=15min."
        )
    return found


def _numeric_columns(
    rows: pd.DataFrame, time_column: str, source: str
) -> tuple[list[str], tuple[str, ...]]:
    """Every column of numbers, and what is said of the others."""
    others = [str(name) for name in rows.columns if name != time_column]
    columns = [
        name
        for name in others
        if as_numbers(rows[name]) is not None
        and not is_bool_dtype(rows[name])
        and rows[name].notna().any()
    ]
    if not columns:
        raise FrameError(
            f"{source} has no column of numbers besides {time_column!r}; it has {others}. Write "
            "numbers with a decimal point, or name another file."
        )
    left = [name for name in others if name not in columns]
    told = f"left out, because they hold no numbers: {', '.join(map(repr, left))}"
    return columns, (told,) if left else ()


def _target(
    columns: list[str], frame: FrameConfig, overrides: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    """The configuration's target where the data have it, else the last column."""
    if frame.target in columns:
        return frame.target, ()
    features = overrides.get("frame.features", frame.features)
    if "frame.target" in overrides or features == "M":
        return columns[-1], ()
    return columns[-1], (
        f"the target is the last column, {columns[-1]!r}; to use another, set frame.target=NAME",
    )
