"""The quantile loss by hand, and which networks it is for."""

from dataclasses import replace

import pytest
import torch

from informer.config import InformerConfig
from informer.errors import ConfigError
from informer.nn import Informer
from informer.training.losses import LOSSES, loss_for, pinball
from tests.informer.training.tiny import make_network

SMALL = InformerConfig(d_model=8, n_heads=2, d_ff=16, quantiles=(0.1, 0.5, 0.9))


def test_pinball_is_the_mean_over_levels_and_values():
    truth = torch.tensor([[[1.0]], [[0.0]]])  # (B, P, C_t) = (2, 1, 1)
    quantiles = torch.tensor([[0.0, 3.0], [1.0, -1.0]]).view(2, 2, 1, 1)
    by_hand = [0.1 * 1, 0.1 * 2, 0.9 * 1, 0.9 * 1]  # level 0.1 then 0.9, window by window
    loss = pinball((0.1, 0.9))(quantiles, truth)
    assert float(loss) == pytest.approx(sum(by_hand) / 4)


def test_the_least_pinball_loss_is_at_the_quantile():
    truth = torch.arange(101.0).view(-1, 1, 1)
    loss = pinball((0.2,))
    tried = [float(loss(torch.full((101, 1, 1, 1), q), truth)) for q in (10.0, 20.0, 30.0)]
    assert min(tried) == tried[1]


def test_a_loss_fits_its_network():
    assert loss_for("mse", make_network()) is LOSSES["mse"]
    assert loss_for("pinball", Informer(SMALL)) is not None
    with pytest.raises(ConfigError, match=r"'mse', and the network forecasts the quantiles \[0\.1"):
        loss_for("mse", Informer(SMALL))
    with pytest.raises(ConfigError, match="'pinball', and the network forecasts one value"):
        loss_for("pinball", Informer(replace(SMALL, quantiles=())))
