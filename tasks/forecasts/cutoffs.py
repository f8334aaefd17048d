"""What a batch forecast is made from: the cutoffs that are due, and what was known at each."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from informer.config import FrameConfig
from informer.data import frame_times, future_times, until_last_target
from informer.forecaster import Forecaster
from tasks.settings import ForecastConfig, SourceError, duration

__all__ = [
    "check_age", "current_series", "known_rows", "missed_cutoffs", "too_early", "trimmed_rows",
]  # fmt: skip


def known_rows(
    rows: pd.DataFrame, frame: FrameConfig, as_of: pd.Timestamp | None = None
) -> pd.DataFrame:
    """The regular rows as they were at a time, see `trimmed_rows`.

    Raises:
        SourceError: there was none.
    """
    kept = trimmed_rows(rows, frame, as_of)
    if kept.empty:
        raise too_early(as_of, frame_times(rows, frame).min())
    return kept


def too_early(as_of: pd.Timestamp | None, first: pd.Timestamp) -> SourceError:
    """What is wrong where no row is as old as `as_of`; `first` is the time of the first one."""
    return SourceError(
        f"there are no rows up to {as_of}: the data begin at {first}. Give --as-of a later time."
    )


def trimmed_rows(
    rows: pd.DataFrame, frame: FrameConfig, as_of: pd.Timestamp | None = None
) -> pd.DataFrame:
    """The regular rows of any series as they were at a time; there may be none.

    Rows after the last observed target of a series are left out as well: a forecast begins after
    that one. They may hold what is known of times to come.

    Args:
        rows: regular rows, ordered by series and time.
        frame: names of the columns.
        as_of: UTC-naive, itself included; None forgets nothing.
    """
    kept = rows if as_of is None else rows[frame_times(rows, frame) <= as_of]
    return until_last_target(kept, frame).reset_index(drop=True)


def check_age(last: pd.Timestamp, now: pd.Timestamp, config: ForecastConfig, source: str) -> None:
    """Refuse rows that are too old to forecast from.

    Args:
        last: time of the last row, UTC-naive.
        now: the clock, UTC-naive.
        config: `max_age` says how old is too old.
        source: what the rows were read from, for the message.

    Raises:
        SourceError: `last` is older than `config.max_age`.
    """
    if config.max_age is not None and now - last > duration(config.max_age):
        raise SourceError(
            f"the last row of {source} is from {last}, {(now - last).floor('s')} ago; "
            f"forecast.max_age={config.max_age} is the limit. Update the data, or give --as-of to "
            "forecast from the data as they are."
        )


def missed_cutoffs(
    times: pd.DatetimeIndex,
    last: pd.Timestamp | None,
    stored: Collection[pd.Timestamp],
    config: ForecastConfig,
) -> list[pd.Timestamp]:
    """The cutoffs before the last of `times` that should have been forecast and were not.

    They are due every `config.every` after the last one that was forecast in its turn, and each is
    the last row known by then; of many the latest `config.catch_up`, oldest first.

    Args:
        times: of the rows.
        last: the newest cutoff before the last of `times` that a schedule asked for; None: there
            is none. What `--as-of` asked for does not move the schedule.
        stored: cutoffs of which there is any vintage: they were not missed.
        config: `every` and `catch_up`.
    """
    latest = times.max()
    if config.every is None or last is None:
        return []
    due = pd.date_range(last, latest, freq=duration(config.every), inclusive="right")
    grid = times.unique().sort_values()
    known = grid[grid.searchsorted(due, side="right") - 1].unique()
    missed = [time for time in known if last < time < latest and time not in stored]
    return missed[max(0, len(missed) - config.catch_up) :]


def current_series(
    rows: pd.DataFrame, forecaster: Forecaster, config: ForecastConfig, newest: pd.Timestamp
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of the series that go on as of now, and why the others do not.

    A series has ended where its last target lies so far before the newest one of all that its whole
    horizon has passed, or further than `config.max_age`. A frame without ids is one series, which
    stays for the forecaster to say why.

    Args:
        rows: regular rows of some of the series, as `trimmed_rows` gives them, one at least.
        forecaster: knows how many rows it reads and how far it forecasts.
        config: `max_age`.
        newest: time of the newest row of all series.

    Returns:
        The rows, and the name of each series left out with the reason.
    """
    frame = forecaster.config.frame
    if frame.id_column is None:
        return rows, {}
    lasts = frame_times(rows, frame).groupby(rows[frame.id_column], sort=False).max()
    n_steps = forecaster.config.model.pred_len
    horizon_ends = {last: future_times(last, frame.freq, n_steps)[-1] for last in lasts.unique()}
    left_out: dict[str, str] = {}
    for name, last in lasts.items():
        too_old = config.max_age is not None and newest - last > duration(config.max_age)
        if too_old or newest >= horizon_ends[last]:
            left_out[str(name)] = f"ended at {last}"
    kept = rows[~rows[frame.id_column].isin(list(left_out))]
    return kept.reset_index(drop=True), left_out
