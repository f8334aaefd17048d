"""The structural gate: any long frame in, one regular panel out, or a `FrameError` that says why.

C channels   S series   T rows of all series, one after the other
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data.panel import Panel
from informer.data.step import mend_of_freq
from informer.data.times import frame_times, kept_times
from informer.errors import FrameError
from informer.frequency import pandas_offset

__all__ = ["long_targets", "regular_frame", "regular_panel", "series_names"]

SINGLE_SERIES = ""


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
    ids = () if config.id_column is None else tuple(frame[config.id_column].unique())
    names = dict(zip(ids or (SINGLE_SERIES,), series_names(ids, config), strict=True))
    owner = frame[config.id_column] if ids else pd.Series(SINGLE_SERIES, index=frame.index)
    parts = [
        pd.DataFrame(
            {
                "unique_id": owner.map({series: names[series][i] for series in names}),
                "ds": frame_times(frame, config),
                "y": frame[target],
            }
        )
        for i, target in enumerate(config.targets)
    ]
    return pd.concat(parts, ignore_index=True)


def regular_frame(frame: pd.DataFrame, config: FrameConfig) -> pd.DataFrame:
    """Sorted rows of the configured columns, one per series and step, NaN where nothing was read.

    Args:
        frame: long frame with `config.time_column`, `config.id_column` and `config.columns`, its
            rows in any order; a column of numbers may be missing values.
        config: names of the columns and the frequency.

    Returns:
        The columns id (where configured), time, `config.columns`, on the regular grid. Its times
        are read through `informer.data.times.frame_times`, as those of any frame.

    Raises:
        FrameError: a column is missing, holds text or infinite values; a time stands twice in a
            series or lies off the grid of `config.freq`; the frame is empty.
    """
    panel_ids, bounds, grid, steps, values = _on_grid(frame, config)
    data: dict[str, object] = {}
    if config.id_column is not None:
        data[config.id_column] = np.repeat(np.array(panel_ids, dtype=object), np.diff(bounds))
    data[config.time_column] = kept_times(grid[steps], config)
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
    _check_columns(frame, config)
    times = pd.DatetimeIndex(frame_times(frame, config))
    codes, ids = _series_codes(frame, config)
    grid = pd.date_range(times.min(), times.max(), freq=pandas_offset(config.freq))
    step = grid.get_indexer(times)
    if (step < 0).any():
        stray = times[int(np.flatnonzero(step < 0)[0])]
        raise FrameError(
            f"{stray} is not on the {config.freq!r} grid that begins at {times.min()}. "
            f"{mend_of_freq(times)}"
        )
    values = np.column_stack([_numbers(frame, name) for name in config.columns])
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


def _check_columns(frame: pd.DataFrame, config: FrameConfig) -> None:
    wanted = [config.time_column, *config.columns]
    wanted += [] if config.id_column is None else [config.id_column]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise FrameError(
            f"the frame lacks the columns {missing}; it has {[str(c) for c in frame.columns]}. "
            "Correct the names under frame: in the configuration."
        )
    if frame.empty:
        raise FrameError("the frame has no rows; at least one window of history is needed.")


def _series_codes(
    frame: pd.DataFrame, config: FrameConfig
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    if config.id_column is None:
        return np.zeros(len(frame), dtype=np.int64), (SINGLE_SERIES,)
    codes, ids = pd.factorize(frame[config.id_column].astype("str"), sort=True)
    if (codes < 0).any():
        raise FrameError(
            f"column {config.id_column!r} has no series name in row "
            f"{int(np.flatnonzero(codes < 0)[0])}. Name the series or drop the row."
        )
    return codes.astype(np.int64), tuple(str(name) for name in ids)


def _numbers(frame: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    column = frame[name]
    if not (pd.api.types.is_numeric_dtype(column) or column.isna().all()):
        numbers = pd.to_numeric(column, errors="coerce")
        bad = column[numbers.isna() & column.notna()]
        example = f", such as {bad.iloc[0]!r} in row {bad.index[0]}" if len(bad) else ""
        raise FrameError(
            f"column {name!r} must hold numbers, but it has type {column.dtype}{example}. "
            "Clean the column or leave it out of frame.columns."
        )
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise FrameError(
            f"column {name!r} holds infinite values, first in row "
            f"{int(np.flatnonzero(np.isinf(values))[0])}. Replace them with missing values, or "
            "correct them."
        )
    return values


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
