"""The files of a rolling forecast: what stands in them, and that none is half written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig, Rolled, roll
from tasks.judging.roll import rolled_errors, rolled_figure, write_rolled
from tasks.runs import rolling_forecast
from tasks.settings import StoreError, replaced

HOURS = pd.date_range("2024-01-01", periods=300, freq="h")
NAMES = {
    "rolling_forecast.csv", "rolling_forecast.parquet", "rolling_forecast.png",
    "rolling_metrics.csv", "rolling_error.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def rolled() -> Rolled:
    rng = np.random.default_rng(0)
    load = 100 + 10 * np.sin(np.arange(300) / 24 * 2 * np.pi) + rng.normal(size=300)
    rows = pd.DataFrame({"ds": HOURS, "load": load, "heat": 20 - load / 10})
    config = ForecasterConfig(
        frame=FrameConfig(id_column=None, columns=("load", "heat"), target="load", features="M"),
        model=InformerConfig(seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16),
    )
    model = Forecaster.fit(rows[:250], config, estimator="seasonal_naive")
    return roll(model, rows[:250], rows[250:290])


def test_each_target_stands_beside_its_forecast_and_interval(rolled, tmp_path):
    path = write_rolled(rolled, tmp_path / "made")
    assert {p.name for p in path.parent.iterdir()} == NAMES
    table = pd.read_csv(path, parse_dates=["cutoff", "ds"])
    targets = [f"{n}{e}" for n in ("load", "heat") for e in ("", "_forecast", "_q10", "_q90")]
    assert table.columns.tolist() == ["cutoff", "ds", "step", *targets, "is_test"]
    assert len(table) == 7 * 6
    assert table["is_test"].all()
    long = rolled.forecasts[rolled.forecasts["unique_id"] == "heat"]
    for ending, name in (("", "y"), ("_forecast", "y_hat"), ("_q90", "y_hat_q90")):
        np.testing.assert_allclose(table[f"heat{ending}"], long[name], rtol=1e-6)
    assert table["load"].isna().sum() == 2  # of the last block, beyond the rows
    kept = pd.read_parquet(path.with_suffix(".parquet"))
    pd.testing.assert_frame_equal(kept, rolled.forecasts)


def test_errors_come_by_step_and_in_total_over_all_targets_first(rolled):
    table = rolled_errors(rolled.scores)
    assert table["unique_id"].tolist() == ["all"] * 7 + ["load"] * 7 + ["heat"] * 7
    assert table["step"].tolist() == [*range(1, 7), "total"] * 3
    total = table[table["step"] == "total"].set_index("unique_id")
    assert total["n"].tolist() == [80, 40, 40]
    assert total["mse"]["all"] == pytest.approx((total["mse"]["load"] + total["mse"]["heat"]) / 2)


def test_the_errors_of_a_single_target_are_not_written_twice(rolled):
    one = rolled.scores[rolled.scores["unique_id"] == "load"]
    assert set(rolled_errors(one)["unique_id"]) == {"load"}


def test_files_are_replaced_and_nothing_else_is_left(rolled, tmp_path):
    (tmp_path / "rolling_forecast.csv").write_text("old")
    write_rolled(rolled, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == NAMES
    assert (tmp_path / "rolling_forecast.csv").read_text().startswith("cutoff,ds")


def test_a_file_stays_as_it_was_where_writing_fails(tmp_path):
    target = tmp_path / "kept.csv"
    target.write_text("old")
    with pytest.raises(TypeError), replaced(target) as draft:
        draft.write_text(draft)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.csv"]
    assert target.read_text() == "old"
    with pytest.raises(StoreError, match="cannot write"), replaced(target / "below" / "x.csv"):
        pass


def test_the_title_says_where_it_is_no_test(rolled):
    assert "not a test" not in rolled_figure(rolled, "Load").get_suptitle()
    seen = replace(rolled, is_test=False)
    assert "not a test" in rolled_figure(seen, "Load").get_suptitle()


def test_the_chart_shows_inputs_actuals_forecasts_and_where_it_begins(rolled):
    figure = rolling_forecast(rolled.forecasts, rolled.inputs, "Load")
    assert len(figure.axes) == 2
    axes = figure.axes[0]
    by_label = {line.get_label(): line for line in axes.get_lines()}
    assert len(by_label["measured"].get_xdata()) == 24 + 7 * 6
    assert len(by_label["forecast"].get_xdata()) == 6
    assert by_label["the rolling forecast begins"].get_xdata()[0] == HOURS[249]
    assert len(axes.collections) == 7  # an interval for each horizon
    figure.draw_without_rendering()
    used, there = figure.get_tightbbox(), figure.bbox_inches
    assert used.x0 >= -0.01
    assert used.y0 >= -0.01
    assert used.x1 <= there.x1 + 0.01
    assert used.y1 <= there.y1 + 0.01


def test_of_a_long_roll_the_first_horizons_are_drawn_and_the_title_says_so(rolled):
    times = rolled.forecasts[["ds", "cutoff"]]
    more = [
        rolled.forecasts.assign(**(times + i * pd.Timedelta("42h")).to_dict("series"))
        for i in range(5)
    ]
    figure = rolling_forecast(pd.concat(more), rolled.inputs, "Load")
    assert figure.get_suptitle() == "Load\nthe first 28 of 35 horizons"
    assert len(figure.axes[0].collections) == 28
