"""The baselines against what they must give by definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from informer.data import Windows
from informer.data.windows import window_origins
from informer.estimators.baselines import ClosedFormLinear, Naive, SeasonalNaive


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


def test_naive_repeats_the_last_value_of_the_last_channels():
    values = np.stack([np.arange(10.0), 100 + np.arange(10.0)], axis=1)
    forecast = Naive().predict(windows(values, 4, 3, 1), torch.tensor([0, 2]))
    assert forecast[..., 0].tolist() == [[103] * 3, [105] * 3]
    assert Naive().look_back == 1


def test_seasonal_naive_repeats_the_last_season_also_beyond_one():
    values = np.arange(20.0)[:, None]
    forecast = SeasonalNaive(3).predict(windows(values, 4, 7, 1), torch.tensor([0]))
    assert forecast[0, :, 0].tolist() == [1, 2, 3, 1, 2, 3, 1]


def test_seasonal_naive_forecasts_the_last_channels_only():
    values = np.stack([np.arange(10.0), 100 + np.arange(10.0)], axis=1)
    forecast = SeasonalNaive(2).predict(windows(values, 4, 2, 1), torch.tensor([0, 1]))
    assert forecast.shape == (2, 2, 1)
    assert forecast[0, :, 0].tolist() == [102, 103]


def test_the_linear_model_solves_a_linear_recurrence_exactly():
    steps = np.arange(400)
    values = np.stack([np.sin(steps / 5), 2 * np.cos(steps / 5)], axis=1)
    all_windows = windows(values, 8, 6, 2)
    model = ClosedFormLinear.fit(all_windows.subset(slice(0, 300)), all_windows, 8)
    index = torch.arange(310, 350)
    error = model.predict(all_windows, index) - all_windows.batch(index).y
    assert error.abs().max() < 1e-2


def test_the_linear_model_is_the_ridge_solution_of_its_normal_equations():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 1)).cumsum(axis=0) / 10
    all_windows = windows(values, 5, 3, 1)
    model = ClosedFormLinear.fit(all_windows, all_windows, 5)
    rows = np.lib.stride_tricks.sliding_window_view(values[:, 0].astype(np.float32), 8)
    x, y = rows[:, :5] - rows[:, 4:5], rows[:, 5:] - rows[:, 4:5]
    candidates = [
        np.linalg.solve(x.T @ x + penalty * len(x) * np.eye(5), x.T @ y)
        for penalty in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    ]
    best = min(candidates, key=lambda weight: float(((x @ weight - y) ** 2).sum()))
    np.testing.assert_allclose(model.weight.numpy(), best, atol=1e-4)


@pytest.mark.parametrize("shift", [5.0, -3.0])
def test_a_shifted_history_shifts_the_linear_forecast(shift):
    values = np.sin(np.arange(100) / 3)[:, None]
    base = windows(values, 6, 4, 1)
    model = ClosedFormLinear.fit(base, base, 6)
    index = torch.arange(10)
    moved = model.predict(windows(values + shift, 6, 4, 1), index)
    torch.testing.assert_close(moved, model.predict(base, index) + shift, atol=1e-4, rtol=1e-4)
