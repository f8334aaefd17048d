"""What networks add to their highway is kept as far as every stretch of validation supports it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from informer.config import InformerConfig
from informer.data import Windows
from informer.data.windows import window_origins
from informer.estimators.baselines import ClosedFormLinear, Naive
from informer.estimators.predictor import NetworkPredictor, predict_levels
from informer.estimators.shrinkage import SHARES, kept_share, shrink, supported_share
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


@pytest.mark.parametrize(("support", "share"), [(1.5, 1.0), (0.6, 0.6), (0.0, 0.0), (-0.5, 0.0)])
def test_what_every_stretch_supports_is_kept(support, share):
    assert kept_share(square(support), 10) == pytest.approx(share)


def test_stretches_that_disagree_keep_less_than_their_mean_and_chance_keeps_nothing():
    steady, chance = np.repeat([0.5, 0.7] * 5, 10), np.repeat([3.0] + [-0.1] * 9, 10)
    assert 0.4 <= kept_share(square(steady), 10) < 0.6
    assert chance.mean() > 0.2
    assert kept_share(square(chance), 10) == 0.0


def test_a_model_that_errs_more_is_left_out_and_one_that_knows_is_kept():
    val = val_windows()
    drift = ClosedFormLinear(torch.full((CONFIG.seq_len, CONFIG.pred_len), 0.5))
    assert supported_share(Naive(), drift, val) == 0.0
    assert supported_share(drift, Naive(), val) > 0.9
    assert supported_share(Naive(), Naive(), val) == 0.0


def test_one_window_supports_nothing():
    assert kept_share(square(1.0, n_windows=1), 10) == 0.0


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
