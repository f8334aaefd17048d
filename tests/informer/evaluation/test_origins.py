"""Losses by origin, churn, and the pairing of two models."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig, backtest
from informer.data import regular_panel
from informer.errors import EvidenceError
from informer.evaluation.origins import OriginLog, paired_losses

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
    std = dict(zip(("a", "b"), models["linear"].target_std, strict=True))
    tables = []
    for cutoff in TIMES[199:234:stride]:
        tables.append(models["linear"].predict(rows()[rows()["ds"] <= cutoff]))
    for unique_id, churn in own.items():
        moves = []
        for one, two in pairwise(tables):
            both = one.merge(two, on=["unique_id", "ds"]).query("unique_id == @unique_id")
            moves += list((both["y_hat_x"] - both["y_hat_y"]).abs() / std[unique_id[-1]])
        if stride == 6:
            assert np.isnan(churn)
            assert not moves
        else:
            assert churn == pytest.approx(np.mean(moves), rel=1e-4)


def test_losses_of_windows_average_to_the_scores(models):
    found = backtest(models, rows(), TEST)
    assert len(found.losses) == 2 * 2 * found.n_windows // 2
    weighted = found.losses.assign(total=found.losses["mse"] * found.losses["n"])
    sums = weighted.groupby("model")[["total", "n"]].sum()
    scores = found.scores.assign(total=found.scores["mse"] * found.scores["n"])
    expected = scores.groupby("model")[["total", "n"]].sum()
    np.testing.assert_allclose(sums["total"], expected["total"])
    assert (sums["n"] == expected["n"]).all()
    assert found.losses["cutoff"].max() == found.last


def test_pairs_are_averaged_over_series_and_taken_where_both_forecast(models):
    found = backtest(models, rows(), TEST, strides={"naive": 5})
    new, old, overlap = paired_losses(found.losses, "linear", "naive", "mae", 6)
    both = found.losses.pivot(index=["step", "series"], columns="model", values="mae").dropna()
    by_hand = both.groupby("step").mean()
    np.testing.assert_allclose(new, by_hand["linear"])
    np.testing.assert_allclose(old, by_hand["naive"])
    assert overlap == max(
        sum(0 < later - step < 6 for later in by_hand.index) for step in by_hand.index
    )


def test_a_window_of_which_nothing_was_measured_is_left_out():
    frame = rows()
    frame.loc[203:214, ["a", "b"]] = np.nan
    panel = regular_panel(frame.assign(), FrameConfig(
        columns=("a", "b"), target="b", features="M", max_gap=20))  # fmt: skip
    log = OriginLog(panel, np.ones(2), 1, [["x/a", "x/b"], ["y/a", "y/b"]])
    seen = np.where(panel.observed, panel.values, np.nan)
    first = np.array([204, 215])
    came = seen[first[:, None] + np.arange(6)]
    log.add(first, came, np.zeros_like(came))
    losses = log.losses().assign(model="m")
    assert losses["n"].tolist() == [0, 12]
    with pytest.raises(EvidenceError, match="no window in common"):
        paired_losses(pd.concat([losses, losses[:1].assign(model="k")]), "m", "k", "mse", 6)
