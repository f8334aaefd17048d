"""The feed-forward part of a layer, some rows at a time.

    B batch   L length   D d_model

Its hidden layer is four times as wide as all else, and torch keeps it three times over: before and
after the activation, and after the dropout. Here it is kept once; the rest is computed again on
the way back, for as many rows as fit a cache.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from informer.ops.dropout import Mask, can_drop, drop

__all__ = ["Activation", "feed_forward_fast"]

Activation = Literal["gelu", "relu"]
Parameters = tuple[Tensor, Tensor, Tensor, Tensor]  # (d_ff, D), (d_ff,), (D, d_ff), (D,)

_CHUNK_NUMBERS = 2**22  # of the hidden layer


def feed_forward_fast(
    x: Tensor, parameters: Parameters, activation: Activation, dropout: float
) -> Tensor:
    """Two linear maps of each row, with an activation and dropout in between.

    Args:
        x: (B, L, D).
        parameters: Weight and bias of the first map, then of the second.
        activation: Exact `gelu`, or `relu`.
        dropout: Share of the hidden layer that is zeroed; 0 outside training.

    Returns:
        (B, L, D).
    """
    in_chunks = x.device.type == "cpu" and not torch.compiler.is_compiling()
    if torch.is_grad_enabled() and in_chunks and (dropout == 0 or can_drop(x)):
        mask = Mask.draw(dropout) if dropout > 0 else None
        y: Tensor = _FeedForward.apply(x, *parameters, activation, mask)  # type: ignore[no-untyped-call]
        return y
    w1, b1, w2, b2 = parameters
    hidden = F.dropout(_activate(F.linear(x, w1, b1), activation), dropout)  # (B, L, d_ff)
    return F.linear(hidden, w2, b2)


def _activate(x: Tensor, activation: Activation) -> Tensor:
    return F.gelu(x) if activation == "gelu" else F.relu(x)


class _FeedForward(torch.autograd.Function):
    """See `feed_forward`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        w1: Tensor,
        b1: Tensor,
        w2: Tensor,
        b2: Tensor,
        activation: Activation,
        mask: Mask | None,
    ) -> Tensor:
        """(B, L, D) to (B, L, D), in autocast's precision where that is on."""
        wide = x.dtype
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else wide
        with torch.autocast("cpu", enabled=False):
            rows = x.reshape(-1, x.shape[-1]).to(dtype)  # (N, D)
            hidden = F.linear(rows, w1.to(dtype), b1.to(dtype))  # (N, d_ff)
            y = torch.empty_like(rows)
            second, bias = w2.to(dtype).t(), b2.to(dtype)
            for part, part_mask in _chunks(hidden, mask):
                active = _activate(hidden[part], activation)
                active = active if part_mask is None else drop(active, part_mask)
                torch.addmm(bias, active, second, out=y[part])
        ctx.save_for_backward(rows, hidden, w1, w2)
        ctx.activation, ctx.mask, ctx.shape, ctx.wide = activation, mask, x.shape, wide
        return y.view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of the rows and of the four parameters."""
        rows, hidden, w1, w2 = ctx.saved_tensors
        first, second = w1.to(rows.dtype), w2.to(rows.dtype)
        grad_y = grads[0].reshape(rows.shape).to(rows.dtype)  # (N, D)
        grad_rows = torch.empty_like(rows)
        grad_w1, grad_w2 = torch.zeros_like(w1), torch.zeros_like(w2)
        grad_b1 = torch.zeros_like(w1[:, 0])
        for part, mask in _chunks(hidden, ctx.mask):
            grad_active = grad_y[part] @ second  # (n, d_ff)
            with torch.enable_grad():
                before = hidden[part].detach().requires_grad_()
                active = _activate(before, ctx.activation)
            if mask is None:
                kept = active.detach()
            else:
                kept, grad_active = drop(active.detach(), mask), drop(grad_active, mask)
            (grad_hidden,) = torch.autograd.grad(active, before, grad_active)  # (n, d_ff)
            _add_product(grad_w2, grad_y[part].t(), kept)
            _add_product(grad_w1, grad_hidden.t(), rows[part])
            grad_b1 += grad_hidden.sum(dim=0, dtype=grad_b1.dtype)
            torch.mm(grad_hidden, first, out=grad_rows[part])
        grad_b2 = grad_y.sum(dim=0, dtype=w2.dtype)
        grad_x = grad_rows.view(ctx.shape).to(ctx.wide)
        return grad_x, grad_w1, grad_b1, grad_w2, grad_b2, None, None


def _chunks(hidden: Tensor, mask: Mask | None) -> list[tuple[slice, Mask | None]]:
    """Slices of the rows, and the mask for each."""
    n_rows, width = hidden.shape
    step = max(1, _CHUNK_NUMBERS // width)
    return [
        (slice(n, n + step), None if mask is None else mask.from_position(n * width))
        for n in range(0, n_rows, step)
    ]


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add `a` times `b` to `total`, which may be of a higher precision."""
    if total.dtype == a.dtype:
        total.addmm_(a, b)
    else:
        total += a @ b
