"""A model with a number that is none does not become a version."""

import numpy as np
import pandas as pd
import pytest
import torch

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig
from tasks.models.soundness import require_finite
from tasks.settings import RegistryError

CONFIG = ForecasterConfig(
    frame=FrameConfig(id_column=None),
    model=InformerConfig(seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16),
    linear_look_back=24,
)


@pytest.fixture(scope="module")
def rows():
    hours = np.arange(200)
    y = np.sin(hours / 4) + np.random.default_rng(0).normal(size=200)
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=200, freq="h"), "y": y})


@pytest.fixture(scope="module")
def linear(rows):
    return Forecaster.fit(rows, CONFIG, estimator="linear")


def test_a_sound_model_is_let_through(linear, rows, tmp_path):
    require_finite(linear.save(tmp_path / "model"), linear.predict(rows), "tiny")


@pytest.mark.parametrize("wild", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_refused_by_name(linear, rows, tmp_path, wild):
    model = Forecaster.load(linear.save(tmp_path / "sound"))
    model.predictor.weight[3, 2] = wild
    with pytest.raises(RegistryError, match=r"model of tiny is not registered: linear\.weight"):
        require_finite(model.save(tmp_path / "model"), linear.predict(rows), "tiny")


def test_a_deviation_that_is_no_number_is_refused_by_name(linear, rows, tmp_path):
    model = Forecaster.load(linear.save(tmp_path / "sound"))
    model.scales.spread[0, 0] = np.inf
    with pytest.raises(RegistryError, match=r"scales\.spread holds numbers that are not finite"):
        require_finite(model.save(tmp_path / "model"), linear.predict(rows), "tiny")


@pytest.mark.parametrize("column", ["y_hat", "y_hat_q90"])
def test_a_forecast_that_is_no_number_is_refused_with_its_series(linear, rows, tmp_path, column):
    folder = linear.save(tmp_path / "model")
    forecast = linear.predict(rows)
    forecast.loc[2, column] = np.nan
    with pytest.raises(RegistryError, match="its forecast of 'y' is not finite"):
        require_finite(folder, forecast, "tiny")
    assert torch.isfinite(linear.predictor.weight).all()
