"""Which cutoffs are due, and which rows were known at each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from informer import FrameConfig
from tasks.forecasts.cutoffs import check_age, current_series, known_rows, missed_cutoffs
from tasks.settings import ForecastConfig, SourceError

FRAME = FrameConfig(columns=("y",), freq="h", max_gap=3)
NEWEST = pd.Timestamp("2024-01-05 23:00")
LATER = pd.Timestamp("2024-02-01")


def hours(first: str, n: int) -> pd.DatetimeIndex:
    return pd.date_range(first, periods=n, freq="h")


def series(name: str, n: int, first: str = "2024-01-01") -> pd.DataFrame:
    y = np.sin(np.arange(n) / 4.0)
    return pd.DataFrame({"unique_id": name, "ds": hours(first, n), "y": y})


def missed(times, stored, config, asked_for=()) -> list[pd.Timestamp]:
    """With the cutoffs that a schedule has forecast, and those that `--as-of` has."""
    last = max((cutoff for cutoff in stored if cutoff < times[-1]), default=None)
    return missed_cutoffs(times, last, {*stored, *asked_for}, config)


def test_missed_cutoffs_count_from_the_last_scheduled_one():
    times = hours("2024-01-01", 24 * 5)
    day = ForecastConfig(every="1d")
    stored = [pd.Timestamp("2024-01-01 06:00"), pd.Timestamp("2024-01-02 06:00")]
    due = [pd.Timestamp(f"2024-01-0{day} 06:00") for day in (3, 4, 5)]
    assert missed(times, stored, day) == due
    assert missed(times, [], day) == []
    assert missed(times, stored, ForecastConfig()) == []
    assert missed(times, stored, ForecastConfig(every="1d", catch_up=2)) == due[1:]
    assert missed(times, stored, ForecastConfig(every="1d", catch_up=0)) == []
    beyond = [*stored, pd.Timestamp("2024-02-01")]  # of data that went further
    assert missed(times, beyond, day) == due


def test_what_was_asked_for_in_between_hides_no_missed_cutoff_and_moves_no_schedule():
    times, day = hours("2024-01-01", 24 * 6), ForecastConfig(every="1d")
    stored = [pd.Timestamp("2024-01-01 06:00")]
    due = [pd.Timestamp(f"2024-01-0{day} 06:00") for day in (2, 3, 4, 5, 6)]
    for odd in ("2023-12-31", "2024-01-01 09:00", "2024-01-03 17:00", "2024-01-06 22:00"):
        assert missed(times, stored, day, [pd.Timestamp(odd)]) == due
    assert missed(times, stored, day, [due[1]]) == [due[0], *due[2:]]  # that one is there
    assert missed(times, stored, ForecastConfig(every="1d", catch_up=2), [due[3]]) == [
        due[2], due[4]
    ]  # fmt: skip
    assert missed(times, [], day, [due[0]]) == []  # no schedule has begun


def test_a_cutoff_is_the_last_row_known_by_then_and_none_comes_twice():
    times = hours("2024-01-01", 12).union(hours("2024-01-03 12:00", 24))
    stored = [pd.Timestamp("2024-01-01 05:00")]
    found = missed(times, stored, ForecastConfig(every="12h"))
    assert found == [
        pd.Timestamp(t) for t in ("2024-01-01 11:00", "2024-01-03 17:00", "2024-01-04 05:00")
    ]
    odd = missed(hours("2024-01-01", 4), [times[0]], ForecastConfig(every="90min"))
    assert odd == [times[1]]  # 01:30 knows the row of 01:00; 03:00 is the last cutoff itself


def test_rows_that_only_later_ones_made_were_not_known():
    rows = pd.concat([series("a", 10), series("b", 10)], ignore_index=True)
    rows.loc[rows["unique_id"].eq("b") & rows["ds"].between(rows["ds"][4], rows["ds"][6]), "y"] = (
        np.nan
    )
    known = known_rows(rows, FRAME, rows["ds"][5])
    assert known.groupby("unique_id")["ds"].max().tolist() == [rows["ds"][5], rows["ds"][3]]
    later = known_rows(rows, FRAME, rows["ds"][7])
    assert later.groupby("unique_id").size().tolist() == [8, 8]  # a gap inside stays
    assert known.index.tolist() == list(range(len(known)))
    alone = known_rows(series("a", 10)[["ds", "y"]], FrameConfig(id_column=None))
    assert len(alone) == 10
    with pytest.raises(SourceError, match="there are no rows up to 2023"):
        known_rows(rows, FRAME, pd.Timestamp("2023-01-01"))


def test_rows_are_stale_only_beyond_the_age_allowed():
    last = pd.Timestamp("2024-01-01")
    limit = ForecastConfig(max_age="36h")
    check_age(last, last + pd.Timedelta("36h"), limit, "rows.csv")
    check_age(last, last + pd.Timedelta("900D"), ForecastConfig(), "rows.csv")
    with pytest.raises(SourceError, match=r"last row of rows\.csv is from 2024-01-01 .* 1 days 13"):
        check_age(last, last + pd.Timedelta("37h"), limit, "rows.csv")


def test_series_that_ended_are_left_out_with_the_reason(forecaster):
    config = ForecastConfig()
    rows = pd.concat(
        [
            series("current", 120),
            series("ended", 114),  # six steps before: the horizon has just passed
            series("late", 115),
            series("young", 23, "2024-01-05 01:00"),
        ],
        ignore_index=True,
    )
    kept, left_out = current_series(rows, forecaster, config, NEWEST)
    assert set(kept["unique_id"]) == {"current", "late", "young"}
    assert left_out == {"ended": "ended at 2024-01-05 17:00:00"}
    made = forecaster.predict(kept)
    assert made.attrs["left_out"] == {"young": "has 23 rows, a forecast reads 24"}
    assert set(made.loc[made["fallback"] != "", "unique_id"]) == {"young"}
    kept, left_out = current_series(rows, forecaster, ForecastConfig(max_age="4h"), NEWEST)
    assert set(kept["unique_id"]) == {"current", "young"}


def test_a_chunk_may_hold_no_series_that_can_be_forecast(forecaster):
    _kept, left_out = current_series(series("old", 120), forecaster, ForecastConfig(), LATER)
    assert left_out == {"old": "ended at 2024-01-05 23:00:00"}  # newer rows are in other chunks
