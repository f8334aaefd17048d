"""The hand-written gradients are of first order: a second one is refused, never wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from informer.ops import context
from informer.ops.add_norm import add_norm_fast
from informer.ops.context import attend_and_spread
from informer.ops.distil import distil_fast
from informer.ops.dropout import Dropout
from informer.ops.feed_forward import feed_forward_fast
from informer.ops.full_attention import full_attention_fast
from informer.ops.kernel import load_kernel

needs_kernel = pytest.mark.skipif(load_kernel() is None, reason="no C compiler")
D = 8


def spread(x, *, need_weights=True):
    heads = x.view(2, 12, 2, 4)
    top = torch.arange(3).expand(2, 2, 3)
    q_top = heads[:, :3].transpose(1, 2)
    return attend_and_spread(q_top, heads, heads, top, 12, causal=False, need_weights=need_weights)[
        0
    ]


def spread_in_chunks(x):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "_LONG", 1)
        return spread(x, need_weights=False)


def feed_forward(x):
    maps = (torch.randn(16, D), torch.randn(16), torch.randn(D, 16), torch.randn(D))
    return feed_forward_fast(x, maps, "gelu", 0.0)


def full_attention(x):
    heads = x.view(2, 12, 2, 4)
    return full_attention_fast(heads, heads, heads, causal=True, dropout=0.2)


def dropped(x):
    return Dropout(0.3, is_fast=True).train().add(x, x)


def add_norm(x):
    return add_norm_fast(x, x, Dropout(0.3, is_fast=True).train(), nn.LayerNorm(D))


def distilled(x):
    return distil_fast(x, nn.Conv1d(D, D, 3), nn.BatchNorm1d(D).train())


OPERATIONS = [
    spread, spread_in_chunks, feed_forward,
    *(pytest.param(one, marks=needs_kernel) for one in
      (full_attention, dropped, add_norm, distilled)),
]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_gradient_of_a_gradient_is_refused(operation):
    torch.manual_seed(0)
    x = torch.randn(2, 12, D, requires_grad=True)
    y = operation(x)
    (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    assert torch.isfinite(first).all()
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


# Torch 2.13 warns of what it does itself where it traces such a function.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_torch_compile_takes_the_spread_whole_and_gives_the_same_gradients():
    x = torch.randn(2, 12, D, requires_grad=True)
    compiled = torch.compile(spread, backend="aot_eager", fullgraph=True)
    y, plain = compiled(x), spread(x)
    torch.testing.assert_close(y, plain)
    found, wanted = (torch.autograd.grad(z.square().sum(), x) for z in (y, plain))
    torch.testing.assert_close(found, wanted)
