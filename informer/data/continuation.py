"""Rows that go on where others end: joined, or a `FrameError` that says where they do not meet."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from informer.config import FrameConfig
from informer.data.calendar import future_times
from informer.data.columns import SINGLE_SERIES
from informer.data.frame import regular_frame
from informer.data.times import frame_times
from informer.errors import FrameError
from informer.frequency import pandas_offset

__all__ = ["Continuation", "continued"]


@dataclass(frozen=True)
class Continuation:
    """A history and what came after it.

    Attributes:
        history: regular rows, all that were known before.
        rows: the history up to where each series goes on, and what came.
        starts: series to the first time of what came; series that did not go on are not in it.
        overlaps: whether some of what came was known before.
    """

    history: pd.DataFrame
    rows: pd.DataFrame
    starts: dict[str, pd.Timestamp]
    overlaps: bool

    def left_out(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `ids` that did not go on."""
        return tuple(name for name in ids if name not in self.starts)


def continued(
    history: pd.DataFrame, future: pd.DataFrame, frame: FrameConfig, *, allow_overlap: bool = False
) -> Continuation:
    """Join the two on the regular grid.

    Raises:
        FrameError: one of them breaks the structural contract; `future` has other steps or a series
            that the history has not; it begins later than one step after its history, or earlier
            where no overlap is allowed.
    """
    past = _regular(history, frame, "the history")
    came = _regular(future, frame, "the rolling rows")
    _check_steps(came, frame)
    ends = {name: own.iloc[-1] for name, own in _times(past, frame)}
    starts = {name: own.iloc[0] for name, own in _times(came, frame)}
    strangers = sorted(set(starts) - set(ends))
    if strangers:
        raise FrameError(
            f"the rolling rows have the series {strangers}, but the history does not have them; "
            f"it has {sorted(ends)}. Leave them out, or supply their history."
        )
    overlaps = False
    for name, start in starts.items():
        (due,) = future_times(ends[name], frame.freq, 1)
        if start > due or (start < due and not allow_overlap):
            raise FrameError(_apart(name, ends[name], due, start))
        overlaps = overlaps or start < due
    known_again = frame_times(past, frame) >= _series(past, frame).map(starts)  # not where no start
    return Continuation(
        history=past,
        rows=pd.concat([past[~known_again], came], ignore_index=True),
        starts=starts,
        overlaps=overlaps,
    )


def _apart(name: str, end: pd.Timestamp, due: pd.Timestamp, start: pd.Timestamp) -> str:
    where = f" of series {name!r}" if name else ""
    mend = (
        "Supply the rows in between."
        if start > due
        else "Rows that trained the model are not a test. Remove them, or allow the overlap "
        "(allow_overlap, --allow-overlap). The result then does not count as a test."
    )
    return (
        f"the rolling rows{where} must begin at {due}, one step after the history's end at {end}, "
        f"but they begin at {start}. {mend}"
    )


def _regular(rows: pd.DataFrame, frame: FrameConfig, which: str) -> pd.DataFrame:
    try:
        return regular_frame(rows, frame)
    except FrameError as error:
        raise FrameError(f"{which}: {error}") from error


def _series(rows: pd.DataFrame, frame: FrameConfig) -> pd.Series[str]:
    if frame.id_column is None:
        return pd.Series(SINGLE_SERIES, index=rows.index)
    return rows[frame.id_column]


def _times(rows: pd.DataFrame, frame: FrameConfig) -> list[tuple[str, pd.Series[pd.Timestamp]]]:
    """The times of each series, rising."""
    return [(str(n), own) for n, own in frame_times(rows, frame).groupby(_series(rows, frame))]


def _check_steps(came: pd.DataFrame, frame: FrameConfig) -> None:
    """Refuse a longer step, which would otherwise look like a gap after every row."""
    filled = came[came[list(frame.columns)].notna().any(axis=1)]
    for name, own in _times(filled, frame):
        steps = own.diff().dropna()
        due = (own.iloc[:-1] + pandas_offset(frame.freq)).to_numpy()
        if len(steps) > 1 and (due < own.iloc[1:].to_numpy()).all():
            of = f" of series {name!r}" if name else ""
            raise FrameError(
                f"the rolling rows{of} come every {steps.min()}, but the model forecasts in steps "
                f"of {frame.freq!r}. Supply rows with that step."
            )
