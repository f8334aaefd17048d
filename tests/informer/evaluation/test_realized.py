"""Forecasts joined with what came: which rows stay, and their errors by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from informer.config import ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.data import long_targets
from informer.evaluation.metrics import mean_difference, seasonal_differences
from informer.evaluation.realized import joined, realized_errors, scored, train_scales
from informer.forecaster import Forecaster


def vintages() -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=3, freq="h")
    parts = [
        pd.DataFrame({
            "unique_id": "a", "ds": times, "cutoff": cutoff, "model_version": version,
            "y_hat": [1.0, 2.0, 3.0], "y_hat_q10": 0.0, "y_hat_q90": 2.5,
        })
        for cutoff, version in [("2023-12-31 23:00", "1"), ("2023-12-31 23:00", "2")]
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True).astype({"cutoff": "datetime64[us]"})


ACTUALS = pd.DataFrame({
    "unique_id": ["a", "a", "a", "b"],
    "ds": pd.to_datetime([f"2024-01-01 0{h}:00" for h in (0, 1, 2, 0)]),
    "y": [2.0, np.nan, 5.0, 9.0],
})  # fmt: skip
SCALES = pd.DataFrame({"unique_id": ["a", "b"], "std": [2.0, 1.0], "mase_scale": [4.0, np.nan]})


def test_rows_without_an_actual_are_left_out_and_versions_stay_apart():
    rows = joined(vintages(), ACTUALS)
    assert rows["model_version"].tolist() == ["1", "1", "2", "2"]
    assert rows["y"].tolist() == [2.0, 5.0, 2.0, 5.0]
    assert joined(vintages(), ACTUALS[:0]).empty
    assert joined(vintages()[:0], ACTUALS).empty


def test_errors_are_those_of_a_hand_computation():
    errors = realized_errors(joined(vintages(), ACTUALS), SCALES)
    assert errors["error"].tolist() == [-1.0, -2.0] * 2
    assert errors["mae_units"].tolist() == [1.0, 2.0] * 2
    assert errors["mae"].tolist() == [0.5, 1.0] * 2
    assert errors["mase"].tolist() == [0.25, 0.5] * 2
    assert errors["coverage"].tolist() == [1.0, 0.0] * 2
    table = scored(errors, ["model_version"]).set_index("model_version")
    assert table.loc["2"].tolist() == [2, 1, 1.5, 0.75, 0.375, 0.5]


def test_a_forecast_that_is_no_number_is_as_wrong_as_can_be():
    rows = joined(vintages(), ACTUALS)
    rows.loc[0, "y_hat"] = np.nan
    errors = realized_errors(rows, SCALES)
    assert errors["mae"].tolist()[0] == np.inf
    table = scored(errors, ["model_version"]).set_index("model_version")
    assert table.loc["1", "mae"] == np.inf
    assert table.loc["2", "mae"] == 0.75


def test_scales_are_the_scalers_deviation_and_the_seasonal_difference_of_the_train_rows():
    frame = FrameConfig(
        time_column="ds", id_column="id", columns=("x", "y"), target="y", features="M", freq="h"
    )
    hours = np.arange(200)
    rng = np.random.default_rng(0)
    rows = pd.concat(
        pd.DataFrame({
            "id": name, "ds": pd.date_range("2024-01-01", periods=200, freq="h"),
            "x": rng.normal(0, 2, 200), "y": level + np.sin(hours / 4) + rng.normal(0, 1, 200),
        })
        for name, level in (("a", 0.0), ("b", 3.0))
    )  # fmt: skip
    config = ForecasterConfig(
        frame=frame, model=InformerConfig(seq_len=12, label_len=6, pred_len=4),
        training=TrainingConfig(), val=48,
    )  # fmt: skip
    forecaster = Forecaster.fit(rows, config, estimator="naive")
    stop = pd.Timestamp("2024-01-07")
    scales = train_scales(forecaster, rows, stop)
    assert set(scales["unique_id"]) == set(long_targets(rows, frame)["unique_id"])
    train = rows[(rows["id"] == "b") & (rows["ds"] < stop)]["y"].to_numpy()[:, None]
    expected = mean_difference(*seasonal_differences(train, np.full(train.shape, True), 24))[0]
    own = scales.set_index("unique_id").loc["b/y"]
    assert own["mase_scale"] == pytest.approx(expected)
    assert own["std"] == pytest.approx(rows[(rows["id"] == "b")]["y"].iloc[:152].std(ddof=0))
