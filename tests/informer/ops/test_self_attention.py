"""A layer of ProbSparse self-attention: what the fast backend leaves out changes nothing."""

import pytest
import torch

from informer.nn import ProbAttention
from informer.nn.attention import AttentionLayer
from informer.ops import self_attention
from informer.ops.self_attention import _is_low_rank

D, H, L = 64, 2, 90


def make_layer(backend, **options):
    torch.manual_seed(1)
    inner = ProbAttention(
        causal=options.pop("causal"), factor=2, need_weights=True, backend=backend
    )
    return AttentionLayer(inner, D, H, **options)


def run(layer, x, n_last=None):
    torch.manual_seed(2)  # of the sampled keys
    y, weights = layer(x, x, x, None, n_last)
    direction = torch.rand(y.shape, generator=torch.Generator().manual_seed(3))  # cancels nothing
    names, parameters = zip(*layer.named_parameters(), strict=True)
    gradients = torch.autograd.grad((y * direction).sum(), (x, *parameters))
    return y, weights, dict(zip(("x", *names), gradients, strict=True))


def draw():
    generator = torch.Generator().manual_seed(4)
    return (3 * torch.randn(3, L, D, generator=generator)).requires_grad_()


@pytest.mark.parametrize("is_low_rank", [True, False])
def test_projections_moved_to_the_kept_queries_change_nothing(is_low_rank, monkeypatch):
    monkeypatch.setattr(self_attention, "_is_low_rank", lambda *_: is_low_rank)
    x = draw()
    y, weights, gradients = run(make_layer("fast", causal=False), x)
    expected, expected_weights, expected_gradients = run(make_layer("reference", causal=False), x)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weights, expected_weights, atol=1e-5, rtol=1e-5)
    for name, value in expected_gradients.items():
        # A key's bias moves all scores of a query alike: its gradient is nought but for rounding.
        bound = 1e-3 if name == "key_projection.bias" else 1e-5 * value.abs().max().item()
        torch.testing.assert_close(gradients[name], value, atol=bound, rtol=1e-4, msg=name)


@pytest.mark.parametrize("mix", [True, False])
@pytest.mark.parametrize("n_last", [None, 30])
def test_rows_that_are_not_wanted_are_left_out(mix, n_last):
    x = draw()
    y, _, gradients = run(make_layer("fast", causal=True, mix=mix), x, n_last)
    reference = make_layer("reference", causal=True, mix=mix)
    expected, _, expected_gradients = run(reference, x, n_last)
    torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-5)
    for name, value in expected_gradients.items():
        bound = 1e-2 if name == "key_projection.bias" else 1e-5 * value.abs().max().item()
        torch.testing.assert_close(gradients[name], value, atol=bound, rtol=1e-4, msg=name)
    assert y.shape == (3, n_last or L, D)


def test_projections_move_where_few_queries_are_kept_and_the_width_is_large():
    assert _is_low_rank(n_top=25, length=96, n_heads=8, d_model=512)
    assert _is_low_rank(n_top=35, length=720, n_heads=8, d_model=512)
    assert not _is_low_rank(n_top=25, length=96, n_heads=4, d_model=64)
    assert not _is_low_rank(n_top=20, length=24, n_heads=8, d_model=512)


def test_the_choice_leaves_autocast_s_weights_their_graph():
    """A cast that autocast made without a graph must not be used again with one."""
    layer = make_layer("fast", causal=True)
    x = draw()
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = layer(x, x, x)
    y.float().sum().backward()
    assert layer.query_projection.weight.grad.abs().sum() > 0
    assert layer.key_projection.weight.grad.abs().sum() > 0
