"""Columns as people write them: each is read rightly or refused in one line whose mend works."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest

from informer.data.written import parse_times, read_column
from informer.errors import FrameError, TimesError

DAYS = pd.date_range("2024-02-27", periods=4)  # over a leap day
HOURS = pd.date_range("1969-12-31 22:00", periods=4, freq="h")
BERLIN = "Europe/Berlin"


def read(values, time_format=None) -> list[pd.Timestamp]:
    return list(parse_times(pd.Series(values), "ds", time_format))


def numbers(times, written: str, kind=int) -> list:
    return [kind(time.strftime(written)) for time in times]


@pytest.mark.parametrize("kind", [int, float, str, np.int32, lambda text: f"{text}.0"])
def test_eight_digits_are_dates_whatever_type_they_have(kind):
    assert read(numbers(DAYS, "%Y%m%d", kind)) == list(DAYS)


@pytest.mark.parametrize("dtype", ["Int64", "uint32", "float64", object])
def test_eight_digits_are_dates_in_every_column_type(dtype):
    assert read(pd.Series(numbers(DAYS, "%Y%m%d"), dtype=dtype)) == list(DAYS)


@pytest.mark.parametrize("kind", [int, str])
def test_four_digits_are_years_and_six_are_months(kind):
    years = pd.date_range("1780-01-01", periods=240, freq="YS")
    months = pd.date_range("1999-11-01", periods=5, freq="MS")
    assert read(numbers(years, "%Y", kind)) == list(years)
    assert read(numbers(months, "%Y%m", kind)) == list(months)
    assert read_column(pd.Series(numbers(years, "%Y", kind)), "ds").is_label


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
@pytest.mark.parametrize(
    "start", ["1999-05-05", "2001-09-09 01:46", "2024-03-01", "2038-01-19 03:00"]
)
def test_counts_since_1970_are_in_utc_by_their_digits(unit, factor, start):
    times = pd.date_range(start, periods=4, freq="15min")
    counted = [int(time.timestamp()) * factor for time in times]
    column = read_column(pd.Series(counted), "ds")
    assert column.instants is not None
    assert list(column.instants) == list(times)


def test_fourteen_digits_are_a_date_with_its_time_of_day():
    assert read(numbers(DAYS, "%Y%m%d%H%M%S")) == list(DAYS)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0, 1, 2], "row numbers such as 0"),
        (np.arange(100, 5000), "row numbers such as 100"),
        (["7", "8", "9"], "row numbers such as 7"),
        ([45292, 45293, 45294], "day numbers of a spreadsheet"),
        ([45292.25, 45292.5], "day numbers of a spreadsheet"),
        ([20240101, 2024], "that are no times"),
        ([1704067200.5, 1704067201.5], "that are no times"),
        ([20240228, 20240230], "20240230 is not a date as 20240228 is"),
        ([True, False], "is not a time"),
        (["2024-01-01T00:00Z", "2024-01-01T01:00"], "mixes times with an offset"),
        ([dt.date(2024, 1, 1), "2024-01-02"], r"mixes kinds of values \(date, str\)"),
        ([20240101, "2024-01-02"], r"mixes kinds of values \(int, str\)"),
        (["2024-01-01", "soon"], "'soon' is not a time"),
        (["2024-01-01", ""], "no time in row 1"),
        (["13.01.2024", "01.13.2024"], "is not a time"),
        ([2024, 2025, 20260], "that are no times"),
    ],
)
def test_what_is_no_time_is_refused_in_one_line_and_never_nanoseconds_of_1970(values, said):
    with pytest.raises(FrameError, match=said) as told:
        read(pd.Series(values, dtype=object) if len({type(v) for v in values}) > 1 else values)
    assert "\n" not in str(told.value)


def test_the_mends_of_row_numbers_and_day_numbers_work():
    rows, days = pd.Series(range(5)), pd.Series([45292, 45293])
    assert read(pd.Timestamp("2000-01-01") + pd.to_timedelta(rows, unit="D"))[4] == pd.Timestamp(
        "2000-01-05"
    )
    mended = pd.Timestamp("1899-12-30") + pd.to_timedelta(days, unit="D")
    assert read(mended) == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02")]


@pytest.mark.parametrize("written", ["%d.%m.%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%d-%m-%Y"])
def test_the_order_of_day_and_month_is_found_where_one_value_says_it(written):
    times = pd.date_range("2024-02-10", periods=5)  # the first ones alone could be either
    assert read(numbers(times, written, str)) == list(times)


@pytest.mark.parametrize(
    "written", ["%d.%m.%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%m/%d/%y %H:%M", "%y-%m-%d"]
)
def test_times_that_can_be_read_in_two_ways_are_refused_with_a_format_that_works(written):
    times = pd.date_range("2024-02-01", periods=5)
    text = numbers(times, written, str)
    with pytest.raises(TimesError, match=r"Set frame\.time_format to") as told:
        read(text)
    offered = re.findall(r'"([^"]+)"', str(told.value))
    assert written in offered
    assert read(text, written) == list(times)


@pytest.mark.parametrize(("written", "width"), [("%Y%m%d%H", 10), ("%Y%m%d%H%M", 12)])
def test_digits_that_may_be_a_count_since_1970_are_refused_with_their_format(written, width):
    times = pd.date_range("2024-02-01", periods=5, freq="h")
    values = numbers(times, written)
    assert len(str(values[0])) == width
    with pytest.raises(TimesError, match=written):
        read(values)
    assert read(values, written) == list(times)


def test_a_format_gives_numbers_back_the_zeros_that_they_lost():
    assert read([1022024, 11022024], "%d%m%Y") == [
        pd.Timestamp("2024-02-01"), pd.Timestamp("2024-02-11"),
    ]  # fmt: skip


@pytest.mark.parametrize("written", ["%d.%m.%Y %H:%M%z", "%d.%m.%Y %H:%M %z", "%z %d.%m.%Y %H:%M"])
def test_a_format_may_hold_the_offset(written):
    times = pd.date_range("2024-10-26 23:00", periods=5, freq="h", tz=BERLIN)
    column = read_column(pd.Series(numbers(times, written, str)), "ds", written)
    assert list(column.instants) == list(times.tz_convert("UTC").tz_localize(None))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetimes_of_any_unit_are_themselves(unit):
    assert read(DAYS.as_unit(unit)) == list(DAYS)


def test_objects_of_every_kind_of_time_are_read():
    assert read(pd.Series(list(DAYS.date), dtype=object)) == list(DAYS)
    assert read(pd.Series(list(HOURS.to_pydatetime()), dtype=object)) == list(HOURS)
    days = pd.Series([np.datetime64(d, "D") for d in DAYS], dtype=object)
    assert read(days) == list(DAYS)
    assert read(pd.Categorical(numbers(DAYS, "%Y-%m-%d", str))) == list(DAYS)
    assert read(pd.Series(list(pd.period_range("2024-01", periods=2, freq="M")), dtype=object)) == [
        pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01"),
    ]  # fmt: skip


def test_offsets_in_text_and_in_objects_keep_the_wall_and_the_instant():
    times = pd.date_range("2024-10-25", periods=4, tz=BERLIN)  # +02:00, then +01:00
    text = [time.isoformat() for time in times]
    plain = [time.strftime("%Y-%m-%d %H:%M:%S%z") for time in times]
    objects = pd.Series([pd.Timestamp(t) for t in text], dtype=object)
    for column in (pd.Series(text), pd.Series(plain), objects, pd.Series(times)):
        found = read_column(column, "ds")
        assert list(found.walls) == list(times.tz_localize(None))
        assert list(found.instants) == list(times.tz_convert("UTC").tz_localize(None))


@pytest.mark.parametrize(
    "text", ["2024-01-01T00:00Z", "2024-01-01 00:00:00 UTC", "2024-01-01 00:00:00+00"]
)
def test_every_spelling_of_utc_is_known(text):
    assert list(read_column(pd.Series([text]), "ds").instants) == [pd.Timestamp("2024-01-01")]
