"""Dropout, residual and layer normalisation around every part of a layer, in one pass.

N rows   D d_model
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from informer.ops.dropout import Dropout, Mask
from informer.ops.kernel import call, suits_kernel

__all__ = ["add_norm_fast"]

_NOTHING = Mask(p=0.0, seed=0)


def add_norm_fast(residual: Tensor, x: Tensor, dropout: Dropout, norm: nn.LayerNorm) -> Tensor:
    """Normalise `residual` plus what dropout leaves of `x`; both (..., D).

    On the CPU the fast backend reads and writes each number once; as three layers of torch it is
    read and written four times, and its mask stored.
    """
    if not dropout.is_fast or not suits_kernel(residual, x) or residual.shape != x.shape:
        normalised: Tensor = norm(dropout.add(residual, x))
        return normalised
    drops = dropout.training and dropout.p > 0
    mask = Mask.draw(dropout.p) if drops else _NOTHING
    y: Tensor = _AddNorm.apply(  # type: ignore[no-untyped-call]
        residual.float(), x.float(), norm.weight, norm.bias, norm.eps, mask
    )
    return y


class _AddNorm(torch.autograd.Function):
    """See `add_norm`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        residual: Tensor,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        epsilon: float,
        mask: Mask,
    ) -> Tensor:
        residual, x = residual.contiguous(), x.contiguous()
        width = x.shape[-1]
        n = x.numel() // width
        total, y, stats = torch.empty_like(x), torch.empty_like(x), x.new_empty(n, 2)
        call("add_norm", x, residual, total, y, stats, weight, bias, n, width, epsilon, *mask.in_c)
        ctx.save_for_backward(total, stats, weight)
        ctx.mask = mask
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        total, stats, weight = ctx.saved_tensors
        grad = grads[0].contiguous()
        n, width = len(stats), len(weight)
        grad_x, grad_residual = torch.empty_like(grad), torch.empty_like(grad)
        parts = grad.new_zeros(torch.get_num_threads(), 2, width)
        call(
            "add_norm_backward", grad, total, stats, weight, grad_x, grad_residual, parts, n, width,
            *ctx.mask.in_c,
        )  # fmt: skip
        grad_weight, grad_bias = parts.sum(dim=0)
        return grad_residual, grad_x, grad_weight, grad_bias, None, None
