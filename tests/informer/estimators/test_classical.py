"""The classical baselines: what they must give by definition, and what is said without them."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from informer.data import Windows
from informer.data.windows import window_origins
from informer.errors import ConfigError
from informer.estimators.baselines import N_CALIBRATION, calibration_windows
from informer.estimators.classical import Classical
from informer.estimators.names import LIBRARY, require_library

IS_THERE = importlib.util.find_spec(LIBRARY) is not None
needs_library = pytest.mark.skipif(not IS_THERE, reason="the extra `classical` is not installed")


def windows(values: np.ndarray, look_back: int, pred_len: int, n_targets: int) -> Windows:
    return Windows.cut(
        values,
        np.zeros((len(values), 1)),
        window_origins(0, 0, len(values), look_back, pred_len),
        seq_len=4,
        label_len=2,
        pred_len=pred_len,
        n_targets=n_targets,
    )


@pytest.mark.skipif(IS_THERE, reason="the extra `classical` is installed")
def test_without_the_library_the_error_says_what_to_run():
    with pytest.raises(ConfigError, match=r"pip install 'informer-pipeline\[classical\]'"):
        Classical("auto_ets", 24, 96)
    with pytest.raises(ConfigError, match="leave auto_arima out"):
        require_library("auto_arima")


@needs_library
@pytest.mark.filterwarnings("ignore::Warning:statsforecast", "ignore::Warning:numba")
@pytest.mark.parametrize("name", ["auto_ets", "auto_theta", "auto_arima"])
def test_a_season_is_found_and_the_past_alone_is_read(name):
    rng = np.random.default_rng(0)
    season = np.sin(np.arange(120) / 6 * 2 * np.pi)
    values = np.stack([rng.normal(size=120), season + rng.normal(0, 0.05, 120)], axis=1)
    values[:, 0] = 7.0  # never changes
    own = windows(values, 48, 6, 2)
    model = Classical(name, 6, 48)
    index = torch.tensor([0, 20])
    forecast = model.predict(own, index)
    assert forecast.shape == (2, 6, 2)
    assert (forecast[..., 0] == 7.0).all()
    error = forecast[..., 1] - own.batch(index).y[..., 1]
    assert error.abs().mean() < 0.25
    changed = values.copy()
    changed[48:] = -99.0
    again = model.predict(windows(changed, 48, 6, 2), index[:1])
    torch.testing.assert_close(again, forecast[:1])


@needs_library
@pytest.mark.filterwarnings("ignore::Warning:statsforecast", "ignore::Warning:numba")
def test_a_season_longer_than_the_rows_is_left_out():
    values = np.random.default_rng(0).normal(size=(60, 1))
    forecast = Classical("auto_theta", 40, 24).predict(windows(values, 24, 3, 1), torch.arange(2))
    assert forecast.isfinite().all()


def test_some_windows_calibrate_a_classical_model_and_all_the_others():
    all_windows = windows(np.zeros((500, 1)), 4, 2, 1)
    some = calibration_windows("auto_ets", all_windows)
    assert len(some) == N_CALIBRATION
    assert (int(some.origins[0]), int(some.origins[-1])) == (4, 498)
    assert len(calibration_windows("linear", all_windows)) == len(all_windows)
    few = all_windows.subset(slice(0, 5))
    assert len(calibration_windows("auto_ets", few)) == 5
