"""The feed-forward part in chunks of rows: the same numbers and gradients as in one piece."""

import pytest
import torch
from torch.nn import functional as F

from informer.ops import feed_forward as module
from informer.ops.dropout import Mask, drop
from informer.ops.feed_forward import feed_forward_fast
from informer.ops.kernel import load_kernel


def draw(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = ((3, 5, 4), (8, 4), (8,), (4, 8), (4,))
    return [torch.randn(s, generator=generator).to(dtype).requires_grad_() for s in shapes]


@pytest.fixture(autouse=True)
def _several_chunks(monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_NUMBERS", 4 * 8)  # of fifteen rows four at a time


def in_one_piece(x, parameters, activation, mask=None):
    w1, b1, w2, b2 = parameters
    hidden = getattr(F, activation)(F.linear(x, w1, b1))
    if mask is not None:
        hidden = hidden * drop(torch.ones_like(hidden), mask)
    return F.linear(hidden, w2, b2)


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_chunks_compute_what_one_piece_does(activation, dropout, monkeypatch):
    if dropout and load_kernel() is None:
        pytest.skip("no C compiler")
    mask = Mask(dropout, seed=99) if dropout else None
    monkeypatch.setattr(Mask, "draw", lambda p: mask)
    x, *parameters = draw()
    y = feed_forward_fast(x, tuple(parameters), activation, dropout)
    expected = in_one_piece(x, parameters, activation, mask)
    torch.testing.assert_close(y, expected)
    direction = torch.linspace(-1, 1, y.numel()).view_as(y)
    inputs = (x, *parameters)
    got = torch.autograd.grad((y * direction).sum(), inputs)
    torch.testing.assert_close(got, torch.autograd.grad((expected * direction).sum(), inputs))


def test_gradients_are_those_of_finite_differences():
    inputs = draw(torch.float64)
    assert torch.autograd.gradcheck(
        lambda x, *parameters: feed_forward_fast(x, parameters, "gelu", 0.0), inputs
    )


def test_without_a_graph_it_is_one_piece():
    x, *parameters = draw()
    with torch.no_grad():
        y = feed_forward_fast(x, tuple(parameters), "gelu", 0.0)
        torch.testing.assert_close(y, in_one_piece(x, parameters, "gelu"))


def test_under_autocast_weights_and_gradients_keep_their_precision():
    x, *parameters = draw()
    with torch.autocast("cpu", torch.bfloat16):
        y = feed_forward_fast(x, tuple(parameters), "gelu", 0.0)
    assert y.dtype == torch.bfloat16
    expected = in_one_piece(x, parameters, "gelu")
    torch.testing.assert_close(y.float(), expected, atol=0.15, rtol=0.05)
    got = torch.autograd.grad(y.float().square().sum(), (x, *parameters))
    want = torch.autograd.grad(expected.square().sum(), (x, *parameters))
    for a, b in zip(got, want, strict=True):
        assert a.dtype == torch.float32
        assert (a - b).abs().max() < 0.05 * b.abs().max()
