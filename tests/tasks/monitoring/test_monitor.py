"""Which forecasts the champion is judged by, what the report shows over time, and its pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from prefect.logging import disable_run_logger

from informer.config import FrameConfig
from tasks.monitoring.monitor import Compared, Watched, compare
from tasks.monitoring.plots import drift_bars, errors_over_time
from tasks.monitoring.report import by_day
from tasks.monitoring.verdict import Promised
from tasks.settings import MonitorConfig, find_home, load_config

FRAME = FrameConfig(time_column="ds", id_column=None, columns=("y",), target="y", freq="h")
TIMES = pd.date_range("2024-01-01", periods=20 * 24, freq="h")
TRAIN_END = pd.Timestamp("2024-01-10")


def subject() -> Watched:
    """The champion is version 2; actuals are all 1, deviations 2."""
    return Watched(
        rows=pd.DataFrame({"ds": TIMES, "y": 1.0}),
        frame=FRAME,
        train_end=TRAIN_END,
        promised=Promised("2", 0.5, 1.0, 0.8),
        scales=pd.DataFrame({"unique_id": ["y"], "std": [2.0], "mase_scale": [np.nan]}),
    )


def vintage(
    cutoff: str, version: str, y_hat: float, sha: str | None = None, made: str = "2024-02-01"
) -> pd.DataFrame:
    ds = pd.date_range(pd.Timestamp(cutoff) + pd.Timedelta("1h"), periods=3, freq="h")
    return pd.DataFrame({
        "unique_id": "y", "ds": ds, "cutoff": pd.Timestamp(cutoff), "model_version": version,
        "created_at": pd.Timestamp(made), "data_sha256": sha or cutoff,
        "y_hat": y_hat, "y_hat_q10": 0.0, "y_hat_q90": 2.0,
    })  # fmt: skip


def compared(*vintages: pd.DataFrame) -> Compared:
    config = load_config(
        "etth1", ["monitor.window=5d", "monitor.min_forecasts=1"], conf_dir=find_home().conf_dir
    )
    with disable_run_logger():
        return compare.fn(subject(), pd.concat(vintages, ignore_index=True), config)


def test_a_version_is_judged_by_its_own_forecasts_in_the_window():
    found = compared(
        vintage("2024-01-19 00:00", "2", 3.0),
        vintage("2024-01-19 00:00", "1", 9.0),
        vintage("2024-01-12 00:00", "2", 7.0),  # before the window
        vintage("2024-01-20 23:00", "2", 8.0),  # still to come
    )
    assert (found.n_forecasts, found.n_scored) == (3, 1)
    assert found.metrics["mae"] == pytest.approx(1.0)
    assert found.metrics["mae_units"] == pytest.approx(2.0)
    assert found.metrics["coverage"] == 1.0
    assert found.metrics["mase"] is None
    assert sorted(found.errors["mae_units"].unique()) == [2.0, 6.0, 8.0]


def test_a_cutoff_that_was_forecast_again_judges_once_as_it_was_forecast_last():
    found = compared(
        vintage("2024-01-19 00:00", "2", 9.0, sha="b", made="2024-02-02"),
        vintage("2024-01-19 00:00", "2", 3.0, made="2024-02-01"),
        vintage("2024-01-19 06:00", "2", 3.0),
    )
    assert (found.n_forecasts, found.n_scored) == (2, 2)
    assert found.metrics["mae_units"] == pytest.approx((8.0 + 2.0) / 2)
    assert found.by_series.loc[0, "n"] == 6
    assert not found.errors.duplicated(["unique_id", "ds", "cutoff", "model_version"]).any()


def test_forecasts_of_rows_that_it_was_trained_on_judge_nobody():
    wide = subject()
    assert wide.train_end > pd.Timestamp("2024-01-08")
    config = load_config("etth1", ["monitor.window=20d"], conf_dir=find_home().conf_dir)
    both = pd.concat([vintage("2024-01-08", "2", 9.0), vintage("2024-01-19", "2", 2.0)])
    with disable_run_logger():
        found = compare.fn(wide, both, config)
    assert found.n_scored == 1
    assert found.metrics["mae_units"] == pytest.approx(1.0)


def test_churn_is_the_change_between_cutoffs_and_a_repeated_cutoff_is_none():
    found = compared(
        vintage("2024-01-19 00:00", "2", 3.0),
        vintage("2024-01-19 01:00", "2", 4.0),
        vintage("2024-01-19 01:00", "2", 5.0, sha="b"),  # the same cutoff after a revision
    )
    assert found.metrics["churn"] == pytest.approx(2.0 / 2.0)
    assert found.by_series.loc[0, "n_moves"] == 2


def test_nothing_known_is_none_and_no_error():
    found = compared(vintage("2024-01-19 00:00", "2", 3.0)[:0])
    assert set(found.metrics.values()) == {None}
    assert (found.n_forecasts, found.n_scored) == (0, 0)


def test_errors_by_day_roll_over_the_window_with_each_row_counting_once():
    times = ["01 05", "01 05", "01 05", "02 01", "09 00"]
    errors = pd.DataFrame({
        "cutoff": pd.to_datetime([f"2024-01-{when}:00" for when in times]),
        "mae": [1.0, 1.0, 1.0, 5.0, 3.0], "coverage": [1.0, 1.0, 0.0, 0.0, 1.0],
    })  # fmt: skip
    table = by_day(errors, MonitorConfig(window="7d")).set_index("day")
    assert table["n"].tolist() == [3, 1, 1]
    assert table["mae"].tolist() == [1.0, 5.0, 3.0]
    assert table["rolling_mae"].tolist() == [1.0, 2.0, 3.0]
    assert table["rolling_coverage"].iloc[1] == pytest.approx(0.5)


def test_the_picture_over_time_shows_the_promise_and_the_limits():
    days = pd.date_range("2024-01-01", periods=4)
    table = pd.DataFrame({
        "day": days, "mae": [0.4, 0.5, 0.3, 0.6], "coverage": 0.8, "rolling_mae": 0.45,
        "rolling_coverage": 0.8,
    })  # fmt: skip
    figure = errors_over_time(table, Promised("1", 0.4, 1.0, 0.75), MonitorConfig())
    top, bottom = figure.axes
    assert top.lines[0].get_ydata().tolist() == [0.4, 0.5, 0.3, 0.6]
    names = {text.get_text() for text in top.get_legend().get_texts()}
    assert {"promised 0.400", "limit 0.500", "mean of the last 30d"} <= names
    levels = {round(float(line.get_ydata()[0]), 4) for line in bottom.lines[2:]}
    assert levels == {0.8, 0.75, 0.6, 0.9}
    without = errors_over_time(table, Promised("1"), MonitorConfig())
    assert len(without.axes[0].lines) == 2


def test_the_bars_of_drift_mark_what_is_usual_and_leave_out_what_cannot_be_compared():
    table = pd.DataFrame({
        "channel": ["a", "b", "c"], "statistic": [0.1, 0.6, np.nan],
        "usual_psi": [0.2, 0.3, np.nan], "drifted": [False, True, False],
    })  # fmt: skip
    (axes,) = drift_bars(table, MonitorConfig()).axes
    widths = {tick.get_text(): bar.get_width() for tick, bar in
              zip(axes.get_yticklabels(), axes.patches, strict=True)}  # fmt: skip
    assert widths == {"a": 0.1, "b": 0.6}
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()
    assert "2 of 3 channels" in axes.get_title(loc="left")
