"""Distilling with the rows where they lie: the layers of torch, in another order."""

import copy

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional as F

from informer.ops import distil as module
from informer.ops.distil import distil_fast
from informer.ops.kernel import load_kernel

shapes = st.tuples(st.integers(1, 4), st.integers(1, 70), st.sampled_from([1, 3, 16, 32]))


def layers(width):
    conv = nn.Conv1d(width, width, kernel_size=3, padding=1, padding_mode="circular")
    norm = nn.BatchNorm1d(width)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(width))  # of both signs: the maximum follows the sign
        norm.bias.copy_(torch.randn(width))
    return conv, norm


def as_the_paper_has_it(x, conv, norm):
    y = F.elu(norm(conv(x.transpose(1, 2))))
    return F.max_pool1d(y, kernel_size=3, stride=2, padding=1).transpose(1, 2)


def run(function, x, conv, norm):
    y = function(x, conv, norm)
    direction = torch.linspace(-1, 1, y.numel()).view_as(y)
    inputs = (x, *conv.parameters(), *norm.parameters())
    return y, torch.autograd.grad(y, inputs, direction)


@given(shape=shapes, seed=st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_values_gradients_and_running_statistics_are_those_of_the_layers(shape, seed):
    torch.manual_seed(seed)
    B, L, _ = shape
    if B * L == 1:
        return  # a batch norm refuses a single row in training
    x = torch.randn(shape, requires_grad=True)
    conv, norm = layers(shape[-1])
    other = copy.deepcopy(norm)
    y, gradients = run(distil_fast, x, conv, norm)
    expected, wanted = run(as_the_paper_has_it, x, conv, other)
    torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gradients, wanted, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(norm.state_dict(), other.state_dict(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("with_kernel", [True, False])
def test_evaluation_uses_the_running_statistics_and_leaves_them(with_kernel, monkeypatch):
    if not with_kernel:
        monkeypatch.setattr(module, "suits_kernel", lambda *_: False)
    x = torch.randn(3, 11, 8)
    conv, norm = layers(8)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    before = copy.deepcopy(norm.eval().state_dict())
    with torch.no_grad():
        y = distil_fast(x, conv, norm)
        torch.testing.assert_close(y, as_the_paper_has_it(x, conv, norm), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(norm.state_dict(), before, atol=0, rtol=0)


@pytest.mark.skipif(load_kernel() is None, reason="no C compiler")
def test_both_ways_agree_on_a_batch_for_several_threads(monkeypatch):
    x = torch.randn(16, 97, 64, requires_grad=True)
    conv, norm = layers(64)
    y, gradients = run(distil_fast, x, conv, norm)
    monkeypatch.setattr(module, "suits_kernel", lambda *_: False)
    expected, wanted = run(distil_fast, x, conv, norm)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients, wanted, atol=1e-3, rtol=1e-3)


def test_a_value_that_is_no_number_is_not_lost():
    x = torch.randn(2, 12, 4)
    x[1, 5, 2] = torch.nan
    conv, norm = layers(4)
    assert distil_fast(x, conv, norm).isnan().any()


def test_a_gradient_in_evaluation_is_right_too():
    x = torch.randn(2, 9, 4, requires_grad=True)
    conv, norm = layers(4)
    norm.eval()
    found, wanted = run(distil_fast, x, conv, norm), run(as_the_paper_has_it, x, conv, norm)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.skipif(load_kernel() is None, reason="no C compiler")
def test_bfloat16_under_autocast_stays_near_float32():
    torch.manual_seed(0)
    x = torch.randn(4, 30, 16, requires_grad=True)
    conv, norm = layers(16)
    expected, wanted = run(distil_fast, x, conv, copy.deepcopy(norm))
    with torch.autocast("cpu", torch.bfloat16):
        y, gradients = run(distil_fast, x, conv, norm)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, expected, atol=0.1, rtol=0.05)
    for name, found, exact in zip(("x", "weight"), gradients, wanted, strict=False):
        assert found.dtype == exact.dtype, name
        assert torch.cosine_similarity(found.flatten(), exact.flatten(), dim=0) > 0.97, name
