"""The linear highway: where training starts, and what stays the paper's when it is off."""

from __future__ import annotations

import pytest
import torch

from informer.config import InformerConfig
from informer.errors import ConfigError
from informer.nn.model import Informer

SIZES = {
    "enc_in": 3, "dec_in": 3, "c_out": 2, "seq_len": 12, "label_len": 6, "pred_len": 4,
    "d_model": 8, "n_heads": 2, "d_ff": 16,
}  # fmt: skip


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(5, 12, 3), torch.randn(5, 12, 4), torch.randn(5, 10, 4)


@pytest.mark.parametrize("instance_norm", [False, True])
def test_an_untrained_network_forecasts_as_the_linear_model(instance_norm):
    config = InformerConfig(**SIZES, highway="ridge", instance_norm=instance_norm)
    model = Informer(config).eval()
    model.highway.copy_(torch.randn(12, 4))
    x, marks, marks_dec = inputs()
    past = x[..., -2:]
    last = past[:, -1:]
    expected = ((past - last).mT @ model.highway).mT + last
    torch.testing.assert_close(model(x, marks, None, marks_dec), expected)


def test_the_network_learns_beside_the_highway_which_stays_as_it_is():
    model = Informer(InformerConfig(**SIZES, highway="ridge"))
    x, marks, marks_dec = inputs()
    model(x, marks, None, marks_dec).square().mean().backward()
    assert model.projection.weight.grad.abs().sum() > 0
    assert "highway" not in dict(model.named_parameters())
    assert "highway" in model.state_dict()


def test_without_the_highway_the_state_is_the_papers():
    assert "highway" not in Informer(InformerConfig(**SIZES)).state_dict()


def test_targets_that_are_no_inputs_have_no_highway():
    sizes = SIZES | {"c_out": 4}
    with pytest.raises(ConfigError, match="highway=ridge forecasts"):
        Informer(InformerConfig(**sizes, highway="ridge"))
