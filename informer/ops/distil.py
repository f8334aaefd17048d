"""Self-attention distilling (equation 5), with the rows where they lie.

B batch   L length   D d_model
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from informer.ops.kernel import call, suits_kernel

__all__ = ["distil_fast"]


def distil_fast(x: Tensor, conv: nn.Conv1d, norm: nn.BatchNorm1d | nn.SyncBatchNorm) -> Tensor:
    """Convolve over neighbours, normalise, halve by the maximum, activate.

    The activation (ELU) is monotone, so it may change places with the maximum.

    Args:
        x: (B, L, D).
        conv: D to D, of width 3, around the ends.
        norm: Over all rows of the batch; in training its running statistics move.

    Returns:
        (B, ceil(L / 2), D).
    """
    B, L, D = x.shape
    weight = conv.weight.permute(2, 1, 0).reshape(3 * D, D)  # of the row before, itself, after
    assert conv.bias is not None
    if suits_kernel(x) and type(norm) is nn.BatchNorm1d and (norm.training or not _keeps_graph(x)):
        rows: Tensor = _Convolve.apply(x, weight, conv.bias)  # type: ignore[no-untyped-call]
        return _normalise_and_halve(rows.float(), norm)
    convolved = F.linear(_neighbours(x), weight.t(), conv.bias)  # (B, L, D)
    normalised = norm(convolved.view(B * L, D)).view(B, L, D)
    # As an image of width 1 whose channels come last, the rows need no turning.
    image = normalised.transpose(1, 2).unsqueeze(-1)  # (B, D, L, 1)
    image = F.max_pool2d(image, kernel_size=(3, 1), stride=(2, 1), padding=(1, 0))
    return F.elu(image).squeeze(-1).transpose(1, 2)  # (B, ceil(L / 2), D)


def _keeps_graph(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad


def _neighbours(x: Tensor) -> Tensor:
    """Each row between the one before and the one after it, around the ends: (B, L, 3 * D)."""
    B, L, D = x.shape
    three = x.new_empty(B, L, 3, D)
    three[:, 1:, 0], three[:, 0, 0] = x[:, :-1], x[:, -1]
    three[:, :, 1] = x
    three[:, :-1, 2], three[:, -1, 2] = x[:, 1:], x[:, 0]
    return three.view(B, L, 3 * D)


class _Convolve(torch.autograd.Function):
    """Convolution as one matrix product each way; the neighbours are not kept for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(x, weight)
        autocast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if autocast else x.dtype
        return F.linear(_neighbours(x.to(dtype)), weight.t(), bias)  # (B, L, D)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
        x, weight = ctx.saved_tensors
        D = x.shape[-1]
        # A row is the one after to its predecessor, and the one before to its successor.
        around = _neighbours(grads[0]).flatten(0, 1)  # (B * L, 3 * D)
        turned = weight.view(3, D, D).flip(0).transpose(1, 2).reshape(3 * D, D).to(around.dtype)
        grad_x = (around @ turned).view(x.shape).to(x.dtype)
        of_weight = x.flatten(0, 1).to(around.dtype).t() @ around  # (D, 3 * D)
        grad_weight = of_weight.view(D, 3, D).flip(1).transpose(0, 1).reshape(3 * D, D)
        return grad_x, grad_weight.to(weight.dtype), grads[0].sum((0, 1), dtype=weight.dtype)


def _normalise_and_halve(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """(B, L, D) to (B, ceil(L / 2), D), as `norm` and its mode have it."""
    n = x.shape[0] * x.shape[1]
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.momentum is not None
    if not norm.training:
        return _halve(x, norm.running_mean, norm.running_var, norm)[0]
    y: Tensor
    y, mean, variance = _NormaliseAndHalve.apply(x, norm.weight, norm.bias, norm)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (n / max(n - 1, 1)), norm.momentum)
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked += 1
    return y


def _halve(
    x: Tensor, mean: Tensor, variance: Tensor, norm: nn.BatchNorm1d
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The halved rows; which of three rows each number came from; 1 / deviation; its slope."""
    B, L, D = x.shape
    inverse = (variance + norm.eps).rsqrt()
    slope = inverse * norm.weight
    y, chosen = x.new_empty(B, (L + 1) // 2, D), x.new_empty(B, (L + 1) // 2, D, dtype=torch.uint8)
    call("halve_rows", x, slope, norm.bias - mean * slope, y, chosen, B, L, D)
    return F.elu(y, inplace=True), chosen, inverse, slope


class _NormaliseAndHalve(torch.autograd.Function):
    """See `distil`; also returns the batch's mean and variance."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        norm: nn.BatchNorm1d,
    ) -> tuple[Tensor, Tensor, Tensor]:
        B, L, D = x.shape
        total, squares = _in_parts("sum_rows", D, x, n=(B * L, D))
        mean = total / (B * L)
        variance = (squares / (B * L) - mean.square()).clamp_(min=0).float()
        mean = mean.float()
        y, chosen, inverse, slope = _halve(x, mean, variance, norm)
        ctx.save_for_backward(x, mean, inverse, slope, chosen, y)
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, mean, inverse, slope, chosen, y = ctx.saved_tensors
        B, L, D = x.shape
        grad = torch.where(y > 0, grads[0], grads[0] * (y + 1)).contiguous()  # ELU's gradient
        total, along = _in_parts("sum_halved", D, grad, x, mean, inverse, chosen, n=(B, L, D))
        grad_x = torch.empty_like(x)
        means = ((part / (B * L)).float() for part in (total, along))
        call("halve_rows_backward", grad, x, mean, inverse, slope, *means, chosen, grad_x, B, L, D)
        return grad_x, along.float(), total.float(), None


def _in_parts(name: str, width: int, *tensors: Tensor, n: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Two rows of sums in float64, (D,) each, to which every thread adds its part."""
    parts = torch.zeros(torch.get_num_threads(), 2, width, dtype=torch.float64)
    call(name, *tensors, parts, *n)
    first, second = parts.sum(dim=0)
    return first, second
