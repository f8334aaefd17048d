"""What networks add to their highway is kept as far as every stretch of validation supports it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from informer.config import InformerConfig
from informer.data import Windows
from informer.data.windows import window_origins
from informer.estimators.baselines import ClosedFormLinear, Naive
from informer.estimators.predictor import NetworkPredictor, predict_levels
from informer.estimators.shrinkage import (
    SHARES,
    _stretches,
    kept_share,
    shrink,
    supported_share,
)
from informer.nn import Informer

CONFIG = InformerConfig(
    enc_in=1, dec_in=1, c_out=1, seq_len=8, label_len=4, pred_len=2, d_model=8, n_heads=2, d_ff=8,
    highway="ridge", instance_norm=True,
)  # fmt: skip


def val_windows(n_rows: int = 200) -> Windows:
    values = np.random.default_rng(0).normal(size=(n_rows, 1)).cumsum(axis=0) / 5
    origins = window_origins(0, 0, n_rows, CONFIG.seq_len, CONFIG.pred_len)
    return Windows.cut(
        values, np.zeros((n_rows, CONFIG.n_marks)), origins,
        seq_len=CONFIG.seq_len, label_len=CONFIG.label_len, pred_len=CONFIG.pred_len, n_targets=1,
    )  # fmt: skip


def network(seed: int = 0) -> Informer:
    torch.manual_seed(seed)
    model = Informer(CONFIG).eval()
    torch.nn.init.normal_(model.projection.weight)
    model.highway.copy_(torch.randn(CONFIG.seq_len, CONFIG.pred_len) / 10)
    return model


def forecasts(*models: Informer) -> torch.Tensor:
    predictor = NetworkPredictor(models, 0)
    return torch.cat([f[:, 0] for _, f in predict_levels(predictor, val_windows())])


def square(support: float | np.ndarray, n_windows: int = 100) -> torch.Tensor:
    """Errors where the networks' part is right to the share `support`."""
    gap = np.broadcast_to(support, n_windows)[:, None] - np.array(SHARES)
    return torch.from_numpy(np.stack((1 + gap**2, 1 + np.abs(gap)), axis=1))


def kept(errors: torch.Tensor) -> float:
    """Of windows in the order of time, in ten stretches."""
    return kept_share(errors, torch.arange(len(errors)) * 10 // len(errors))


@pytest.mark.parametrize(("support", "share"), [(1.5, 1.0), (0.6, 0.6), (0.0, 0.0), (-0.5, 0.0)])
def test_what_every_stretch_supports_is_kept(support, share):
    assert kept(square(support)) == pytest.approx(share)


def test_stretches_that_disagree_keep_less_than_their_mean_and_chance_keeps_nothing():
    steady, chance = np.repeat([0.5, 0.7] * 5, 10), np.repeat([3.0] + [-0.1] * 9, 10)
    assert 0.4 <= kept(square(steady)) < 0.6
    assert chance.mean() > 0.2
    assert kept(square(chance)) == 0.0


def test_a_model_that_errs_more_is_left_out_and_one_that_knows_is_kept():
    val = val_windows()
    drift = ClosedFormLinear(torch.full((CONFIG.seq_len, CONFIG.pred_len), 0.5))
    assert supported_share(Naive(), drift, val) == 0.0
    assert supported_share(drift, Naive(), val) > 0.9
    assert supported_share(Naive(), Naive(), val) == 0.0


def test_one_window_supports_nothing():
    assert kept(square(1.0, n_windows=1)) == 0.0


@dataclass
class Given:
    """Forecasts the same value everywhere."""

    value: float
    look_back: int = 1

    def predict(self, windows, index):
        return torch.full((len(index), windows.pred_len, windows.n_targets), self.value)


def many_series(truth: np.ndarray, n_series: int = 40) -> Windows:
    """Windows of many series, one after the other, in all of which the same comes at a time."""
    n_rows = len(truth) + 1
    begin = n_rows * np.arange(n_series)
    values = np.tile(np.concatenate([[0.0], truth]), n_series)[:, None]
    origins = (begin[:, None] + np.arange(1, n_rows)).ravel()
    stacked = Windows.cut(
        values, np.zeros((len(values), 1)), torch.from_numpy(origins),
        seq_len=1, label_len=0, pred_len=1, n_targets=1,
    )  # fmt: skip
    shifts = torch.from_numpy(np.stack([begin, begin]))
    return replace(stacked, marks=torch.zeros(n_rows, 1), shifts=shifts)


@pytest.mark.parametrize("n_series", [1, 40])
def test_a_stretch_of_time_holds_all_series_however_they_are_stacked(n_series):
    chance, always = np.repeat([2.0, 2.0, -1.0, 2.0, -1.0] * 2, 10), np.full(100, 0.6)
    start, whole = Given(0.0), Given(1.0)
    # It wins in six stretches of time and loses in four, in every series: that is no evidence.
    assert supported_share(start, whole, many_series(chance, n_series)) == 0.0
    assert supported_share(start, whole, many_series(always, n_series)) == pytest.approx(0.6)


def test_stretches_hold_equally_many_windows_and_whole_times():
    times = torch.tensor([0, 1, 2, 3, 3, 3, 3, 4])
    assert _stretches(times, 4).tolist() == [0, 0, 1, 1, 1, 1, 1, 3]
    assert _stretches(torch.arange(7), 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    shuffled = torch.tensor([6, 3, 0, 3])
    assert _stretches(shuffled, 2).tolist() == [1, 0, 0, 0]


def test_each_observed_value_counts_once_and_a_filled_one_does_not():
    truth = np.full((100, 1), 0.6)
    truth[::2] = 50.0  # what gaps were filled with
    observed = np.arange(100)[:, None] % 2 == 1
    val = Windows.cut(
        truth, np.zeros((100, 1)), torch.arange(1, 97),
        seq_len=1, label_len=0, pred_len=4, n_targets=1, observed=observed,
    )  # fmt: skip
    assert supported_share(Given(0.0), Given(1.0), val) == pytest.approx(0.6)
    unknown = replace(val, observed=torch.zeros_like(val.observed))
    assert supported_share(Given(0.0), Given(1.0), unknown) == 0.0
    # One window of two values and one of a single value in each of two stretches: the mean of
    # three values is right, not the mean of two windows.
    few, many = square(0.0, n_windows=2), square(0.9, n_windows=2)
    errors = torch.cat([few[:1], many[:1], few[:1], many[:1]])
    stretch, weight = torch.tensor([0, 0, 1, 1]), torch.tensor([2.0, 1.0, 2.0, 1.0]).double()
    twice = torch.cat([few[:1], few[:1], many[:1]] * 2)
    stretches = torch.tensor([0, 0, 0, 1, 1, 1])
    assert kept_share(errors, stretch, weight) == kept_share(twice, stretches)
    assert kept_share(errors, stretch, weight) < kept_share(errors, stretch)


def test_the_networks_part_is_scaled_and_the_highway_is_not():
    models = (network(0), network(1))
    models[1].highway.copy_(models[0].highway)
    start = [network(0), network(1)]
    for model in start:
        model.highway.copy_(models[0].highway)
        torch.nn.init.zeros_(model.projection.weight)
        torch.nn.init.zeros_(model.projection.bias)
    whole, linear = forecasts(*models), forecasts(*start)
    share = shrink(models, val_windows(), seed=0)
    torch.testing.assert_close(forecasts(*models), linear + share * (whole - linear))
    assert share < 0.5  # weights drawn at random
