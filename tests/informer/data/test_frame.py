"""The structural gate: what is refused, how gaps are filled, how rows are ordered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from informer.config import FrameConfig
from informer.data.frame import long_targets, regular_frame, regular_panel
from informer.data.written import parse_times
from informer.errors import FrameError

CONFIG = FrameConfig(columns=("y", "x"), target="y", features="M", max_gap=2)


def hourly(n_rows: int = 6, series: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2024-01-01", periods=n_rows, freq="h"),
                "y": np.arange(n_rows, dtype=float) + 100 * i,
                "x": np.arange(n_rows, dtype=float) * -1,
            }
        )
        for i, name in enumerate(series)
    ]
    return pd.concat(parts, ignore_index=True)


def test_shuffled_rows_give_the_panel_of_sorted_ones():
    frame = hourly()
    shuffled = regular_panel(frame.sample(frac=1, random_state=1), CONFIG)
    ordered = regular_panel(frame, CONFIG)
    assert shuffled.ids == ("a", "b")
    np.testing.assert_array_equal(shuffled.values, ordered.values)
    np.testing.assert_array_equal(shuffled.times, ordered.times)


def test_missing_values_and_missing_rows_take_the_last_value_before_and_are_marked():
    frame = hourly(6, ("a",)).drop(index=[2])
    frame.loc[3, "y"] = np.nan
    panel = regular_panel(frame, CONFIG)
    assert panel.values[:, 0].tolist() == [0, 1, 1, 1, 4, 5]
    assert panel.observed[:, 0].tolist() == [True, True, False, False, True, True]
    assert panel.observed[:, 1].tolist() == [True, True, False, True, True, True]


def test_a_fill_never_crosses_from_one_series_into_the_next():
    frame = hourly(4)
    frame.loc[4, "y"] = np.nan  # the first row of series b
    panel = regular_panel(frame, CONFIG)
    assert panel.bounds.tolist() == [0, 4, 7]
    assert panel.values[4:, 0].tolist() == [101, 102, 103]


def test_a_gap_longer_than_allowed_names_series_column_time_and_mend():
    frame = hourly(8, ("a",)).drop(index=[3, 4, 5])
    with pytest.raises(FrameError, match=r"'y' of series 'a' is missing for 3 steps .*max_gap=2"):
        regular_panel(frame, CONFIG)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="x"), r"lacks the columns \['x'\]"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f.assign(y="much"), r"'y' must hold numbers.*'much' in row 0"),
        (lambda f: f.assign(x=np.inf), "'x' of series 'a' holds infinite values"),
        (
            lambda f: pd.concat([f, f]),
            "the time of an earlier row, the first at 2024-01-01 00.* of series 'a'",
        ),
        (lambda f: f.assign(ds="soon"), "'ds' must hold times, but 'soon' is not a time"),
        (lambda f: f.assign(y=np.nan), "'y' of series 'a' has no values"),
        (lambda f: f.assign(unique_id=None), "has no series name in row 0"),
        (
            lambda f: f.assign(
                ds=f["ds"] + pd.Timedelta("7min") * (f["ds"].dt.hour == 1).astype(int)
            ),
            "2024-01-01 01:07:00 of series 'a' is not on the 'h' grid",
        ),
    ],
)
def test_a_broken_frame_is_refused_with_what_came(change, message):
    with pytest.raises(FrameError, match=message):
        regular_panel(change(hourly()), CONFIG)


def test_zoned_times_become_naive_utc():
    column = pd.Series(["2024-01-01T01:00:00+01:00", "2024-01-01T02:00:00+01:00"])
    assert parse_times(column, "ds").tolist() == [
        pd.Timestamp("2024-01-01 00:00"),
        pd.Timestamp("2024-01-01 01:00"),
    ]


def test_calendar_features_read_the_clock_of_the_time_zone():
    frame = hourly(3, ("a",))
    utc = regular_panel(frame, CONFIG).marks(CONFIG, "fixed")
    config = FrameConfig(columns=("y", "x"), target="y", features="M", time_zone="America/New_York")
    local = regular_panel(frame, config).marks(config, "fixed")
    assert utc[:, 3].tolist() == [0, 1, 2]
    assert local[:, 3].tolist() == [19, 20, 21]


def test_the_regular_frame_holds_every_step_once_and_keeps_gaps_empty():
    frame = regular_frame(hourly(5).drop(index=[2]), CONFIG)
    assert frame.groupby("unique_id").size().tolist() == [5, 5]
    assert frame["y"].isna().sum() == 1
    assert frame.columns.tolist() == ["unique_id", "ds", "y", "x"]


def test_with_features_ms_the_target_is_the_last_channel():
    config = FrameConfig(columns=("y", "x"), target="y", features="MS")
    panel = regular_panel(hourly(3, ("a",)), config)
    assert config.channels == ("x", "y")
    assert panel.values[:, 1].tolist() == [0, 1, 2]


def test_rows_between_bounds_each_series_by_time():
    panel = regular_panel(hourly(6), CONFIG)
    start, stop = pd.Timestamp("2024-01-01 02:00"), pd.Timestamp("2024-01-01 04:00")
    assert panel.rows_between(start, stop) == [slice(2, 4), slice(8, 10)]
    assert panel.rows_between(None, None) == [slice(0, 6), slice(6, 12)]


def test_long_targets_are_named_as_forecasts_are():
    frame = hourly(2)
    assert set(long_targets(frame, CONFIG)["unique_id"]) == {"a/y", "a/x", "b/y", "b/x"}
    single = FrameConfig(columns=("y",), target="y")
    assert set(long_targets(frame, single)["unique_id"]) == {"a", "b"}
    alone = FrameConfig(columns=("y", "x"), target="y", features="M", id_column=None)
    assert set(long_targets(hourly(2, ("a",)), alone)["unique_id"]) == {"y", "x"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: b.assign(x=np.inf), "has infinite values in column 'x'"),
        (lambda b: pd.concat([b, b.iloc[[3]]]), "has several rows for one time"),
        (lambda b: b.assign(y=np.nan), "has no values in column 'y'"),
        (
            lambda b: b.assign(
                ds=b["ds"] + pd.Timedelta("7min") * (b.index == b.index[2]).astype(int)
            ),
            "has times that are not on the 'h' grid of the others, such as 2024-01-01 02:07:00",
        ),
        (lambda b: b.drop(index=b.index[5:15]), "has a gap: 'y' is missing for 10 steps up to"),
    ],
)
def test_a_series_that_cannot_be_used_leaves_the_others_as_they_are(change, reason):
    frame = hourly(20)
    a, b = (frame[frame["unique_id"] == name] for name in ("a", "b"))
    panel = regular_panel(pd.concat([a, change(b)]), CONFIG)
    assert panel.ids == ("a",)
    assert panel.left_out["b"].startswith(reason)
    np.testing.assert_array_equal(panel.values, regular_panel(a, CONFIG).values)


def test_a_long_gap_ends_a_run_and_the_next_one_begins_after_it():
    frame = hourly(30, ("a",)).drop(index=range(10, 20))
    frame.loc[[4, 25], "y"] = np.nan
    split = replace(CONFIG, on_gap="split")
    panel = regular_panel(frame, split)
    assert panel.bounds.tolist() == [0, 10, 20]
    assert panel.owner.tolist() == [0, 0]
    assert panel.times.tolist() == frame["ds"].tolist()
    assert panel.values[4, 0] == panel.values[3, 0]
    assert not panel.observed[[4, 15], 0].any()
    origins = panel.origins((None, None), 4, 3).tolist()
    assert origins == [4, 5, 6, 7, 14, 15, 16, 17]
    assert panel.rows_at(np.array([0, 0, 0]), np.array([9, 15, 20])).tolist() == [9, -1, 10]


def test_rows_after_the_last_target_are_left_out_and_a_late_target_is_not_filled():
    frame = hourly(20, ("a",))
    frame.loc[frame.index >= 15, ["y", "x"]] = np.nan
    frame.loc[12:, "x"] = np.nan
    panel = regular_panel(frame, CONFIG)
    assert panel.times[-1] == pd.Timestamp("2024-01-01 13:00")  # x is late by more than max_gap
    assert panel.ends.tolist() == [[14, 11]]
    one = FrameConfig(columns=("x", "y"), target="y", features="MS", max_gap=2)
    frame.loc[12:, "x"] = 1.0  # known for times to come, which the target is not
    assert len(regular_panel(frame, one).values) == 15


def test_series_of_one_step_may_begin_at_other_times():
    frame = hourly(10)
    frame["ds"] += pd.Timedelta("30min") * (frame["unique_id"] == "b").astype(int)
    panel = regular_panel(frame, CONFIG)
    assert panel.ids == ("a", "b")
    assert panel.times.tolist() == frame["ds"].tolist()
    alone = regular_panel(frame[frame["unique_id"] == "b"], CONFIG)
    marks, own = panel.marks(CONFIG, "fixed"), alone.marks(CONFIG, "fixed")
    np.testing.assert_array_equal(marks[len(panel.grid) :], own)


def test_a_panel_goes_on_with_rows_that_were_not_observed_series_by_series():
    frame = hourly(4).drop(index=[7])  # b ends an hour before a
    panel = regular_panel(frame, CONFIG)
    longer = panel.extended(2, "h")
    assert longer.bounds.tolist() == [0, 6, 11]
    assert longer.values[:, 0].tolist() == [0, 1, 2, 3, 3, 3, 100, 101, 102, 102, 102]
    assert longer.observed[:, 0].tolist() == [True] * 4 + [False] * 2 + [True] * 3 + [False] * 2
    assert longer.times[4:6].tolist() == list(
        pd.date_range("2024-01-01 04:00", periods=2, freq="h")
    )
    assert longer.times[9:].tolist() == list(pd.date_range("2024-01-01 03:00", periods=2, freq="h"))
    assert longer.series_of(np.array([0, 5, 6, 10])).tolist() == [0, 0, 1, 1]
