"""Shares, counts and times cut the same grid into three parts that never overlap."""

import numpy as np
import pandas as pd
import pytest

from informer.config import FrameConfig
from informer.data.split import ETT_HOUR, ETT_MINUTE, Split, SplitConfig, tail_start
from informer.errors import ConfigError

FIRST = pd.Timestamp("2016-07-01")


def resolve(split, n_steps, freq="h"):
    grid = pd.date_range(FIRST, periods=n_steps, freq=freq)
    found = split.resolve(grid[0], grid[-1], FrameConfig(freq=freq))
    starts = [grid.searchsorted(t) for t in (found.val_start, found.test_start, found.test_end)]
    return tuple(int(n) for n in np.diff([0, *starts]))


@pytest.mark.parametrize("n_steps", [100, 101, 17420, 26304])
def test_shares_that_sum_to_one_are_cut_as_the_reference_cuts_a_custom_data_set(n_steps):
    train, test = int(n_steps * 0.7), int(n_steps * 0.2)
    split = SplitConfig(train=0.7, val=0.1, test=0.2)
    assert resolve(split, n_steps) == (train, n_steps - train - test, test)


def test_shares_that_sum_to_less_leave_the_last_rows_out():
    assert resolve(SplitConfig(train=0.5, val=0.1, test=0.1), 1000) == (500, 100, 100)


def test_the_ett_hour_protocol_counts_from_the_beginning():
    assert resolve(ETT_HOUR, 17420) == (8640, 2880, 2880)


def test_the_ett_minute_protocol_has_four_steps_for_each_hour():
    assert resolve(ETT_MINUTE, 69680, "15min") == (34560, 11520, 11520)


@pytest.mark.parametrize("n_steps", [100, 17420])
def test_counts_without_train_are_of_the_last_steps(n_steps):
    split = SplitConfig(train=None, val=48, test=24)
    assert resolve(split, n_steps) == (n_steps - 72, 48, 24)


def test_counts_of_the_last_steps_must_leave_some_to_train():
    with pytest.raises(ConfigError, match="need 73 time steps, but the data has 72"):
        resolve(SplitConfig(train=None, val=48, test=24), 72)


def test_counts_may_use_every_step_and_end_after_the_last():
    found = SplitConfig(train=6, val=2, test=2).resolve(
        FIRST, FIRST + pd.Timedelta(hours=9), FrameConfig()
    )
    assert found == Split(
        FIRST + pd.Timedelta(hours=6),
        FIRST + pd.Timedelta(hours=8),
        FIRST + pd.Timedelta(hours=10),
    )


def test_times_begin_the_parts_and_the_test_reaches_the_last_row():
    split = SplitConfig(train=None, val="2016-07-02", test="2016-07-03 12:00")
    assert resolve(split, 96) == (24, 36, 36)


def test_a_time_with_a_zone_means_the_same_moment_in_utc():
    split = SplitConfig(train=None, val="2016-07-02T02:00+02:00", test="2016-07-03T00:00Z")
    assert resolve(split, 96) == (24, 24, 48)


def test_monthly_data_are_split_at_month_ends():
    split = SplitConfig(train=12, val=6, test=6)
    found = split.resolve(
        pd.Timestamp("2020-01-31"), pd.Timestamp("2021-12-31"), FrameConfig(freq="m")
    )
    assert found.val_start == pd.Timestamp("2021-01-31")
    assert found.test_end == pd.Timestamp("2022-01-31")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((0.7, 0.2, 0.2), "sum to 1.1"),
        ((0.8, 0.0, 0.2), "val is 0.0; a share must lie strictly between"),
        ((100, 0, 20), "val is 0; a count"),
        ((0.7, 1000, 0.2), "are of different kinds; give three shares"),
        ((None, 0.1, 0.2), "are of different kinds"),
        ((0.7, "2016-07-02", "2016-07-03"), "are of different kinds"),
        ((True, True, True), "are of different kinds"),
        ((None, "2016-07-03", "2016-07-02"), "give val the earlier time"),
        ((None, "soon", "2016-07-02"), "val is 'soon', which is not a time"),
        ((None, "2016-07-02", "NaT"), "test is 'NaT', which is not a time"),
    ],
)
def test_a_split_that_cannot_work_is_refused_when_it_is_written(parts, message):
    train, val, test = parts
    with pytest.raises(ConfigError, match=message):
        SplitConfig(train=train, val=val, test=test)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (SplitConfig(), "the val part is empty|the train part is empty|the test part is empty"),
        (ETT_HOUR, "need 14400 time steps, but the data has 3"),
        (SplitConfig(train=None, val="2016-07-01", test="2016-07-01 01:00"), "train part is empty"),
        (SplitConfig(train=None, val="2016-07-01 01:00", test="2017-01-01"), "test part is empty"),
    ],
)
def test_a_split_that_leaves_a_part_empty_says_which(split, message):
    with pytest.raises(ConfigError, match=message):
        resolve(split, 3)


@pytest.mark.parametrize("part", [0.25, 25, "2016-07-04 03:00"])
def test_the_last_part_is_given_by_share_count_or_time(part):
    last = FIRST + pd.Timedelta(hours=99)
    assert tail_start(part, FIRST, last, FrameConfig()) == FIRST + pd.Timedelta(hours=75)


@pytest.mark.parametrize("part", [0.001, 1.0, 0, 100, -5, "2016-07-01", "2030-01-01"])
def test_a_last_part_that_leaves_one_side_empty_is_refused(part):
    with pytest.raises(ConfigError, match=r"leaves -?\d+ time steps to train and -?\d+"):
        tail_start(part, FIRST, FIRST + pd.Timedelta(hours=99), FrameConfig())
