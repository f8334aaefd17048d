"""The structural gate: what is refused, how gaps are filled, how rows are ordered."""

from __future__ import annotations

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
        (lambda f: f.assign(x=np.inf), "'x' holds infinite values"),
        (
            lambda f: pd.concat([f, f.iloc[[3]]]),
            "the time of an earlier row, the first at 2024-01-01 03",
        ),
        (lambda f: f.assign(ds="soon"), "'ds' must hold times, but 'soon' is not a time"),
        (lambda f: f.assign(y=np.nan), "'y' of series 'a' has no values"),
        (lambda f: f.assign(unique_id=None), "has no series name in row 0"),
        (
            lambda f: f.assign(ds=f["ds"].where(f.index != 1, f["ds"] + pd.Timedelta("7min"))),
            "2024-01-01 01:07:00 is not on the 'h' grid",
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


def test_the_last_rows_of_each_series_are_a_panel_of_their_own():
    frame = hourly(4).drop(index=[7])  # b ends an hour before a
    panel = regular_panel(frame, CONFIG)
    short = panel.last(2)
    assert short.bounds.tolist() == [0, 2, 4]
    assert short.values[:, 0].tolist() == [2, 3, 101, 102]
    expected = ["2024-01-01 02:00", "2024-01-01 03:00", "2024-01-01 01:00", "2024-01-01 02:00"]
    assert short.times.tolist() == [pd.Timestamp(time) for time in expected]


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
