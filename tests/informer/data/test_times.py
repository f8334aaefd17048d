"""The times of a frame on the clock of a zone, as dates, and back as they came."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from informer.config import ForecasterConfig, FrameConfig, InformerConfig
from informer.data import (
    as_written,
    border_time,
    for_regular,
    frame_times,
    infer_freq,
    map_panel,
    mend_of_freq,
    regular_frame,
    regular_panel,
)
from informer.data.split import SplitConfig
from informer.errors import ConfigError, FrameError, TimesError
from informer.forecaster import Forecaster

BERLIN = "Europe/Berlin"
CHANGES = [
    (BERLIN, "2024-10-26 18:00", "h"),
    (BERLIN, "2024-03-30 18:00", "h"),
    (BERLIN, "2024-10-26 18:00", "15min"),
    (BERLIN, "2024-03-30 18:00", "15min"),
    ("America/New_York", "2024-11-02 18:00", "h"),
    ("Australia/Sydney", "2024-04-06 06:00", "h"),
    ("Australia/Sydney", "2024-10-05 06:00", "30min"),
    ("Australia/Lord_Howe", "2024-04-06 06:00", "30min"),
    ("Australia/Lord_Howe", "2024-10-05 06:00", "15min"),
    ("Asia/Kolkata", "2024-10-26 18:00", "h"),
    ("+02:00", "2024-10-26 18:00", "h"),
    ("America/Sao_Paulo", "2018-02-17 12:00", "h"),
]


def local(zone: str, freq: str = "h", **more) -> FrameConfig:
    return FrameConfig(id_column=None, freq=freq, time_zone=zone, naive="local", **more)


def walls(zone: str, start: str, freq: str, n: int = 80) -> tuple[pd.DatetimeIndex, pd.DataFrame]:
    """Times in UTC, naive, and a frame of what a clock in `zone` shows then."""
    utc = pd.date_range(start, periods=n, freq=freq)
    shown = utc.tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return utc, pd.DataFrame({"ds": shown, "y": np.arange(float(n))})


@pytest.mark.parametrize(("zone", "start", "freq"), CHANGES)
@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_local_times_are_told_apart_over_every_change_in_any_zone(zone, start, freq, order):
    utc, frame = walls(zone, start, freq)
    frame = frame[::order]
    assert sorted(frame_times(frame, local(zone, freq))) == list(utc)
    panel = regular_panel(frame, local(zone, freq))
    assert list(panel.grid) == list(utc)
    assert panel.observed.all()
    assert list(panel.values[:, 0]) == list(np.arange(80.0))


@pytest.mark.parametrize("first", range(0, 13))
@pytest.mark.parametrize("freq", ["h", "15min"])
def test_a_series_may_begin_or_end_anywhere_in_the_hour_that_comes_twice(first, freq):
    utc, frame = walls(BERLIN, "2024-10-26 23:00", freq, 24)
    for own, times in ((frame[first:], utc[first:]), (frame[:first], utc[:first])):
        if len(own) and not (freq == "h" and len(own) == 1):
            assert list(frame_times(own, local(BERLIN, freq))) == list(times)


def test_series_with_different_first_rows_are_told_apart_each_by_itself():
    utc, frame = walls(BERLIN, "2024-10-26 18:00", "h", 40)
    parts = [frame[k:].assign(unique_id=name) for name, k in (("a", 0), ("b", 7), ("c", 3))]
    config = replace(local(BERLIN), id_column="unique_id")
    stacked = pd.concat([parts[1], parts[0], parts[2][::-1]])
    assert list(frame_times(stacked, config)) == [*utc[7:], *utc, *utc[3:][::-1]]
    mixed = pd.concat(parts).sort_values(["ds", "unique_id"], kind="stable")
    assert set(zip(mixed["y"], frame_times(mixed, config), strict=True)) == set(
        zip(range(40), utc, strict=True)
    )


def test_a_row_missing_in_the_hour_that_comes_twice_does_not_shift_the_others():
    utc, frame = walls(BERLIN, "2024-10-26 18:00", "15min", 60)
    for gone in range(20, 40):
        kept = frame.drop(index=gone)
        assert list(frame_times(kept, local(BERLIN, "15min"))) == list(utc.delete(gone)), gone


def test_a_time_that_the_clock_never_shows_is_named_with_a_mend_that_works():
    frame = pd.DataFrame({"ds": pd.date_range("2024-03-31", periods=6, freq="h"), "y": 1.0})
    with pytest.raises(TimesError, match=r"first 2024-03-31 02:00:00.*frame\.naive to utc"):
        frame_times(frame, local(BERLIN))
    assert len(frame_times(frame, replace(local(BERLIN), naive="utc"))) == 6


def test_rows_in_no_order_are_refused_where_only_the_order_tells():
    _, frame = walls(BERLIN, "2024-10-26 18:00", "h", 40)
    with pytest.raises(TimesError, match="Sort the rows"):
        frame_times(frame.sample(frac=1, random_state=1), local(BERLIN))
    _, summer = walls(BERLIN, "2024-07-01", "h", 40)
    assert len(frame_times(summer.sample(frac=1, random_state=1), local(BERLIN))) == 40


@pytest.mark.parametrize("start", ["2024-10-26 18:00", "2024-03-30 18:00"])
def test_local_times_that_are_said_to_be_in_utc_are_refused_and_the_mend_works(start):
    utc, frame = walls(BERLIN, start, "h")
    said = replace(local(BERLIN), naive="utc")
    with pytest.raises(TimesError, match=r"[Ss]et frame\.naive to local"):
        frame_times(frame, said)
    assert list(frame_times(frame, replace(said, naive="local"))) == list(utc)


def test_utc_rows_with_gaps_of_their_own_are_not_taken_for_local_ones():
    utc = pd.date_range("2024-03-30 18:00", periods=200, freq="h")
    frame = pd.DataFrame({"ds": utc, "y": 1.0})
    said = replace(local(BERLIN), naive="utc")
    assert len(frame_times(frame, said)) == 200
    assert len(frame_times(frame.drop(index=[7, 8, 9]), said)) == 197  # 01:00 to 03:00
    holes = frame[(np.arange(200) % 8) != 0]  # 02:00 of March 31 among them
    assert len(frame_times(holes, said)) == len(holes)
    exactly = frame.drop(index=8)
    with pytest.raises(TimesError, match="write them with a Z"):
        frame_times(exactly, said)
    written = exactly.assign(ds=exactly["ds"].astype(str) + "Z")
    assert list(frame_times(written, said)) == list(utc.delete(8))


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Asia/Tehran"])
def test_without_a_zone_an_hour_that_comes_twice_is_told_with_its_mend(zone):
    start = {BERLIN: "2024-10-26 18:00", "Asia/Tehran": "2021-09-21 12:00"}.get(
        zone, "2024-11-02 18:00"
    )
    utc, frame = walls(zone, start, "h")
    plain = FrameConfig(id_column=None)
    with pytest.raises(TimesError, match=r"set frame\.time_zone to its zone and frame\.naive"):
        regular_panel(frame, plain)
    assert list(regular_panel(frame, local(zone)).grid) == list(utc)
    doubled = pd.concat([frame.drop_duplicates("ds"), frame.iloc[[30]]])
    with pytest.raises(FrameError, match="Keep one row for each series and time"):
        regular_panel(doubled, plain)


@pytest.mark.parametrize("freq", ["d", "b", "w", "MS", "m", "QS", "YS", "M-30"])
@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Sydney"])
@pytest.mark.parametrize("form", ["text", "zone", "utc text"])
def test_dates_at_local_midnight_stay_dates_over_the_changes(freq, zone, form):
    config = FrameConfig(id_column=None, freq=freq, time_zone=zone)
    anchored = regular_panel(
        pd.DataFrame({"ds": ["2023-01-31", "2024-12-31"], "y": 1.0}), replace(config, max_gap=999)
    ) if freq in ("d", "w") else None  # fmt: skip
    dates = (
        anchored.grid
        if anchored is not None
        else pd.date_range("2022-12-31", periods=30, freq=_offset(freq))
    )
    midnights = pd.DatetimeIndex(dates).tz_localize(zone)
    written = {
        "text": [time.isoformat() for time in midnights],
        "zone": midnights,
        "utc text": [time.isoformat() for time in midnights.tz_convert("UTC")],
    }[form]
    frame = pd.DataFrame({"ds": written, "y": np.arange(float(len(dates)))})
    assert list(frame_times(frame, config)) == list(dates)
    assert list(regular_panel(frame, config).grid) == list(dates)
    if form == "text":
        assert list(frame_times(frame, replace(config, time_zone=None))) == list(dates)


def _offset(freq):
    from informer.frequency import pandas_offset

    return pandas_offset(freq)


def test_days_that_begin_at_six_on_the_clock_stay_there():
    days = pd.date_range("2024-03-25 06:00", periods=20).tz_localize(BERLIN)
    frame = pd.DataFrame({"ds": [day.isoformat() for day in days], "y": 1.0})
    config = FrameConfig(id_column=None, freq="d")
    assert list(regular_panel(frame, config).grid) == list(days.tz_localize(None))


def test_the_calendar_of_dates_is_that_of_the_dates_in_every_zone():
    grid = pd.date_range("2024-01-01", periods=10)
    frame = pd.DataFrame({"ds": grid, "y": 1.0})
    config = FrameConfig(id_column=None, freq="d")
    plain = regular_panel(frame, config).marks(config, "fixed")
    for zone in ("America/New_York", "Asia/Tokyo"):
        zoned = replace(config, time_zone=zone)
        assert (regular_panel(frame, zoned).marks(zoned, "fixed") == plain).all()


def test_the_calendar_of_local_hours_is_that_of_the_clock():
    _, frame = walls(BERLIN, "2024-10-26 18:00", "h", 12)
    marks = regular_panel(frame, local(BERLIN)).marks(local(BERLIN), "fixed")
    assert list(marks[:, 3]) == [20, 21, 22, 23, 0, 1, 2, 2, 3, 4, 5, 6]


def test_regular_rows_are_read_again_as_they_were_by_every_configuration():
    utc, frame = walls(BERLIN, "2024-10-26 18:00", "h")
    rows = regular_frame(frame, local(BERLIN))
    for config in (local(BERLIN), for_regular(local(BERLIN)), FrameConfig(id_column=None)):
        assert list(frame_times(rows, config)) == list(utc)
        assert list(frame_times(regular_frame(rows, config), config)) == list(utc)
    assert list(as_written(rows, local(BERLIN))["ds"]) == list(frame["ds"])


@pytest.mark.parametrize(
    "text", ["2024-10-28 07:00", "2024-10-28T07:00+01:00", "2024-10-28T06:00Z"]
)
def test_borders_written_as_times_are_read_on_the_clock_of_the_data(text):
    config = local(BERLIN)
    assert border_time(text, "val", config) == pd.Timestamp("2024-10-28 06:00")
    _, frame = walls(BERLIN, "2024-10-26 18:00", "h")
    grid = regular_panel(frame, config).grid
    split = SplitConfig(train=None, val=text, test="2024-10-29 00:00")
    found = split.resolve(grid[0], grid[-1], config)
    assert found.val_start == pd.Timestamp("2024-10-28 06:00")
    assert found.test_start == pd.Timestamp("2024-10-28 23:00")
    with pytest.raises(ConfigError, match="val is 'soon'"):
        border_time("soon", "val", config)
    with pytest.raises(ConfigError, match="never shows"):
        border_time("2024-03-31 02:30", "val", config)


def test_a_border_with_an_offset_is_a_date_where_the_data_are_dates():
    config = FrameConfig(id_column=None, freq="d", time_zone=BERLIN)
    assert border_time("2024-07-01T00:00:00+02:00", "val", config) == pd.Timestamp("2024-07-01")


@pytest.mark.parametrize(
    ("grid", "wrong"),
    [
        (pd.date_range("2004-01-01", periods=40, freq="MS"), "m"),
        (pd.date_range("2004-01-31", periods=40, freq="ME"), "MS"),
        (pd.date_range("2004-01-15", periods=40, freq="D")[::1], "w"),
        (pd.DatetimeIndex([f"{2004 + k // 12}-{k % 12 + 1:02}-15" for k in range(40)]), "m"),
        (pd.date_range("2004-01-01", periods=40, freq="QS"), "QE"),
        (pd.date_range("2004-03-31", periods=40, freq="QE"), "q"),
        (pd.date_range("2004-02-01", periods=40, freq="QS-FEB"), "QS"),
        (pd.date_range("1904-01-01", periods=40, freq="YS"), "y"),
        (pd.date_range("1904-06-30", periods=40, freq="YE-JUN"), "YS"),
        (pd.date_range("2024-01-01 00:30", periods=40, freq="h"), "2h"),
        (pd.date_range("2024-01-03", periods=40, freq="W-WED"), "W-MON"),
        (pd.date_range("2024-01-01", periods=40, freq="B"), "w"),
        (pd.date_range("2024-01-01", periods=40, freq="15min"), "h"),
    ],
)
def test_times_off_their_grid_are_told_with_a_step_that_works(grid, wrong):
    frame = pd.DataFrame({"ds": grid, "y": 1.0})
    config = FrameConfig(id_column=None, freq=wrong, max_gap=99)
    if wrong == "q":
        assert list(regular_panel(frame, config).grid) == list(grid)
        return
    with pytest.raises(FrameError, match=r"set frame\.freq to ") as told:
        regular_panel(frame, config)
    mend = str(told.value).rpartition("set frame.freq to ")[2].rstrip(".")
    assert list(regular_panel(frame, replace(config, freq=mend)).grid) == list(grid)


def test_times_that_fit_no_step_get_no_step_named():
    assert "step of the data" in mend_of_freq(
        pd.DatetimeIndex(["2024-01-01", "2024-01-02 00:30", "2024-01-05 07:11", "2024-02-01"])
    )


@pytest.mark.parametrize("day", [1, 2, 15, 28, 29, 30, 31])
def test_a_day_of_each_month_is_a_step_clipped_to_the_month(day):
    months = pd.period_range("2003-11", periods=30, freq="M")
    grid = pd.DatetimeIndex([f"{m}-{min(day, m.days_in_month):02}" for m in months])
    found = infer_freq(grid)
    assert found == {1: "MS", 31: "ME"}.get(day, f"M-{day}")
    for freq in (found, f"M-{day}"):
        config = FrameConfig(id_column=None, freq=freq)
        holes = pd.DataFrame({"ds": grid, "y": 1.0}).drop(index=[5, 6, 20])
        assert list(regular_panel(holes, config).grid) == list(grid)


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "UTC+2", "Z", 2])
def test_a_zone_that_is_none_is_refused_when_it_is_configured(zone):
    with pytest.raises(ConfigError, match="which is not a time zone; use a name"):
        FrameConfig(time_zone=zone)


@pytest.mark.parametrize("zone", ["+02:00", "UTC+02:00", "Etc/GMT-2", "UTC", "Asia/Kolkata"])
def test_names_and_fixed_offsets_are_zones(zone):
    assert FrameConfig(time_zone=zone).time_zone == zone


@pytest.mark.parametrize("more", [{"naive": "local"}, {"naive": "here"}, {"time_format": "dd.mm"}])
def test_settings_that_cannot_work_name_themselves(more):
    with pytest.raises(ConfigError, match=next(iter(more))):
        FrameConfig(**more)


SIZES = InformerConfig(
    seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16, e_layers=1, d_layers=1
)


def fitted(frame: pd.DataFrame, config: FrameConfig, **more) -> Forecaster:
    return Forecaster.fit(
        frame, ForecasterConfig(frame=config, model=SIZES, linear_look_back=24, **more),
        estimator="linear",
    )  # fmt: skip


def wave(times, n: int) -> pd.DataFrame:
    noise = np.random.default_rng(0).normal(0, 0.1, n)
    return pd.DataFrame({"ds": times, "y": np.sin(np.arange(n) * 2 * np.pi / 24) + noise})


def test_a_forecast_comes_back_on_the_clock_of_its_input():
    utc = pd.date_range("2024-10-20", periods=300, freq="h")
    zoned = utc.tz_localize("UTC").tz_convert(BERLIN)
    inputs = {
        "utc": (utc, FrameConfig(id_column=None, time_zone=BERLIN)),
        "zoned": (zoned, FrameConfig(id_column=None, time_zone=BERLIN)),
        "local": (zoned.tz_localize(None), local(BERLIN)),
        "epoch": (utc.astype("datetime64[s]").astype("int64"), FrameConfig(
            id_column=None, time_zone=BERLIN)),
        "no zone": (zoned, FrameConfig(id_column=None)),
    }  # fmt: skip
    made = {
        name: fitted(wave(times, 300), config).predict(wave(times, 300))
        for name, (times, config) in inputs.items()
    }
    ahead = pd.date_range("2024-11-01 12:00", periods=6, freq="h")
    for name in ("utc", "no zone"):
        assert list(made[name]["ds"]) == list(ahead)
    for name in ("zoned", "local", "epoch"):
        assert list(made[name]["ds"]) == list(ahead.tz_localize("UTC").tz_convert(BERLIN))
        assert made[name]["cutoff"].iloc[0] == zoned[-1]
        assert list(made[name]["y_hat"]) == list(made["utc"]["y_hat"])


def test_local_rows_are_forecast_like_their_twin_in_utc_from_borders_to_panels_on_disk(tmp_path):
    utc = pd.date_range("2024-10-20", periods=300, freq="h")
    shown = utc.tz_localize("UTC").tz_convert(BERLIN).tz_localize(None)
    twin = fitted(wave(utc, 300), FrameConfig(id_column=None, time_zone=BERLIN), val="2024-10-29")
    ours = fitted(wave(shown, 300), local(BERLIN), val="2024-10-29 01:00")
    np.testing.assert_array_equal(ours.scales.center, twin.scales.center)
    np.testing.assert_array_equal(ours.scales.spread, twin.scales.spread)
    expected = twin.predict(wave(utc, 300))["y_hat"]
    assert list(ours.predict(wave(shown, 300))["y_hat"]) == list(expected)
    ours.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert list(loaded.predict(wave(shown, 300))["y_hat"]) == list(expected)
    for name, rows in {
        "raw": wave(shown, 300), "regular": regular_frame(wave(shown, 300), local(BERLIN)),
    }.items():  # fmt: skip
        rows.to_parquet(tmp_path / f"{name}.parquet")
        panel = map_panel(
            tmp_path / f"{name}.parquet", local(BERLIN), tmp_path / name,
            before=pd.Timestamp("2024-10-30"),
        )  # fmt: skip
        assert list(panel.grid) == list(utc[:240])


@pytest.mark.parametrize(
    ("times", "freq", "ahead"),
    [
        ([int(d) for d in pd.date_range("2023-01-01", periods=200).strftime("%Y%m%d")], "d",
         "2023-07-20"),
        (np.arange(1800, 2000), "YS", "2000-01-01"),
        (np.arange(1800, 2000), "y", "2000-12-31"),
        (pd.period_range("2004-01", periods=200, freq="M"), "m", "2020-09-30"),
        (pd.period_range("2004-01", periods=200, freq="M"), "MS", "2020-09-01"),
        (pd.period_range("1960Q1", periods=200, freq="Q"), "q", "2010-03-31"),
        (pd.date_range("1951-07-14", periods=200), "d", "1952-01-30"),
    ],
)  # fmt: skip
def test_forecasts_follow_years_months_quarters_and_dates_of_any_age(times, freq, ahead):
    frame = wave(times, 200)
    made = fitted(frame, FrameConfig(id_column=None, freq=freq, season=7)).predict(frame)
    assert made["ds"].iloc[0] == pd.Timestamp(ahead)
