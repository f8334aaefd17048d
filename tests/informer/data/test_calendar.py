"""Calendar features equal the reference's; frequencies and future times are those of the data."""

import numpy as np
import pandas as pd
import pytest

from informer.data.calendar import calendar_features, future_times
from informer.errors import ConfigError
from informer.frequency import n_calendar_features, pandas_offset


@pytest.fixture(scope="module")
def golden(golden_dir):
    return np.load(golden_dir / "time_features.npz")


@pytest.mark.parametrize("freq", ["s", "t", "h", "d", "b", "m"])
def test_continuous_features_equal_the_reference(golden, freq):
    times = pd.to_datetime(golden[f"time/{freq}"], unit="s")
    features = calendar_features(times, freq, "timeF")
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, golden[f"timeF/{freq}"], atol=1e-6)


@pytest.mark.parametrize("freq", ["t", "h", "d", "b", "m"])
@pytest.mark.parametrize("embed", ["fixed", "learned"])
def test_index_features_equal_the_reference(golden, freq, embed):
    times = pd.to_datetime(golden[f"time/{freq}"], unit="s")
    np.testing.assert_array_equal(
        calendar_features(times, freq, embed), golden[f"fixed/{freq}"].astype(np.float32)
    )


@pytest.mark.parametrize("embed", ["timeF", "fixed"])
@pytest.mark.parametrize("freq", ["s", "t", "h", "d", "b", "w", "m", "15min", "3h", "QE", "YE"])
def test_the_count_of_features_is_the_width_of_the_features(freq, embed):
    times = future_times(pd.Timestamp("2024-02-28"), freq, 5)
    assert calendar_features(times, freq, embed).shape == (5, n_calendar_features(freq, embed))


def test_counts_of_continuous_features_are_the_reference_s():
    counts = {freq: n_calendar_features(freq, "timeF") for freq in "sthdbwm"}
    assert counts == {"s": 6, "t": 5, "h": 4, "d": 3, "b": 3, "w": 2, "m": 1}


def test_weeks_are_those_of_the_iso_calendar():
    times = pd.DatetimeIndex(["2020-12-28", "2021-01-04"])  # weeks 53 and 1
    week = calendar_features(times, "w", "timeF")[:, 1]
    np.testing.assert_allclose(week, [0.5, -0.5], atol=1e-6)


def test_continuous_features_stay_within_half_of_zero_through_a_leap_year():
    times = pd.date_range("2020-01-01", "2021-01-01", freq="h", inclusive="left")
    features = calendar_features(times, "h", "timeF")
    assert np.abs(features).max() == 0.5
    assert len(np.unique(features[:, 3])) == 366


def test_a_time_with_a_zone_is_described_by_the_clock_of_that_zone():
    utc = pd.DatetimeIndex(["2024-07-01 10:00"], tz="UTC")
    hour = calendar_features(utc.tz_convert("Europe/Berlin"), "h", "fixed")[0, 3]
    assert hour == 12


@pytest.mark.parametrize(
    ("freq", "base"),
    [("15min", "t"), ("15t", "t"), ("3h", "h"), ("2D", "d"), ("W-MON", "w"), ("MS", "m")],
)
def test_a_multiple_or_an_anchored_step_has_the_features_of_its_base(freq, base):
    times = pd.date_range("2024-05-06 07:30", periods=3, freq="37h")
    np.testing.assert_array_equal(
        calendar_features(times, freq, "timeF"), calendar_features(times, base, "timeF")
    )


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("s", pd.offsets.Second(1)),
        ("T", pd.offsets.Minute(1)),
        ("15t", pd.offsets.Minute(15)),
        ("15min", pd.offsets.Minute(15)),
        ("H", pd.offsets.Hour(1)),
        ("3h", pd.offsets.Hour(3)),
        ("d", pd.offsets.Day(1)),
        ("b", pd.offsets.BusinessDay(1)),
        ("m", pd.offsets.MonthEnd(1)),
        ("W-MON", pd.offsets.Week(weekday=0)),
        ("QE", pd.offsets.QuarterEnd(startingMonth=12)),
    ],
)
def test_letters_multiples_and_pandas_offsets_are_all_understood(freq, expected):
    assert pandas_offset(freq) == expected


@pytest.mark.parametrize("freq", ["", "fortnight", "h3", "M-32", None])
def test_an_unknown_frequency_is_refused_with_what_is_accepted(freq):
    with pytest.raises(ConfigError, match=r"is not a time step; use one of the letters s, t, h"):
        pandas_offset(freq)


@pytest.mark.parametrize("freq", ["0h", "-1h"])
def test_a_frequency_that_stands_still_or_goes_back_is_refused(freq):
    with pytest.raises(ConfigError, match="is not a step forward"):
        pandas_offset(freq)


def test_an_offset_without_calendar_features_is_refused():
    with pytest.raises(ConfigError, match="no calendar features are known"):
        n_calendar_features("CBMS", "timeF")


@pytest.mark.parametrize(
    ("last", "freq", "expected"),
    [
        ("2024-01-31", "m", ["2024-02-29", "2024-03-31"]),
        ("2024-01-15", "m", ["2024-01-31", "2024-02-29"]),
        ("2023-12-01", "MS", ["2024-01-01", "2024-02-01"]),
        ("2024-02-28", "d", ["2024-02-29", "2024-03-01"]),
        ("2024-03-01", "b", ["2024-03-04", "2024-03-05"]),
        ("2024-03-05", "w", ["2024-03-12", "2024-03-19"]),
        ("2024-03-05 23:00", "h", ["2024-03-06 00:00", "2024-03-06 01:00"]),
    ],
)
def test_future_times_follow_the_last_on_the_grid(last, freq, expected):
    times = future_times(pd.Timestamp(last), freq, 2)
    assert list(times) == [pd.Timestamp(time) for time in expected]


def test_no_future_times_are_an_empty_index():
    assert len(future_times(pd.Timestamp("2024-01-01"), "h", 0)) == 0
