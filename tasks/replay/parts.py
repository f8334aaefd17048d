"""Which rows train, validate and judge a model at a time of the replay, and when that begins."""

from __future__ import annotations

import pandas as pd

from informer.data import Split, SplitConfig, frame_times
from informer.errors import ConfigError
from informer.frequency import pandas_offset
from tasks.settings import RunConfig

__all__ = ["default_start", "moving_split", "split_of"]


def default_start(split: Split, last: pd.Timestamp, config: RunConfig) -> tuple[pd.Timestamp, str]:
    """Where a replay begins that was not told, and why there.

    Args:
        split: of all rows, as configured.
        last: the time of the last row.
        config: of the pipeline.
    """
    offset = pandas_offset(config.frame.freq)
    n_after = len(pd.date_range(split.test_end, last, freq=offset))
    if n_after >= config.model.pred_len:
        return split.test_end, (
            f"the configured test part ends there, and no part uses the {n_after:,} steps after it"
        )
    return split.test_start, (
        "the configured test part begins there. No rows follow that part, so its rows are played. "
        "Choices that were made with these rows look better here than they are"
    )


def moving_split(split: Split, last: pd.Timestamp, config: RunConfig) -> SplitConfig:
    """The configured split for data that grow: the last rows known judge, those before validate.

    Shares stay shares; counts are counted from the end, all before them training; times are the
    same lengths, counted from the end.

    Args:
        split: of all rows, as configured.
        last: the time of the last row.
        config: of the pipeline.
    """
    parts = config.split
    if isinstance(parts.val, float):
        return parts
    if isinstance(parts.val, int):
        return SplitConfig(train=None, val=parts.val, test=parts.test)
    offset = pandas_offset(config.frame.freq)
    n_val = len(pd.date_range(split.val_start, split.test_start, freq=offset, inclusive="left"))
    n_test = len(pd.date_range(split.test_start, last, freq=offset))
    return SplitConfig(train=None, val=n_val, test=n_test)


def split_of(known: pd.DataFrame, parts: SplitConfig, config: RunConfig) -> Split:
    """The split of the rows known at a cutoff.

    Raises:
        ConfigError: they are too few for it.
    """
    frame, times = config.frame, frame_times(known, config.frame)
    first, last = times.min(), times.max()
    try:
        split = parts.resolve(first, last, frame)
    except ConfigError as error:
        raise ConfigError(
            f"the rows known at {last} are too few for a model: {error} Give --start a later time, "
            "or smaller parts such as split.train=null split.val=672 split.test=672."
        ) from error
    offset = pandas_offset(frame.freq)
    n_train = len(pd.date_range(first, split.val_start, freq=offset, inclusive="left"))
    needed = max(config.model.seq_len, config.baselines.linear_look_back) + config.model.pred_len
    if n_train < needed:
        raise ConfigError(
            f"of the rows known at {last}, {n_train} steps before {split.val_start} are left to "
            f"train, but a window needs {needed}. Give --start a later time, or smaller parts "
            "under split."
        )
    return split
