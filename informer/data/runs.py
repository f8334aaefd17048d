"""From regular rows to runs: stretches of a series without a long gap, short gaps filled.

C channels   C_t targets   S series   R runs   T rows of all series, one after the other
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data.grid import Fault, RegularRows, kept_series, of_series
from informer.data.panel import Panel

__all__ = ["cut_runs"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def cut_runs(table: RegularRows, config: FrameConfig, on_gap: Literal["refuse", "split"]) -> Panel:
    """The panel of regular rows.

    A missing value takes the last one before it in its series, at most `config.max_gap` steps back.
    These rows are left out: those before the first complete row of a series, those after its last
    observed target, and those of a gap that is longer. A run ends where rows are left out.

    Args:
        table: rows of `config.columns`.
        config: the channels and the longest gap.
        on_gap: `refuse` leaves out a series that has a longer gap between two values; `split` only
            ends a run there. Values that are late at the end of a series are no such gap.

    Raises:
        FrameError: no series is left.
    """
    values = table.values[:, [config.columns.index(name) for name in config.channels]]
    seen = ~np.isnan(values)
    series, n_targets = table.series, len(config.targets)
    ends = _last_seen(seen[:, -n_targets:], table.bounds)  # (S, C_t)
    faults = _empty(table, seen, config)
    before, gap, is_inner = _gaps(seen, table.bounds, series, ends.max(axis=1))
    rows = np.arange(len(values))[:, None]
    started: Flags = np.all(before >= table.bounds[:-1][series][:, None], axis=1)
    long = (gap > config.max_gap) & started[:, None]
    if on_gap == "refuse":
        _add_long(faults, table, series, gap * (long & is_inner), config)
    late = ~is_inner & (rows - before > config.max_gap)
    is_usable = started & (rows[:, 0] <= ends.max(axis=1)[series])
    is_usable &= ~((long & is_inner) | (late & ~seen)).any(axis=1)
    counts = np.bincount(series[is_usable], minlength=len(table.ids))
    _add_never_complete(faults, table, counts, config)
    kept, left_out = kept_series(table.ids, faults)
    return _panel(table, values, seen, before, is_usable & kept[series], ends, kept, left_out)


def _panel(
    table: RegularRows,
    values: npt.NDArray[np.float64],
    seen: Flags,
    before: Ints,
    is_usable: Flags,
    ends: Ints,
    kept: Flags,
    left_out: dict[str, str],
) -> Panel:
    row = np.flatnonzero(is_usable)
    series = (np.cumsum(kept) - 1)[table.series[row]]
    breaks = np.flatnonzero((np.diff(row) > 1) | (np.diff(series) > 0)) + 1
    starts = np.concatenate([[0], breaks])
    # In chunks: a panel of one run and no gap, the usual case, is copied once all the same.
    filled = np.take_along_axis(values, np.maximum(before, 0), axis=0)[row]
    return Panel(
        ids=tuple(name for name, is_kept in zip(table.ids, kept, strict=True) if is_kept),
        bounds=np.concatenate([starts, [len(row)]]),
        owner=series[starts],
        grid=table.grid,
        steps=table.steps[row],
        lags=table.lags[kept],
        values=filled,
        observed=seen[row],
        ends=np.where(ends >= 0, table.steps[ends], -1)[kept],
        left_out={**table.left_out, **left_out},
    )


def _last_seen(seen: Flags, bounds: Ints) -> Ints:
    """(S, K) the row of the last true entry of (T, K) in each series; -1 where there is none."""
    rows = np.arange(len(seen))[:, None]
    last: Ints = np.maximum.reduceat(np.where(seen, rows, -1), bounds[:-1], axis=0)
    return last


def _gaps(seen: Flags, bounds: Ints, series: Ints, ends: Ints) -> tuple[Ints, Ints, Flags]:
    """(T, C) the last row with a value, the length of the gap, and whether a value follows it.

    The length is 0 where there is a value. A value of another series, or after the last observed
    target of the own one (S,), does not count.
    """
    rows = np.arange(len(seen))[:, None]
    before = np.maximum.accumulate(np.where(seen, rows, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, rows, len(seen))[::-1], axis=0)[::-1]
    is_inner = ~seen & (after <= ends[series][:, None])
    is_inner &= before >= bounds[:-1][series][:, None]
    gap = np.where(seen, 0, after - before - 1)
    return before, gap, is_inner


def _empty(table: RegularRows, seen: Flags, config: FrameConfig) -> dict[int, Fault]:
    """Series in which a channel has no value at all."""
    any_value = np.logical_or.reduceat(seen, table.bounds[:-1], axis=0)  # (S, C)
    faults = {}
    for i in np.flatnonzero(~any_value.all(axis=1)):
        name = config.channels[int(np.flatnonzero(~any_value[i])[0])]
        faults[int(i)] = Fault(
            f"has no values in column {name!r}",
            f"column {name!r}{of_series(table.ids[i])} has no values. Leave the "
            "column out of frame.columns, or the series out of the data.",
        )
    return faults


def _add_long(
    faults: dict[int, Fault], table: RegularRows, series: Ints, gap: Ints, config: FrameConfig
) -> None:
    """Series with a gap (T, C) that is longer than allowed; 0 stands for none."""
    if not gap.any():
        return
    times = table.times
    for i in np.unique(series[gap.any(axis=1)]):
        if int(i) in faults:
            continue
        own = slice(int(table.bounds[i]), int(table.bounds[i + 1]))
        row, channel = (int(k) for k in np.unravel_index(gap[own].argmax(), gap[own].shape))
        length = int(gap[own][row, channel])
        faults[int(i)] = gap_fault(
            config, channel, table.ids[i], length, times[own][row + length - 1]
        )


def gap_fault(
    config: FrameConfig, channel: int, series: str, length: int, last: pd.Timestamp
) -> Fault:
    """What is said of a channel of a series that lacks `length` values up to a time."""
    name = config.channels[channel]
    what = f"missing for {length} steps up to {last}; max_gap={config.max_gap} is the limit"
    return Fault(
        f"has a gap: {name!r} is {what}",
        f"{name!r}{of_series(series)} is {what}. Raise frame.max_gap, supply the missing rows, "
        "or set frame.on_gap to split, which trains around the gap.",
    )


def _add_never_complete(
    faults: dict[int, Fault], table: RegularRows, counts: Ints, config: FrameConfig
) -> None:
    """Series without a row at which every channel has a value or takes one."""
    for i in np.flatnonzero(counts == 0):
        if int(i) not in faults:
            faults[int(i)] = Fault(
                "has no time at which all of its columns have a value",
                f"the columns {list(config.channels)}{of_series(table.ids[i])} never have a value "
                f"at the same time, within max_gap={config.max_gap} steps. Raise frame.max_gap, or "
                "leave a column out of frame.columns.",
            )
