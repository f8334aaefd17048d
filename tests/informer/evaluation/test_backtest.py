"""Rolling origins: which windows are scored, and against what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig, backtest
from informer.errors import FrameError

CONFIG = ForecasterConfig(
    frame=FrameConfig(id_column=None, columns=("y",), target="y"),
    model=InformerConfig(seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16),
    linear_look_back=30,
)
TIMES = pd.date_range("2024-01-01", periods=240, freq="h")
TEST = (TIMES[200], TIMES[-1] + pd.Timedelta("1h"))


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    y = 10 + 3 * np.sin(np.arange(240) / 24 * 2 * np.pi) + 0.1 * rng.normal(size=240)
    return pd.DataFrame({"ds": TIMES, "y": y})


@pytest.fixture(scope="module")
def models() -> dict[str, Forecaster]:
    past = rows()[:200]
    return {
        name: Forecaster.fit(past, CONFIG, estimator=name) for name in ("linear", "seasonal_naive")
    }


def test_every_window_whose_horizon_lies_in_the_test_rows_is_scored(models):
    found = backtest(models, rows(), TEST)
    assert found.n_windows == 40 - 6 + 1
    assert (found.first, found.last) == (TIMES[199], TIMES[233])
    assert set(found.scores["model"]) == {"linear", "seasonal_naive"}
    assert (found.scores["n"] == 35).all()
    assert len(found.scores) == 2 * 6


def test_scores_equal_those_of_forecasting_each_cutoff_by_itself(models):
    found = backtest({"seasonal_naive": models["seasonal_naive"]}, rows(), TEST)
    errors = []
    for cutoff in range(199, 234):
        table = models["seasonal_naive"].predict(rows()[: cutoff + 1])
        truth = rows()["y"].to_numpy()[cutoff + 1 : cutoff + 7]
        errors.append(table["y_hat"].to_numpy() - truth)
    std = float(models["seasonal_naive"].scales.deviation[0, 0])
    by_step = (np.array(errors) ** 2).mean(axis=0) / std**2
    np.testing.assert_allclose(found.scores["mse"], by_step, rtol=1e-4)


def test_a_stride_takes_every_nth_origin(models):
    assert backtest(models, rows(), TEST, stride=10).n_windows == 4


def test_values_that_were_filled_are_not_scored(models):
    frame = rows()
    frame.loc[220, "y"] = np.nan
    found = backtest(models, frame, TEST)
    assert found.scores["n"].tolist() == [34] * 12


def test_examples_carry_the_truth_the_forecast_and_its_interval(models):
    examples = backtest(models, rows(), TEST, n_examples=2).examples
    assert examples["cutoff"].unique().tolist() == [TIMES[233], TIMES[227]]
    assert (examples["y_hat_q10"] <= examples["y_hat_q90"]).all()
    merged = examples.merge(rows(), on="ds", suffixes=("", "_seen"))
    assert (merged["y"] == merged["y_seen"]).all()


def test_test_rows_too_few_for_a_horizon_are_refused(models):
    with pytest.raises(FrameError, match="no window"):
        backtest(models, rows(), (TIMES[238], TEST[1]))


def test_test_rows_of_which_nothing_was_observed_are_refused(models):
    frame = rows()
    columns = frame.columns.drop(["unique_id", "ds"], errors="ignore")
    frame.loc[frame["ds"] >= TEST[0], columns] = np.nan
    wide = {name: replace(m, config=replace(m.config, frame=replace(m.config.frame, max_gap=99)))
            for name, m in models.items()}  # fmt: skip
    with pytest.raises(FrameError, match="no window"):
        backtest(wide, frame, TEST)


def test_windows_scored_in_parts_score_as_at_once(models, monkeypatch):
    whole = backtest(models, rows(), TEST)
    monkeypatch.setattr("informer.evaluation.scoring.MAX_ENTRIES", 9 * 6 * 4)
    parts = backtest(models, rows(), TEST)
    pd.testing.assert_frame_equal(parts.scores, whole.scores, rtol=1e-5)


def test_a_slow_model_may_forecast_some_of_the_origins(models):
    whole, some = (backtest(models, rows(), TEST, strides=s) for s in (None, {"linear": 10}))
    assert some.n_windows == whole.n_windows == 35
    counts = some.scores.groupby("model")["n"].unique()
    assert (counts["linear"].tolist(), counts["seasonal_naive"].tolist()) == ([4], [35])
    assert some.examples["cutoff"].max() == TIMES[229]  # the first model's own origins
    by_model = [t.scores.query("model == 'seasonal_naive'")["mse"].tolist() for t in (whole, some)]
    assert by_model[0] == by_model[1]
