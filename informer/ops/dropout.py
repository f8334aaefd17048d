"""Dropout whose mask is a function of a seed, so that no mask is stored and none is drawn.

torch draws one random number after another for each number that it may drop, and on the CPU keeps
the mask as floats: in a training step of this network that is a tenth of the time and a third of
the memory. Here one number is drawn for a whole tensor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from informer.ops.kernel import call, load_kernel

__all__ = ["Dropout", "Mask", "can_drop", "drop"]


@dataclass(frozen=True)
class Mask:
    """Which numbers of a tensor are dropped: each with probability `p`, decided by its position.

    `start` is the position of a tensor's first number in the whole that the mask is for.
    """

    p: float
    seed: int
    start: int = 0

    @classmethod
    def draw(cls, p: float) -> Mask:
        """A new mask, from torch's global CPU generator."""
        return cls(p, int(torch.randint(2**62, ())))

    @property
    def in_c(self) -> tuple[int, int, int, float]:
        """Multiplier, offset, threshold and scale of the C functions."""
        # An odd multiplier walks through all numbers of 32 bits before it meets one again.
        spread = (self.seed & 0xFFFFFFFF) | 1
        threshold = min(round(self.p * 2**32), 2**32 - 1)
        return spread, self.seed >> 32, threshold, 1 / (1 - self.p)

    def from_position(self, start: int) -> Mask:
        """The same mask for a part that begins at `start`."""
        return replace(self, start=start)


def drop(x: Tensor, mask: Mask, residual: Tensor | None = None) -> Tensor:
    """`x` with the numbers that `mask` names set to zero and the others scaled by 1 / (1 - p).

    Has no graph. Needs the built functions, see `can_drop`.

    Args:
        x: Any shape, float32 or bfloat16 on the CPU.
        mask: Which to drop.
        residual: Of the same shape and precision, added to the result.

    Returns:
        A new tensor.
    """
    x = x.contiguous()
    residual = None if residual is None else residual.contiguous()
    out = torch.empty_like(x)
    is_bf16 = int(x.dtype == torch.bfloat16)
    call("drop", x, residual, out, x.numel(), mask.start, *mask.in_c, is_bf16)
    return out


def can_drop(x: Tensor, residual: Tensor | None = None) -> bool:
    """Whether `drop` can do its work on `x`; else torch's own dropout must."""
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
        return False
    if residual is not None and (residual.dtype != x.dtype or residual.shape != x.shape):
        return False
    return not torch.compiler.is_compiling() and load_kernel() is not None


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor | None, mask: Mask) -> Tensor:  # noqa: ANN401
        ctx.mask, ctx.has_residual = mask, residual is not None
        return drop(x, mask, residual)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (grad,) = grads
        return drop(grad, ctx.mask), grad if ctx.has_residual else None, None


class Dropout(nn.Dropout):
    """`nn.Dropout`, with `add` for the pattern around every layer, and faster on the CPU.

    Args:
        p: Probability with which a number is dropped in training.
        is_fast: Whether a mask may be made from a seed. Otherwise, and where it cannot be, torch
            draws it: the same distribution, other numbers.
    """

    def __init__(self, p: float, *, is_fast: bool) -> None:
        super().__init__(p)
        self.is_fast = is_fast

    def forward(self, x: Tensor) -> Tensor:
        """Drop, in training; any shape."""
        if self.training and self.p > 0 and self.is_fast and can_drop(x):
            dropped: Tensor = _Drop.apply(x, None, Mask.draw(self.p))  # type: ignore[no-untyped-call]
            return dropped
        return F.dropout(x, self.p, self.training)

    def add(self, residual: Tensor, x: Tensor) -> Tensor:
        """`residual` plus what is left of `x`; both of one shape."""
        if self.training and self.p > 0 and self.is_fast and can_drop(x, residual):
            total: Tensor = _Drop.apply(x, residual, Mask.draw(self.p))  # type: ignore[no-untyped-call]
            return total
        dropped: Tensor = self(x)
        return residual + dropped
