"""Where training ends, validation ends and the test ends, as times on the data's grid.

A split is given in one of four ways: by shares (0.7, 0.1, 0.2), by counts of time steps from the
beginning (8640, 2880, 2880: the protocol of the ETT tables), by counts of the last time steps with
all before them for training (none, 672, 672: for data that grow), or by the times at which
validation and test begin ("2013-09-01", "2013-11-01"). The parts never overlap, and none may be
empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from informer.config import FrameConfig
from informer.data.calendar import future_times
from informer.data.times import border_time
from informer.errors import ConfigError
from informer.frequency import pandas_offset

__all__ = ["ETT_HOUR", "ETT_MINUTE", "Split", "SplitConfig", "tail_start"]

_WAYS = (
    "give three shares such as 0.7, 0.1, 0.2, three counts of time steps such as 8640, 2880, "
    'or train: null and the times at which val and test begin, quoted, such as "2013-09-01"'
)


@dataclass(frozen=True)
class Split:
    """The borders of the parts; each part begins at its start and ends before the next one.

    Train covers every time before `val_start`; times from `test_end` on are not used.
    """

    val_start: pd.Timestamp
    test_start: pd.Timestamp
    test_end: pd.Timestamp


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Shares, counts or times of the three parts; see the head of the file.

    Shares that sum to 1 are cut as the reference's custom data set cuts them: train and test are
    rounded down and validation has the rest. With a lower sum the last rows are not used.
    """

    train: float | int | None = 0.7
    """Share or count of the train rows. Empty: all rows before the others."""
    val: float | int | str = 0.1
    """Share, count or first time of the rows that stop the training and judge trials."""
    test: float | int | str = 0.2
    """Share, count or first time of the rows that judge the models."""

    def __post_init__(self) -> None:
        parts = (self.train, self.val, self.test)
        if all(_is_share(part) for part in parts):
            _check_shares(self)
        elif all(_is_count(part) for part in parts[1:]) and (
            self.train is None or _is_count(self.train)
        ):
            _check_counts(self)
        elif self.train is None and isinstance(self.val, str) and isinstance(self.test, str):
            val, test = _time(self.val, "val"), _time(self.test, "test")
            if val >= test:
                raise ConfigError(
                    f"val begins at {self.val!r}, not before test at {self.test!r}; give val the "
                    "earlier time."
                )
        else:
            raise ConfigError(
                f"train={self.train!r}, val={self.val!r}, test={self.test!r} are of different "
                f"kinds; {_WAYS}."
            )

    def resolve(self, first: pd.Timestamp, last: pd.Timestamp, frame: FrameConfig) -> Split:
        """Place the borders on the grid of a frame from `first` to `last`, both included.

        Borders given as times are read on the same clock as the times of the frame.

        Raises:
            ConfigError: a part would be empty, or counts ask for more steps than there are.
        """
        grid = pd.date_range(first, last, freq=pandas_offset(frame.freq))
        after = future_times(last, frame.freq, 1)
        if isinstance(self.val, str) and isinstance(self.test, str):
            val, test = (
                border_time(text, name, frame)
                for name, text in (("val", self.val), ("test", self.test))
            )
            split = Split(val, test, after[0])
        else:
            n_train, n_val, n_test = self._counts(len(grid))
            borders = grid.append(after)
            ends = [n_train, n_train + n_val, n_train + n_val + n_test]
            if n_train < 1 or ends[-1] > len(grid):
                raise ConfigError(
                    f"train={self.train}, val={n_val}, test={n_test} need "
                    f"{max(n_train, 1) + n_val + n_test} time steps, but "
                    f"the data has {len(grid)} from {first} to {last}; shorten the parts."
                )
            split = Split(*(borders[end] for end in ends))
        _check_filled(split, grid)
        return split

    def _counts(self, n_steps: int) -> tuple[int, int, int]:
        """How many of `n_steps` train, validation and test cover."""
        train, val, test = self.train, self.val, self.test
        if isinstance(val, int) and isinstance(test, int):
            n_train = n_steps - val - test if train is None else int(train)
            return n_train, val, test
        assert isinstance(train, float)
        assert isinstance(val, float)
        assert isinstance(test, float)
        n_train, n_test = int(n_steps * train), int(n_steps * test)
        whole = math.isclose(train + val + test, 1.0)
        return n_train, n_steps - n_train - n_test if whole else int(n_steps * val), n_test


