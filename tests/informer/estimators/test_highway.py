"""The blended highway against the four regressions that it is the mean of, solved one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from informer.data import Windows
from informer.data.windows import window_origins
from informer.estimators.baselines import ClosedFormLinear
from informer.estimators.highway import FLOOR, PENALTIES, blended_highway

L, P, SEASON = 10, 5, 4


def windows(values: np.ndarray, look_back: int = L) -> Windows:
    return Windows.cut(
        values, np.zeros((len(values), 1)), window_origins(0, 0, len(values), look_back, P),
        seq_len=look_back, label_len=2, pred_len=P, n_targets=values.shape[1],
    )  # fmt: skip


def series(n_rows: int, seed: int = 0) -> np.ndarray:
    """Two columns with a season of `SEASON` and a wandering level."""
    rng = np.random.default_rng(seed)
    wander = rng.normal(size=(n_rows, 2)).cumsum(axis=0) / 5
    return wander + np.sin(np.arange(n_rows) / SEASON * 2 * np.pi)[:, None] + 0.1 * wander**2


def pairs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Past and future of every window of every column: (n, L), (n, P)."""
    rows = np.lib.stride_tricks.sliding_window_view(values.astype(np.float32), L + P, axis=0)
    rows = rows.reshape(-1, L + P).astype(np.float64)
    return rows[:, :L], rows[:, L:]


def forecast_by_hand(train: np.ndarray, val: np.ndarray, is_seasonal: bool, weighted: bool):
    """One of the four: ridge of what the prior leaves, on the past less the prior's own level."""
    (x, y), (vx, vy) = pairs(train), pairs(val)

    def prior(past: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not is_seasonal:
            return past[:, -1:].repeat(P, axis=1), past[:, -1:]
        whole = past[:, -(L // SEASON) * SEASON :].reshape(len(past), -1, SEASON).mean(axis=1)
        ahead = whole[:, np.arange(P) % SEASON]
        return ahead, ahead.mean(axis=1, keepdims=True)

    variance = x.var(axis=1, keepdims=True)
    weight = 1 / (variance + FLOOR * variance.mean()) if weighted else np.ones_like(variance)
    weight /= weight.sum()
    start, level = prior(x)
    gram = (x - level).T @ ((x - level) * weight)
    cross = (x - level).T @ ((y - start) * weight)
    v_start, v_level = prior(vx)
    forecasts = [
        v_start + (vx - v_level) @ np.linalg.solve(gram + penalty * np.eye(L), cross)
        for penalty in PENALTIES
    ]
    return min(forecasts, key=lambda f: float(((f - vy) ** 2).sum()))


def blended(train: Windows, val: Windows, season: int) -> torch.Tensor:
    return blended_highway(train, val, ClosedFormLinear.fit(train, val, L).weight, season)


def test_the_blend_is_the_mean_of_the_four_regressions():
    train, val = series(300), series(80, seed=1)
    weight = blended(windows(train), windows(val), SEASON)
    x, _ = pairs(val)
    found = (x - x[:, -1:]) @ weight.double().numpy() + x[:, -1:]
    four = [
        forecast_by_hand(train, val, is_seasonal, weighted)
        for is_seasonal in (True, False)
        for weighted in (True, False)
    ]
    np.testing.assert_allclose(found, np.mean(four, axis=0), atol=2e-3)


def test_a_forecast_moves_with_the_level_and_the_units():
    train, val = series(300), series(80, seed=1)
    plain = blended(windows(train), windows(val), SEASON)
    moved = blended(windows(train + 100), windows(val + 100), SEASON)
    torch.testing.assert_close(moved, plain, atol=5e-3, rtol=0)


def test_a_past_shorter_than_a_season_is_drawn_to_the_last_value_alone():
    train, val = series(300), series(80, seed=1)
    weight = blended(windows(train), windows(val), season=L + 1)
    assert weight.shape == (L, P)
    linear = ClosedFormLinear.fit(windows(train), windows(val), L).weight
    assert float((weight - linear).abs().max()) < 0.2


@pytest.mark.parametrize("season", [SEASON, 2 * SEASON])
def test_a_pure_season_is_forecast_exactly(season):
    values = np.sin(np.arange(200) / SEASON * 2 * np.pi)[:, None].repeat(2, axis=1)
    all_windows = windows(values)
    linear = ClosedFormLinear(blended(all_windows, all_windows, season))
    index = torch.arange(50)
    error = linear.predict(all_windows, index) - all_windows.batch(index).y
    assert float(error.abs().max()) < 0.02
