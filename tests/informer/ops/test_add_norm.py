"""Dropout, residual and normalisation in one pass: the same as one after another."""

import copy

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from informer.ops import add_norm as module
from informer.ops.add_norm import add_norm_fast
from informer.ops.dropout import Dropout, Mask, drop
from informer.ops.kernel import load_kernel

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="no C compiler")

shapes = st.tuples(st.integers(1, 3), st.integers(1, 90), st.sampled_from([1, 2, 7, 16, 64]))


def layer_norm(width):
    norm = nn.LayerNorm(width)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(width))
        norm.bias.copy_(torch.randn(width))
    return norm


@given(shape=shapes, p=st.sampled_from([0.0, 0.3]), seed=st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_values_and_gradients_are_those_of_the_separate_layers(shape, p, seed):
    torch.manual_seed(seed)
    residual, x = (torch.randn(shape, requires_grad=True) for _ in range(2))
    norm, dropout = layer_norm(shape[-1]), Dropout(p, is_fast=True).train()
    direction = torch.randn(shape)

    torch.manual_seed(seed)
    y = add_norm_fast(residual, x, dropout, norm)
    inputs = (residual, x, norm.weight, norm.bias)
    found = torch.autograd.grad(y, inputs, direction)

    torch.manual_seed(seed)
    expected = norm(dropout.add(residual, x))  # draws the same mask
    wanted = torch.autograd.grad(expected, inputs, direction)
    torch.testing.assert_close(y, expected, atol=2e-5, rtol=1e-4)
    # A width of 1 or 2 normalises by a deviation near zero, which magnifies rounding.
    torch.testing.assert_close(found, wanted, atol=2e-3 if shape[-1] < 7 else 1e-4, rtol=1e-3)


def test_many_threads_sum_the_gradients_of_weight_and_bias():
    residual, x = torch.randn(64, 96, 32), torch.randn(64, 96, 32)
    norm, dropout = layer_norm(32), Dropout(0.0, is_fast=True)
    found = torch.autograd.grad(
        add_norm_fast(residual, x, dropout, norm).square().sum(), tuple(norm.parameters())
    )
    wanted = torch.autograd.grad(norm(residual + x).square().sum(), tuple(norm.parameters()))
    torch.testing.assert_close(found, wanted, atol=1e-2, rtol=1e-4)


def test_outside_training_nothing_is_dropped_or_drawn():
    x = torch.randn(4, 5, 8)
    norm, dropout = layer_norm(8), Dropout(0.9, is_fast=True).eval()
    state = torch.random.get_rng_state()
    torch.testing.assert_close(add_norm_fast(x, x, dropout, norm), norm(x + x))
    assert torch.equal(state, torch.random.get_rng_state())


def test_rows_cut_out_of_a_larger_tensor_are_taken_as_they_are():
    wide = torch.randn(3, 10, 8)
    norm, dropout = layer_norm(8), Dropout(0.0, is_fast=True)
    residual, x = wide[:, -4:], wide[:, :4]
    torch.testing.assert_close(add_norm_fast(residual, x, dropout, norm), norm(residual + x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_go_through_the_layers_of_torch(dtype, monkeypatch):
    monkeypatch.setattr(module, "call", lambda *_: pytest.fail("the C function was called"))
    x = torch.randn(2, 3, 8, dtype=dtype)
    norm = copy.deepcopy(layer_norm(8)).to(dtype)
    y = add_norm_fast(x, x, Dropout(0.0, is_fast=True), norm)
    torch.testing.assert_close(y, norm(x + x))


def test_the_mask_is_the_one_that_dropout_makes_of_the_seed():
    x = torch.ones(50, 16)
    norm = nn.LayerNorm(16)
    torch.manual_seed(3)
    y = add_norm_fast(torch.zeros_like(x), x, Dropout(0.5, is_fast=True).train(), norm)
    torch.manual_seed(3)
    torch.testing.assert_close(y, norm(drop(x, Mask.draw(0.5))))


def test_under_autocast_rows_of_both_precisions_are_normalised_in_float32():
    residual = torch.randn(4, 6, 16, requires_grad=True)
    x = torch.randn(4, 6, 16).bfloat16().requires_grad_()
    norm, dropout = layer_norm(16), Dropout(0.0, is_fast=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = add_norm_fast(residual, x, dropout, norm)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, norm(residual + x.float()), atol=1e-5, rtol=1e-5)
    grads = torch.autograd.grad(y.square().sum(), (residual, x))
    assert [g.dtype for g in grads] == [torch.float32, torch.bfloat16]
