"""Losses by origin, churn, and the pairing of two models."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig, backtest
from informer.data import regular_panel
from informer.errors import EvidenceError
from informer.evaluation.origins import OriginLog
from informer.evaluation.windows import paired, pooled

FRAME = FrameConfig(columns=("a", "b"), target="b", features="M")
CONFIG = ForecasterConfig(
    frame=FRAME,
    model=InformerConfig(seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16),
    linear_look_back=24,
)
TIMES = pd.date_range("2024-01-01", periods=240, freq="h")
TEST = (TIMES[200], TIMES[-1] + pd.Timedelta("1h"))


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": TIMES, "a": rng.normal(size=240).cumsum(),
                      "b": rng.normal(size=240)})
        for name in ("x", "y")
    ]  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[[205, 206], "b"] = np.nan
    return frame


@pytest.fixture(scope="module")
def models() -> dict[str, Forecaster]:
    past = rows().query("ds < @TEST[0]")
    return {name: Forecaster.fit(past, CONFIG, estimator=name) for name in ("linear", "naive")}


@pytest.mark.parametrize("stride", [1, 4, 6])
def test_churn_is_how_far_forecasts_of_the_same_time_lie_apart(models, stride, monkeypatch):
    monkeypatch.setattr(
        "informer.evaluation.scoring.MAX_ENTRIES", 7 * 6 * 2 * 9
    )  # in several parts
    found = backtest(models, rows(), TEST, stride=stride)
    own = found.churn.query("model == 'linear'").set_index("unique_id")["churn"]
    assert list(own.index) == ["x/a", "x/b", "y/a", "y/b"]
    own_std = models["linear"].deviations(regular_panel(rows(), FRAME)).ravel()
    std = dict(zip(found.churn["unique_id"].unique(), own_std, strict=True))
    tables = []
    for cutoff in TIMES[199:234:stride]:
        tables.append(models["linear"].predict(rows()[rows()["ds"] <= cutoff]))
    own = own.drop("x/b")  # it lacks values, after which `predict` begins earlier
    for unique_id, churn in own.items():
        moves = []
        for one, two in pairwise(tables):
            both = one.merge(two, on=["unique_id", "ds"]).query("unique_id == @unique_id")
            moves += list((both["y_hat_x"] - both["y_hat_y"]).abs() / std[unique_id])
        if stride == 6:
            assert np.isnan(churn)
            assert not moves
        else:
            assert churn == pytest.approx(np.mean(moves), rel=1e-4)


def test_losses_of_windows_average_to_the_scores(models):
    found = backtest(models, rows(), TEST)
    assert len(found.windows) == 2 * 2 * found.n_windows  # models, targets
    own = pooled(found.windows, ["model"])
    scores = found.scores.assign(total=found.scores["mse"] * found.scores["n"])
    sums = scores.groupby("model", sort=False)[["total", "n"]].sum()
    np.testing.assert_allclose(own["mse"], sums["total"] / sums["n"])
    assert own["n"].tolist() == sums["n"].tolist()
    assert found.windows["cutoff"].max() == found.last
    assert set(found.windows["unique_id"]) == {"x/a", "x/b", "y/a", "y/b"}
    assert (found.windows["unique_id"].str[0] == found.windows["series"].astype(str)).all()
    assert (found.windows["unique_id"].str[2] == found.windows["target"].astype(str)).all()


def test_pairs_are_windows_that_both_forecast_and_each_value_weighs_the_same(models):
    found = backtest(models, rows(), TEST, strides={"naive": 5})
    pairs = paired(found.windows, "linear", "naive", "mae", 6)
    keys = ["step", "unique_id"]
    seen = found.windows[found.windows["n"] > 0]
    both = seen.pivot(index=keys, columns="model", values=["mae", "n"]).dropna()
    total = both["mae"] * both["n"]
    by_hand = total.groupby("step").sum()
    mean_n = both["n"]["naive"].sum() / len(by_hand)
    for loss, model, pooled_ in zip(pairs.by_cutoff(), ("linear", "naive"), pairs.errors,
                                    strict=True):  # fmt: skip
        np.testing.assert_allclose(loss, by_hand[model] / mean_n)
        assert loss.mean() == pytest.approx(pooled_)
        assert pooled_ == pytest.approx(total[model].sum() / both["n"][model].sum())
    assert pairs.overlap == max(
        sum(0 < later - step < 6 for later in by_hand.index) for step in by_hand.index
    )


def test_a_window_of_which_nothing_was_measured_is_left_out():
    frame = rows()
    frame.loc[203:214, ["a", "b"]] = np.nan
    own = FrameConfig(columns=("a", "b"), target="b", features="M", max_gap=20)
    panel = regular_panel(frame, own)
    log = OriginLog(panel, own, panel.grid, np.ones((2, 2)), 1)
    seen = np.where(panel.observed, panel.values, np.nan)
    first = np.array([204, 215])
    came = seen[first[:, None] + np.arange(6)]
    log.add(first, came, np.zeros_like(came))
    windows = log.windows().assign(model="m")
    assert windows["n"].tolist() == [0, 0, 6, 6]
    with pytest.raises(EvidenceError, match="no window in common"):
        paired(pd.concat([windows, windows[:2].assign(model="k")]), "m", "k", "mse", 6)


def test_a_forecast_that_is_no_number_errs_without_bound_where_the_truth_is_known():
    panel = regular_panel(rows(), FRAME)
    log = OriginLog(panel, FRAME, panel.grid, np.ones((2, 2)), 1)
    seen = np.where(panel.observed, panel.values, np.nan)
    first = np.arange(200, 204)
    came = seen[first[:, None] + np.arange(6)]
    forecast = came.copy()  # right wherever something was measured
    forecast[0, 1, 0] = np.nan
    forecast[1, 0, 1] = np.inf
    forecast[3, 2, 1] = np.nan  # row 205, of which nothing is known
    assert np.isnan(came[3, 2, 1])
    log.add(first, came, forecast)
    windows = log.windows()
    wide = windows.pivot(index="step", columns="target", values="mse")
    assert wide["a"].tolist() == [np.inf, 0, 0, 0]
    assert wide["b"].tolist() == [0, np.inf, 0, 0]
    assert pooled(windows.assign(model="m"), ["model"])["mse"].tolist() == [np.inf]


def test_a_model_that_reads_other_columns_is_scored_on_the_same_windows(models):
    """The other panel begins later, its targets stand in another order, its gaps are others."""
    frame = rows().assign(c=np.arange(480.0))
    frame.loc[:29, "c"] = np.nan  # so that its panel of x begins 30 steps later
    other = FrameConfig(columns=("c", "b", "a"), target="a", features="M", max_gap=9)
    past = frame[frame["ds"] < TEST[0]]
    config = ForecasterConfig(frame=other, model=CONFIG.model, linear_look_back=24)
    naive = Forecaster.fit(past, config, estimator="naive")
    names = {"x/a", "x/b", "y/a", "y/b"}
    three = FrameConfig(columns=("a", "b", "c"), target="b", features="M", max_gap=9)
    first = Forecaster.fit(
        past,
        ForecasterConfig(frame=three, model=CONFIG.model, linear_look_back=24),
        estimator="naive",
    )
    found = backtest({"first": first, "other": naive}, frame, TEST, own_rows={"other": frame})
    table = found.windows[found.windows["unique_id"].isin(names)]
    wide = table.pivot(index=["unique_id", "cutoff"], columns="model", values=["mse", "n"])
    assert len(wide) == 4 * found.n_windows // 2
    np.testing.assert_allclose(wide["mse"]["first"], wide["mse"]["other"], rtol=1e-5)
    assert (wide["n"]["first"] == wide["n"]["other"]).all()
