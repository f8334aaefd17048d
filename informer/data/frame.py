"""The structural gate: any long frame in, one regular panel out, or a `FrameError` that says why.

C channels   S series   T rows of all series, one after the other
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data.columns import SINGLE_SERIES, as_names, check_columns, numbers, series_codes
from informer.data.grid import Fault, RegularRows, of_series, on_grid
from informer.data.panel import Panel
from informer.data.runs import cut_runs
from informer.data.times import frame_times, kept_times

__all__ = ["long_targets", "regular_frame", "regular_panel", "series_names", "until_last_target"]

OnGap = Literal["refuse", "split"]


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
                "ds": frame_times(frame, config),
                "y": frame[target],
            }
        )
        for i, target in enumerate(config.targets)
    ]
    return pd.concat(parts, ignore_index=True)


def until_last_target(rows: pd.DataFrame, config: FrameConfig) -> pd.DataFrame:
    """The rows of each series up to its last observed target, and none of a series without any.

    Args:
        rows: ordered by time within each series.
        config: names of the columns.
    """
    has_value = rows[list(config.targets)].notna().any(axis=1)
    owner = rows[config.id_column] if config.id_column is not None else pd.Series(0, rows.index)
    still = has_value[::-1].groupby(owner[::-1]).cummax()[::-1]  # a value here or further on
    return rows[still.astype(bool)]


def regular_frame(frame: pd.DataFrame, config: FrameConfig) -> pd.DataFrame:
    """Sorted rows of the configured columns, one per series and step, NaN where nothing was read.

    Args:
        frame: long frame with `config.time_column`, `config.id_column` and `config.columns`, its
            rows in any order; a column of numbers may be missing values.
        config: names of the columns and the frequency.

    Returns:
        The columns id (where configured), time, `config.columns`, on the regular grid. Its times
        are read through `informer.data.times.frame_times`, as those of any frame. Of several
        series, one that cannot be used is not in it: `attrs["left_out"]` gives the reason.

    Raises:
        FrameError: a column is missing or holds text; the frame is empty; every series has infinite
            values, a time twice, or a time off the grid of `config.freq`.
    """
    table = _on_grid(frame, config)
    data: dict[str, object] = {}
    if config.id_column is not None:
        data[config.id_column] = np.array(table.ids, dtype=object)[table.series]
    data[config.time_column] = kept_times(table.times, config)
    data |= {name: table.values[:, i] for i, name in enumerate(config.columns)}
    regular = pd.DataFrame(data)
    if config.id_column is not None:
        regular = regular.astype({config.id_column: "str"})
    if table.left_out:
        regular.attrs["left_out"] = dict(table.left_out)
    return regular


def regular_panel(
    frame: pd.DataFrame, config: FrameConfig, *, on_gap: OnGap | None = None
) -> Panel:
    """Cut the channels out of a frame, on a regular grid, gaps filled by the stated rule.

    A missing value takes the last one before it in its series, at most `config.max_gap` steps
    back; see `informer.data.runs.cut_runs`. Of several series, one that cannot be used is left out,
    and `Panel.left_out` gives the reason.

    Args:
        frame: as `regular_frame` takes it.
        config: names of the columns, the frequency, and what becomes of long gaps.
        on_gap: in place of `config.on_gap`.

    Raises:
        FrameError: as `regular_frame`; or every series has a gap longer than `config.max_gap`, or a
            channel without any value.
    """
    return cut_runs(_on_grid(frame, config), config, on_gap or config.on_gap)


def _on_grid(frame: pd.DataFrame, config: FrameConfig) -> RegularRows:
    check_columns(frame, config)
    times = pd.DatetimeIndex(frame_times(frame, config))
    codes, ids = series_codes(frame, config)
    values = np.column_stack([numbers(frame, name) for name in config.columns])
    faults = _infinite(values, codes, ids, config)
    return on_grid(times, codes, ids, values, config.freq, faults)


def _infinite(
    values: npt.NDArray[np.float64],
    codes: npt.NDArray[np.int64],
    ids: tuple[str, ...],
    config: FrameConfig,
) -> dict[int, Fault]:
    """Series that hold infinite values."""
    faults: dict[int, Fault] = {}
    for row, channel in np.argwhere(np.isinf(values)):
        name, series = config.columns[channel], int(codes[row])
        faults.setdefault(
            series,
            Fault(
                f"has infinite values in column {name!r}",
                f"column {name!r}{of_series(ids[series])} holds infinite values, first in row "
                f"{row}. Replace them with missing values, or correct them.",
            ),
        )
    return faults
