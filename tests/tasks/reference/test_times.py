"""The times of a person's own file: which column, which clock, over daylight saving."""

from __future__ import annotations

import pandas as pd
import pytest

from informer.errors import ConfigError, FrameError
from tasks.reference.times import find_time_column, read_clock

BERLIN = "Europe/Berlin"
SPRING = pd.date_range("2024-03-31", periods=6, freq="h", tz=BERLIN)  # 02:00 is left out
AUTUMN = pd.date_range("2024-10-27", periods=6, freq="h", tz=BERLIN)  # 02:00 comes twice


def text(times: pd.DatetimeIndex, form: str = "%Y-%m-%dT%H:%M:%S%z") -> pd.Series:
    return pd.Series(times.strftime(form))


def kept(column: pd.Series, zone: str | None = None) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(read_clock(column, "date", zone).read(column, "date"))


def utc(times: pd.DatetimeIndex) -> list[pd.Timestamp]:
    return list(times.tz_convert("UTC").tz_localize(None))


def test_the_column_named_date_is_taken_whatever_else_reads_as_times():
    frame = pd.DataFrame({"made": ["2024-01-01"], "date": ["2024-01-02"], "y": [1.0]})
    assert find_time_column(frame) == "date"


def test_else_the_only_column_that_reads_as_times():
    frame = pd.DataFrame({"y": [2024.0], "when": ["2024-01-01 06:00"], "site": ["north"]})
    assert find_time_column(frame) == "when"


@pytest.mark.parametrize(
    ("columns", "named"),
    [({"y": [1.0]}, "none of"), ({"a": ["2024-01-01"], "b": ["2024-01-01"]}, "'a', 'b' of")],
)
def test_no_single_column_of_times_is_named(columns, named):
    with pytest.raises(FrameError, match=named):
        find_time_column(pd.DataFrame(columns))


def test_times_without_a_zone_stay_as_they_are():
    column = pd.Series(["2024-01-01 06:00:00", "2024-01-01 07:00:00"])
    clock = read_clock(column, "date", None)
    assert clock.zone is None
    assert list(kept(column)) == list(pd.to_datetime(column))
    assert list(clock.show(pd.to_datetime(column))) == list(pd.to_datetime(column))


@pytest.mark.parametrize("times", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S"])
def test_a_named_zone_is_right_over_daylight_saving(times, form):
    column = text(times, form)
    assert list(kept(column, BERLIN)) == utc(times)
    clock = read_clock(column, "date", BERLIN)
    assert list(clock.show(pd.Series(utc(times)))) == list(times)


def test_one_offset_is_the_clock_that_forecasts_are_shown_on():
    column = text(SPRING[:2])
    clock = read_clock(column, "date", None)
    assert clock.zone == "+01:00"
    assert list(clock.show(pd.Series(utc(SPRING[:2])))) == list(SPRING[:2])


def test_several_offsets_without_a_name_are_shown_in_utc():
    column = text(SPRING)
    clock = read_clock(column, "date", None)
    assert (clock.zone, clock.is_mixed) == ("UTC", True)
    assert list(kept(column)) == utc(SPRING)


@pytest.mark.parametrize("zone", [None, BERLIN])
def test_whole_days_have_no_zone_also_where_the_clock_was_put_forward(zone):
    days = pd.date_range("2024-03-29", periods=5, freq="D", tz=BERLIN)
    assert read_clock(text(days), "date", zone).zone is None
    assert list(kept(text(days), zone)) == list(days.tz_localize(None))


def test_a_year_behind_a_dash_is_no_offset():
    column = pd.Series(["30-12-2024", "31-12-2024"])
    assert list(kept(column)) == [pd.Timestamp("2024-12-30"), pd.Timestamp("2024-12-31")]


def test_a_time_that_the_zone_never_shows_is_named():
    column = pd.Series(["2024-03-31 01:00", "2024-03-31 02:00"])
    with pytest.raises(
        FrameError,
        match=r"the clock of Europe/Berlin never shows \(1\), the first 2024-03-31 02:00",
    ):
        kept(column, BERLIN)


def test_an_unknown_zone_is_refused():
    with pytest.raises(ConfigError, match="'Europe/Atlantis', which is not a time zone"):
        kept(pd.Series(["2024-01-01 06:00"]), "Europe/Atlantis")
