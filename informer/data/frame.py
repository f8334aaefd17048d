"""The structural gate: any long frame in, one regular panel out, or a `FrameError` that says why.

C channels   S series   T rows of all series, one after the other
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data.columns import SINGLE_SERIES, as_names, check_columns, numbers, series_codes
from informer.data.panel import Panel
from informer.errors import FrameError
from informer.frequency import pandas_offset

__all__ = ["long_targets", "parse_times", "regular_frame", "regular_panel", "series_names"]


def series_names(ids: tuple[str, ...], config: FrameConfig) -> list[list[str]]:
    """The `unique_id` of every forecast, by series and target.

    A target's name where the frame has no id column, the series' own where there is one target,
    `series/target` where there are several of both.
    """
    if config.id_column is None:
        return [list(config.targets)]
    if len(config.targets) == 1:
        return [[series] for series in ids]
    return [[f"{series}/{target}" for target in config.targets] for series in ids]


def long_targets(frame: pd.DataFrame, config: FrameConfig) -> pd.DataFrame:
    """The targets as unique_id, ds, y: a row per target and row of `frame`, named as forecasts."""
    if config.id_column is None:
        owner = pd.Series(SINGLE_SERIES, index=frame.index)
        ids: tuple[str, ...] = ()
    else:
        owner = as_names(frame[config.id_column])
        ids = tuple(owner.dropna().unique())
    names = dict(zip(ids or (SINGLE_SERIES,), series_names(ids, config), strict=True))
    parts = [
        pd.DataFrame(
            {
                "unique_id": owner.map({series: names[series][i] for series in names}),
                "ds": frame[config.time_column],
                "y": frame[target],
            }
        )
        for i, target in enumerate(config.targets)
    ]
    return pd.concat(parts, ignore_index=True)


def parse_times(column: pd.Series, name: str) -> pd.Series[pd.Timestamp]:
    """Read a column as times: naive ones as they are, zoned ones in UTC and made naive.

    Text is read as ISO 8601, else in the one format that its first value shows.

    Raises:
        FrameError: a value is missing or is no time.
    """
    try:
        times = _read_times(column)
    except (ValueError, TypeError, UserWarning) as error:
        raise FrameError(
            f"column {name!r} must hold times, but {_first_bad_time(column)!r} is not a time "
            f"({type(error).__name__}). Write times as 2013-01-31 06:00:00."
        ) from error
    if times.isna().any():
        raise FrameError(
            f"column {name!r} has no time in row {int(np.flatnonzero(times.isna())[0])}. Drop "
            "such rows or give them a time."
        )
    return times.dt.tz_localize(None) if times.dt.tz is not None else times


def _read_times(column: pd.Series) -> pd.Series[pd.Timestamp]:
    zoned = _zoned(column)
    if not pd.api.types.is_string_dtype(column):
        return pd.to_datetime(column, utc=zoned)
    try:
        return pd.to_datetime(column, utc=zoned, format="ISO8601")
    except ValueError:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pandas warns where it would guess value by value
            return pd.to_datetime(column, utc=zoned)


def _zoned(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return True
    if pd.api.types.is_datetime64_dtype(column):
        return False
    text = column.dropna().astype(str)
    return bool(len(text)) and bool(text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$").all())


def _first_bad_time(column: pd.Series) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # only an example is looked for
        bad = pd.to_datetime(column, errors="coerce", utc=True, format="mixed").isna()
    return column[bad].iloc[0] if bad.any() else column.iloc[0]


def regular_frame(frame: pd.DataFrame, config: FrameConfig) -> pd.DataFrame:
    """Sorted rows of the configured columns, one per series and step, NaN where nothing was read.

    Args:
        frame: long frame with `config.time_column`, `config.id_column` and `config.columns`, its
            rows in any order; a column of numbers may be missing values.
        config: names of the columns and the frequency.

    Returns:
        The columns id (where configured), time, `config.columns`, on the regular grid.

    Raises:
        FrameError: a column is missing, holds text or infinite values; a time stands twice in a
            series or lies off the grid of `config.freq`; the frame is empty.
    """
    panel_ids, bounds, grid, steps, values = _on_grid(frame, config)
    data: dict[str, object] = {}
    if config.id_column is not None:
        data[config.id_column] = np.repeat(np.array(panel_ids, dtype=object), np.diff(bounds))
    data[config.time_column] = grid[steps]
    data |= {name: values[:, i] for i, name in enumerate(config.columns)}
    regular = pd.DataFrame(data)
    return regular if config.id_column is None else regular.astype({config.id_column: "str"})


def regular_panel(frame: pd.DataFrame, config: FrameConfig) -> Panel:
    """Cut the channels out of a frame, on a regular grid, gaps filled by the stated rule.

    A missing value takes the last one before it in its series, at most `config.max_gap` steps
    back. Rows before a series' first complete row are left out.

    Raises:
        FrameError: as `regular_frame`, and where a gap is longer than `config.max_gap` or a
            channel of a series holds no value at all.
    """
    ids, bounds, grid, steps, values = _on_grid(frame, config)
    values = values[:, [config.columns.index(name) for name in config.channels]]
    observed = ~np.isnan(values)
    rows = np.arange(len(values))[:, None]
    first = np.repeat(bounds[:-1], np.diff(bounds))[:, None]
    last = np.maximum.accumulate(np.where(observed, rows, -1), axis=0)  # (T, C)
    started = np.all(last >= first, axis=1)
    _check_started(ids, bounds, observed, config)
    gap = np.where(started[:, None], rows - last, 0)
    if gap.max(initial=0) > config.max_gap:
        _raise_gap(ids, bounds, grid[steps], gap, config)
    filled = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    lengths = np.add.reduceat(started, bounds[:-1], dtype=np.int64)
    return Panel(
        ids=ids,
        bounds=np.concatenate([[0], np.cumsum(lengths)]),
        grid=grid,
        steps=steps[started],
        values=filled[started],
        observed=observed[started],
    )


def _on_grid(
    frame: pd.DataFrame, config: FrameConfig
) -> tuple[
    tuple[str, ...],
    npt.NDArray[np.int64],
    pd.DatetimeIndex,
    npt.NDArray[np.int64],
    npt.NDArray[np.float64],
]:
    check_columns(frame, config)
    times = pd.DatetimeIndex(parse_times(frame[config.time_column], config.time_column))
    codes, ids = series_codes(frame, config)
    grid = pd.date_range(times.min(), times.max(), freq=pandas_offset(config.freq))
    step = grid.get_indexer(times)
    if (step < 0).any():
        stray = times[int(np.flatnonzero(step < 0)[0])]
        raise FrameError(
            f"{stray} is not on the {config.freq!r} grid that begins at {times.min()}. Set "
            "frame.freq to the step of the data, or resample the data."
        )
    values = np.column_stack([numbers(frame, name) for name in config.columns])
    low = np.full(len(ids), len(grid), dtype=np.int64)
    high = np.full(len(ids), -1, dtype=np.int64)
    np.minimum.at(low, codes, step)
    np.maximum.at(high, codes, step)
    bounds = np.concatenate([[0], np.cumsum(high - low + 1)])
    row = bounds[codes] + step - low[codes]
    _check_unique(row, codes, times, ids)
    regular = np.full((int(bounds[-1]), values.shape[1]), np.nan)
    regular[row] = values
    steps = np.arange(int(bounds[-1])) - np.repeat(bounds[:-1] - low, np.diff(bounds))
    return ids, bounds, grid, steps, regular


def _check_unique(
    row: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
    times: pd.DatetimeIndex,
    ids: tuple[str, ...],
) -> None:
    order = np.argsort(row, kind="stable")
    twice = np.flatnonzero(np.diff(row[order]) == 0)
    if len(twice):
        where = int(order[twice[0]])
        raise FrameError(
            f"{len(twice)} rows have the time of an earlier row, the first at "
            f"{times[where]}{_of(ids[codes[where]])}. Keep one row for each series and time."
        )


def _check_started(
    ids: tuple[str, ...],
    bounds: npt.NDArray[np.int64],
    observed: npt.NDArray[np.bool_],
    config: FrameConfig,
) -> None:
    any_value = np.logical_or.reduceat(observed, bounds[:-1], axis=0)  # (S, C)
    if not any_value.all():
        series, channel = (int(i[0]) for i in np.nonzero(~any_value))
        raise FrameError(
            f"column {config.channels[channel]!r}{_of(ids[series])} has no values. Leave the "
            "column out of frame.columns, or the series out of the data."
        )


def _of(series: str) -> str:
    """Which series is meant, where the frame names them."""
    return "" if series == SINGLE_SERIES else f" of series {series!r}"


def _raise_gap(
    ids: tuple[str, ...],
    bounds: npt.NDArray[np.int64],
    times: pd.DatetimeIndex,
    gap: npt.NDArray[np.int64],
    config: FrameConfig,
) -> None:
    row, channel = (int(i) for i in np.unravel_index(int(gap.argmax()), gap.shape))
    series = ids[int(np.searchsorted(bounds, row, side="right")) - 1]
    raise FrameError(
        f"{config.channels[channel]!r}{_of(series)} is missing for {gap[row, channel]} steps up "
        f"to {times[row]}; max_gap={config.max_gap} is the limit. Raise frame.max_gap, or supply "
        "the missing rows."
    )