def tail_start(
    part: float | int | str, first: pd.Timestamp, last: pd.Timestamp, frame: FrameConfig
) -> pd.Timestamp:
    """The time at which the last part of a series, the one that validates, begins.

    Args:
        part: A share in (0, 1), a count of time steps, or the time itself.
        first: The first time of the series.
        last: The last time of the series, included.
        frame: The step between times, and the clock that a time is read on.

    Raises:
        ConfigError: the part, or what comes before it, would be empty.
    """
    grid = pd.date_range(first, last, freq=pandas_offset(frame.freq))
    if isinstance(part, str):
        n_part = len(grid) - int(grid.searchsorted(border_time(part, "val", frame)))
    else:
        n_part = int(len(grid) * part) if isinstance(part, float) else part
    if not 0 < n_part < len(grid):
        raise ConfigError(
            f"val={part!r} leaves {len(grid) - n_part} time steps to train and {n_part} to "
            f"validate, of {len(grid)} from {first} to {last}; each part needs at least one."
        )
    return grid[-n_part]


def _is_share(part: object) -> bool:
    return isinstance(part, float)


def _is_count(part: object) -> bool:
    return isinstance(part, int) and not isinstance(part, bool)


def _check_shares(config: SplitConfig) -> None:
    shares = {name: float(getattr(config, name)) for name in ("train", "val", "test")}
    for name, share in shares.items():
        if not 0 < share < 1:
            raise ConfigError(f"{name} is {share}; a share must lie strictly between 0 and 1.")
    total = sum(shares.values())
    if total > 1 and not math.isclose(total, 1.0):
        raise ConfigError(f"train, val and test sum to {total:.4g}; shares may sum to 1 at most.")


def _check_counts(config: SplitConfig) -> None:
    for name in ("train", "val", "test"):
        count = getattr(config, name)
        if count is not None and count < 1:
            raise ConfigError(f"{name} is {count}; a count of time steps must be at least 1.")


def _time(text: str, name: str) -> pd.Timestamp:
    """Read a time whose frame is not known yet, to see whether it is one."""
    try:
        time = pd.Timestamp(text)
        if pd.isna(time):
            raise ValueError("not a time")
    except ValueError as error:
        raise ConfigError(
            f"{name} is {text!r}, which is not a time; write it as 2013-09-01 or 2013-09-01 06:00."
        ) from error
    return time.tz_convert("UTC").tz_localize(None) if time.tzinfo is not None else time


def _check_filled(split: Split, grid: pd.DatetimeIndex) -> None:
    """Refuse a split with an empty part, saying which."""
    starts = [0, *(int(grid.searchsorted(t)) for t in (split.val_start, split.test_start))]
    ends = [*starts[1:], len(grid)]
    for name, start, end in zip(("train", "val", "test"), starts, ends, strict=True):
        if start >= end:
            raise ConfigError(
                f"the {name} part is empty: {len(grid)} time steps from {grid[0]} to {grid[-1]}, "
                f"val begins at {split.val_start}, test at {split.test_start}. "
                "Move the borders inside the data."
            )


ETT_HOUR = SplitConfig(train=12 * 30 * 24, val=4 * 30 * 24, test=4 * 30 * 24)
"""Twelve, four and four months of thirty days, hour by hour: ETTh1 and ETTh2."""

ETT_MINUTE = SplitConfig(train=4 * 12 * 30 * 24, val=4 * 4 * 30 * 24, test=4 * 4 * 30 * 24)
"""The same months in steps of fifteen minutes: ETTm1 and ETTm2."""
