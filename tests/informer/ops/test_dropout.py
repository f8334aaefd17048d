"""Dropout by a seed: its distribution, its gradient, and torch's own where it cannot be had."""

import pytest
import torch
from torch.nn import functional as F

from informer.ops import dropout
from informer.ops.dropout import Dropout, Mask, can_drop, drop
from informer.ops.kernel import load_kernel

N = 2**18

needs_compiler = pytest.mark.skipif(load_kernel() is None, reason="no C compiler")


@needs_compiler
@pytest.mark.parametrize("p", [0.05, 0.5, 0.999])
def test_numbers_are_dropped_at_the_rate_asked_for_and_the_others_scaled(p):
    torch.manual_seed(0)
    y = drop(torch.ones(N), Mask.draw(p))
    dropped = (y == 0).float().mean().item()
    assert dropped == pytest.approx(p, abs=4 * (p * (1 - p) / N) ** 0.5)
    assert y[y != 0].unique().tolist() == pytest.approx([1 / (1 - p)])


@needs_compiler
def test_masks_are_independent_of_each_other_and_along_the_tensor():
    torch.manual_seed(0)
    kept = torch.stack([drop(torch.ones(N), Mask.draw(0.5)) - 1 for _ in range(8)])
    bound = 5 / N**0.5
    between = (kept @ kept.T / N).fill_diagonal_(0)
    assert between.abs().max() < bound
    for lag in (1, 2, 3, 8, 64, 512, 4096):
        assert (kept[0, lag:] @ kept[0, :-lag] / N).abs() < bound


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_mask_is_a_function_of_seed_and_position(dtype):
    x = torch.randn(40_000, dtype=dtype)  # long enough for several threads
    mask = Mask(0.3, seed=7)
    whole = drop(x, mask)
    assert torch.equal(whole, drop(x, mask))
    assert not torch.equal(whole, drop(x, Mask(0.3, seed=8)))
    assert torch.equal(whole[1000:], drop(x[1000:], mask.from_position(1000)))
    scaled = (x.float() / 0.7).to(dtype)
    torch.testing.assert_close(whole, torch.where(whole == 0, whole, scaled))
    torch.testing.assert_close(drop(x, mask, x), (whole.float() + x.float()).to(dtype))


@needs_compiler
def test_gradients_pass_where_numbers_passed():
    layer = Dropout(0.4, is_fast=True)
    x = torch.ones(6, 50, requires_grad=True)
    residual = torch.zeros(6, 50, requires_grad=True)
    y = layer.add(residual, x)
    assert 0 < (y == 0).sum() < 300
    grads = torch.autograd.grad(y.sum(), (x, residual))
    torch.testing.assert_close(grads[0], y)
    torch.testing.assert_close(grads[1], torch.ones(6, 50))
    y = layer(x)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], y)


@needs_compiler
def test_one_seed_gives_one_training_step():
    layer = Dropout(0.4, is_fast=True)
    x = torch.ones(200)
    torch.manual_seed(1)
    first = layer(x)
    second = layer(x)
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)


@pytest.mark.parametrize("is_fast", [True, False])
def test_outside_training_nothing_is_dropped(is_fast):
    layer = Dropout(0.4, is_fast=is_fast).eval()
    x = torch.randn(5, 7)
    assert torch.equal(layer(x), x)
    assert torch.equal(layer.add(x, x), x + x)


def test_without_the_kernel_it_is_the_dropout_of_torch(monkeypatch):
    monkeypatch.setattr(dropout, "load_kernel", lambda: None)
    layer = Dropout(0.4, is_fast=True)
    x = torch.randn(5, 7)
    assert not can_drop(x)
    torch.manual_seed(1)
    expected = F.dropout(x, 0.4)
    torch.manual_seed(1)
    assert torch.equal(layer(x), expected)


def test_what_the_kernel_cannot_read_is_left_to_torch():
    x = torch.randn(3)
    assert not can_drop(x.double())
    assert not can_drop(x, x.bfloat16())
    assert not can_drop(x.to("meta"))
