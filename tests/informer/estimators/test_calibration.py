"""Intervals cover what they promise, also where the noise of the validation rows was another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from informer.data import Windows
from informer.errors import FrameError
from informer.estimators import calibration as module
from informer.estimators.calibration import Calibration, LocalScale, calibrate

LEVELS = (0.1, 0.5, 0.9)
N_TARGETS = 2


@dataclass
class Flat:
    """Forecasts the same everywhere."""

    value: float = 0.0
    look_back: int = 1

    def predict(self, windows, index):
        return torch.full((len(index), windows.pred_len, windows.n_targets), self.value)


def noise(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """White noise whose deviation slowly swings between 0.4 and 3; and that deviation."""
    rng = np.random.default_rng(seed)
    deviation = np.exp(np.sin(np.arange(n_rows) / n_rows * 9.5 * np.pi))[:, None]
    return deviation * rng.normal(size=(n_rows, N_TARGETS)), deviation


def windows(
    values: np.ndarray, first: int, stop: int, seq_len: int = 48, observed: np.ndarray | None = None
) -> Windows:
    return Windows.cut(
        values, np.zeros((len(values), 1)), torch.arange(max(first, seq_len), stop - 4),
        seq_len=seq_len, label_len=0, pred_len=4, n_targets=values.shape[1], observed=observed,
    )  # fmt: skip


def calibrated(predictor, values, season=24, n_val=None, **sizes) -> Calibration:
    """On the first tenth of the rows as train, the next quarter as validation rows."""
    a, b = len(values) // 10, len(values) // 3
    val = windows(values, a, b, **sizes)
    val = val if n_val is None else val.subset(slice(None, None, len(val) // (n_val - 1) - 1))
    names = [f"target {i}" for i in range(values.shape[1])]
    return calibrate(predictor, windows(values, 0, a, **sizes), val, LEVELS, season, names)


def coverage(calibration: Calibration, predictor, test: Windows) -> float:
    index = torch.arange(len(test))
    forecast = predictor.predict(test, index).unsqueeze(1)
    _, quantiles = calibration.quantiles(forecast, test, index, calibration.spread)
    low, _, high = quantiles.unbind(dim=1)
    truth = test.horizon(index)
    return float(((truth >= low) & (truth <= high)).float().mean())


def test_intervals_cover_where_the_noise_is_another_than_on_the_validation_rows():
    values, deviation = noise(30_000)
    calibration = calibrated(Flat(), values)
    assert calibration.scale.form != "none"
    for calm in (True, False):
        test = windows(values, 10_000, len(values))
        own = deviation[test.origins.numpy(), 0]
        chosen = own < 0.7 if calm else own > 1.5
        found = coverage(calibration, Flat(), test.subset(torch.from_numpy(chosen)))
        assert found == pytest.approx(0.8, abs=0.02)


def test_noise_that_never_changes_is_covered_too():
    values = np.random.default_rng(0).normal(size=(12_000, N_TARGETS))
    calibration = calibrated(Flat(), values)
    found = coverage(calibration, Flat(), windows(values, 4_000, len(values)))
    assert found == pytest.approx(0.8, abs=0.02)


def test_offsets_are_order_statistics_of_the_validation_residuals():
    values = np.arange(10.0)[:, None]  # residuals 1 ... 9
    val = Windows.cut(
        values, np.zeros((10, 1)), torch.arange(1, 10),
        seq_len=1, label_len=0, pred_len=1, n_targets=1,
    )  # fmt: skip
    levels = (0.2, 0.5, 0.8)
    found = calibrate(Flat(), val, val, levels, 24, ["y"])
    assert found.offsets.ravel().tolist() == [2.0, 5.0, 8.0]
    observed = torch.ones(10, 1, dtype=torch.bool)
    observed[9] = False  # the residual 9 is not scored
    val = replace(val, observed=observed)
    found = calibrate(Flat(), val, val, levels, 24, ["y"])
    assert found.offsets.ravel().tolist() == [1.0, 4.0, 8.0]


def test_quantiles_of_a_forecast_rise_and_follow_it():
    values, _ = noise(3_000)
    calibration = calibrated(Flat(), values)
    test = windows(values, 2_000, 3_000)
    index = torch.arange(7)
    forecast = torch.randn(7, 1, 4, N_TARGETS)
    _, quantiles = calibration.quantiles(forecast, test, index, calibration.spread)
    assert quantiles.shape == (7, 3, 4, N_TARGETS)
    assert (quantiles.diff(dim=1) >= 0).all()
    _, moved = calibration.quantiles(forecast + 5, test, index, calibration.spread)
    torch.testing.assert_close(moved, quantiles + 5)


def test_quantiles_that_calibration_would_cross_are_put_in_order():
    offsets = torch.tensor([3.0, 0.0, -3.0]).view(3, 1, 1)
    spread = torch.ones(1, 1)
    flat = LocalScale("none", 1, 1.0, torch.ones(1))
    calibration = Calibration(LEVELS, offsets, flat, ("",), spread)
    values = np.zeros((60, 1))
    forecast = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1)
    _, found = calibration.quantiles(forecast, windows(values, 0, 60), torch.arange(1), spread)
    assert found.ravel().tolist() == [-2.0, 0.0, 2.0]


@pytest.mark.parametrize("form", ["step", "season", "deviation"])
def test_a_scale_is_the_windows_restlessness_against_the_train_windows(form):
    values, _ = noise(2_000)
    scale = LocalScale.fit(form, 24, 1.0, windows(values, 0, 1_000))
    calm, restless = (windows(factor * values, 0, 1_000) for factor in (1.0, 3.0))
    index = torch.arange(len(calm))
    assert scale.of(calm, index).mean(dim=0).tolist() == pytest.approx([1.0] * 2, abs=1e-4)
    torch.testing.assert_close(scale.of(restless, index), 3 * scale.of(calm, index))


def test_a_window_that_stands_still_keeps_an_interval():
    values, _ = noise(3_000)
    scale = LocalScale.fit("step", 24, 1.0, windows(values, 0, 1_000))
    calibration = replace(calibrated(Flat(), values), scale=scale)
    still = windows(np.zeros((100, N_TARGETS)), 0, 100)
    zeros = torch.zeros(1, 1, 4, 2)
    _, found = calibration.quantiles(zeros, still, torch.arange(1), calibration.spread)
    low, _, high = found[0]
    assert (low < high).all()


def test_a_target_that_was_never_observed_gets_the_intervals_of_the_others_and_is_named(caplog):
    values, _ = noise(3_000)
    observed = np.ones(values.shape, bool)
    observed[:, 1] = False
    found = calibrated(Flat(), values, observed=observed)
    width = found.offsets[2] - found.offsets[0]  # (P, C_t)
    assert not found.offsets.isnan().any()
    assert (width[:, 1] > 0.5 * width[:, 0].mean()).all()
    assert "(target 1: 0; needed: 9)" in caplog.text


def test_validation_rows_without_one_observed_value_are_refused():
    values, _ = noise(3_000)
    with pytest.raises(FrameError, match=r"no value of target 0, target 1 was observed in .* 696"):
        calibrated(Flat(), values, observed=np.zeros(values.shape, bool))


def test_few_validation_windows_are_told_with_their_number_and_the_need(caplog):
    values, _ = noise(3_000)
    calibrated(Flat(), values, n_val=12)
    assert not caplog.records
    found = calibrated(Flat(), values, n_val=5)
    assert "(target 0: 5, target 1: 5; needed: 9)" in caplog.text
    assert (found.offsets.diff(dim=0) > 0).all()


@pytest.mark.parametrize("form", ["step", "season", "deviation"])
def test_a_gap_in_the_past_makes_no_window_calm(form):
    values, _ = noise(2_000)
    observed = np.random.default_rng(0).random(values.shape) > 0.5
    filled = np.where(observed, values, 0.0)
    whole = LocalScale.fit(form, 24, 1.0, windows(values, 0, 1_000))
    gappy = windows(filled, 0, 1_000, observed=observed)
    scale = LocalScale.fit(form, 24, 1.0, gappy)
    torch.testing.assert_close(scale.typical, whole.typical, rtol=0.1, atol=0)
    assert scale.of(gappy, gappy.numbers).mean() == pytest.approx(1.0, abs=0.05)
    nothing = replace(gappy, observed=torch.zeros_like(gappy.observed))
    assert (scale.of(nothing, torch.arange(3)) == 1).all()
    assert (LocalScale.fit(form, 24, 1.0, nothing).of(gappy, torch.arange(3)) > 0).all()


def test_a_window_shorter_than_a_season_is_measured_in_another_way():
    values, _ = noise(3_000)
    assert calibrated(Flat(), values, season=500).scale.form != "season"


def test_the_form_of_the_scale_takes_little_memory_and_is_the_same_however_little(monkeypatch):
    values, _ = noise(3_000)
    held: list[int] = []
    whole = calibrated(Flat(), values)
    measured, cut = module._measured, 7 * 48 * N_TARGETS

    def seen(windows, index, form, lag):
        held.append(len(index) * windows.seq_len * windows.n_targets)
        return measured(windows, index, form, lag)

    monkeypatch.setattr(module, "_measured", seen)
    monkeypatch.setattr(module, "MAX_PAST", cut)
    parted = calibrated(Flat(), values)
    assert max(held) == cut
    assert whole.scale.form != "none"
    assert (parted.scale.form, parted.scale.share) == (whole.scale.form, whole.scale.share)
    torch.testing.assert_close(parted.scale.typical, whole.scale.typical, rtol=0, atol=0)
    torch.testing.assert_close(parted.offsets, whole.offsets, rtol=0, atol=0)


def test_of_a_long_horizon_only_the_steps_that_judge_are_held():
    values, _ = noise(600)
    long = Windows.cut(
        values, np.zeros((600, 1)), torch.arange(48, 500),
        seq_len=48, label_len=0, pred_len=100, n_targets=N_TARGETS,
        observed=np.random.default_rng(1).random(values.shape) > 0.1,
    )  # fmt: skip
    whole = module._residuals(Flat(), long)
    some = module._residuals(Flat(), long, every=12)
    assert some.untyped_storage().nbytes() == 452 * 9 * N_TARGETS * 4
    torch.testing.assert_close(some, whole[:, :, ::12], rtol=0, atol=0, equal_nan=True)
