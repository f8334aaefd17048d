"""Splitting a change of forecasts, on networks whose weights, data and covariates are made so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.errors import FrameError
from informer.evaluation.churn import forecast_churn
from informer.evaluation.explain import PARTS, Origin, covariates_of, explain_change

N_ROWS, SEQ_LEN, PRED_LEN = 240, 24, 12
PARTS_ = list(PARTS)


def rows_of(n: int = N_ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    hours = np.arange(n)
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2024-01-01", periods=n, freq="h"),
                "y": 10 + 3 * np.sin(hours * 2 * np.pi / 24) + rng.normal(0, 0.5, n),
                "x": 5 + 2 * np.cos(hours * 2 * np.pi / 24) + rng.normal(0, 0.5, n),
            }
        )
        for name in ("a", "b")
    ]
    return pd.concat(parts, ignore_index=True)


def fitted(seed: int, features: str = "MS") -> Forecaster:
    config = ForecasterConfig(
        frame=FrameConfig(columns=("x", "y"), features=features),
        model=InformerConfig(
            seq_len=SEQ_LEN, label_len=12, pred_len=PRED_LEN, d_model=8, n_heads=2, d_ff=16,
            e_layers=1,
        ),
        training=TrainingConfig(epochs=1, steps_per_epoch=20, learning_rate=1e-2, seed=seed),
        val=48,
    )  # fmt: skip
    return Forecaster.fit(rows_of(), config)


@pytest.fixture(scope="module")
def old() -> Forecaster:
    return fitted(0)


@pytest.fixture(scope="module")
def new() -> Forecaster:
    return fitted(1)


def until(rows: pd.DataFrame, step: int) -> pd.DataFrame:
    times = np.sort(rows["ds"].unique())
    return rows[rows["ds"] <= times[step]]


def test_parts_add_up_and_the_ends_are_the_forecasts_themselves(old, new):
    rows = rows_of()
    before, after = Origin(old, until(rows, 220)), Origin(new, until(rows, 225))
    table = explain_change(before, after)
    assert len(table) == 2 * (PRED_LEN - 5)
    assert np.abs(table[PARTS_].sum(axis=1) - table["change"]).max() < 1e-12
    keys = ["unique_id", "ds"]
    for origin, column in ((before, "before"), (after, "after")):
        own = origin.forecaster.predict(origin.rows).merge(table, on=keys)
        assert own["y_hat"].tolist() == own[column].tolist()
    assert (table[PARTS_].abs().mean() > 1e-3).all()


def test_where_only_the_weights_changed_they_are_all_of_it(old, new):
    rows = until(rows_of(), 220)
    table = explain_change(Origin(old, rows), Origin(new, rows))
    assert table["weights"].tolist() == pytest.approx(table["change"].tolist(), abs=1e-12)
    assert table["change"].abs().mean() > 0.01
    assert table["data"].abs().max() == table["covariates"].abs().max() == 0


def test_where_only_the_targets_history_changed_it_is_all_of_it(old):
    rows = until(rows_of(), 220)
    revised = rows.assign(
        y=rows["y"] + np.where(rows["ds"] > rows["ds"].max() - pd.Timedelta("9h"), 4, 0)
    )
    table = explain_change(Origin(old, rows), Origin(old, revised))
    assert table["data"].tolist() == pytest.approx(table["change"].tolist(), abs=1e-12)
    assert table["change"].abs().mean() > 0.01
    assert table["weights"].abs().max() == table["covariates"].abs().max() == 0


def test_where_only_the_covariates_changed_they_are_all_of_it(old):
    rows = until(rows_of(), 220)
    revised = rows.assign(
        x=rows["x"] + np.where(rows["ds"] > rows["ds"].max() - pd.Timedelta("9h"), 4, 0)
    )
    table = explain_change(Origin(old, rows), Origin(old, revised))
    assert table["covariates"].tolist() == pytest.approx(table["change"].tolist(), abs=1e-12)
    assert table["change"].abs().mean() > 0.01
    assert table["data"].abs().max() == table["weights"].abs().max() == 0


def test_covariates_that_end_before_the_cutoff_stay_at_their_last_value(old):
    """Longer than max_gap: where the newer covariates are that constant, nothing is due to them."""
    rows = rows_of()
    known = until(rows, 215)
    later = until(rows, 225)
    last = known.groupby("unique_id")["x"].last()
    is_later = later["ds"] > known["ds"].max()
    held = later.assign(x=later["x"].where(~is_later, later["unique_id"].map(last)))
    strict = replace(old, config=replace(old.config, frame=replace(old.config.frame, max_gap=2)))
    table = explain_change(Origin(strict, known), Origin(strict, held))
    assert table["covariates"].abs().max() == 0
    assert table["data"].tolist() == pytest.approx(table["change"].tolist(), abs=1e-12)
    moved = explain_change(Origin(strict, known), Origin(strict, later))
    assert moved["covariates"].abs().mean() > 1e-3


@pytest.mark.parametrize("features", ["M", "S"])
def test_without_covariates_their_part_is_zero(features):
    old, new = fitted(0, features), fitted(1, features)
    assert covariates_of(old.config.frame) == ()
    rows = rows_of()
    table = explain_change(Origin(old, until(rows, 220)), Origin(new, until(rows, 225)))
    assert table["covariates"].abs().max() == 0
    assert np.abs(table["data"] + table["weights"] - table["change"]).max() < 1e-12


def test_only_series_of_both_are_split(old):
    rows = rows_of()
    before = rows[rows["unique_id"] == "a"]
    table = explain_change(Origin(old, until(before, 220)), Origin(old, until(rows, 222)))
    assert set(table["unique_id"]) == {"a"}


def test_forecasts_without_a_common_time_cannot_be_compared(old):
    rows = rows_of()
    with pytest.raises(FrameError, match="no time in common"):
        explain_change(Origin(old, until(rows, 200)), Origin(old, until(rows, 200 + PRED_LEN)))


def test_models_that_read_other_columns_cannot_be_crossed(old):
    other = fitted(0, "S")
    rows = rows_of()
    with pytest.raises(FrameError, match="differ in channels"):
        explain_change(Origin(old, rows), Origin(other, rows))


def test_churn_is_the_mean_move_of_a_time_between_consecutive_cutoffs():
    frame = pd.DataFrame(
        [
            ("a", 3, 1, 10.0),
            ("a", 3, 2, 12.0),
            ("a", 2, 1, 1.0),
            ("b", 3, 1, 5.0),
            ("a", 3, 0, 9.0),  # 9 -> 10 -> 12
        ],
        columns=["unique_id", "ds", "cutoff", "y_hat"],
    )
    got = forecast_churn(frame)
    assert got["unique_id"].tolist() == ["a", "b"]
    assert got["n"].tolist() == [2, 0]
    assert got["churn"].tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    assert forecast_churn(frame.iloc[:0]).empty
