"""Canonical attention with dropout on its weights, without storing the weights.

    B batch   L query length   S key length   H heads   E width per head

torch's fused attention has no dropout on the CPU and falls back to one that stores the weights
four times, (B, H, L, S) each. Here they are computed for a few samples at a time, and, unless they
are few, once more on the way back.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from informer.ops.dropout import Mask, can_drop, drop

__all__ = ["full_attention_fast"]

_CHUNK_WEIGHTS = 2**21  # weights computed at a time: 8 MiB of float32


def full_attention_fast(
    queries: Tensor, keys: Tensor, values: Tensor, *, causal: bool, dropout: float
) -> Tensor:
    """Attend (equation 1).

    Args:
        queries: (B, L, H, E).
        keys: (B, S, H, E).
        values: (B, S, H, E).
        causal: Whether a query is kept from later keys.
        dropout: Share of weights that are zeroed; 0 outside training.

    Returns:
        (B, L, H, E).
    """
    q, k, v = (x.transpose(1, 2) for x in (queries, keys, values))  # (B, H, L or S, E)
    if dropout > 0 and can_drop(q):
        context: Tensor = _Attend.apply(q, k, v, causal, Mask.draw(dropout))  # type: ignore[no-untyped-call]
    else:
        context = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=causal)
    return context.transpose(1, 2)


class _Attend(torch.autograd.Function):
    """See `full_attention`; queries, keys, values and context are (B, H, length, E)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, causal: bool, mask: Mask) -> Tensor:  # noqa: ANN401
        # Side by side, or every product of matrices would put them so once more.
        q, k, v = (x.contiguous() for x in (q, k, v))
        ctx.causal, ctx.mask = causal, mask
        weights: Tensor | None = None
        context = q.new_empty(q.transpose(1, 2).shape).transpose(1, 2)  # rows of all heads together
        chunks = _chunks(q, k)
        for part, start in chunks:
            weights = _weights(q[part], k[part], causal)  # (b, H, L, S)
            context[part] = drop(weights, mask.from_position(start)) @ v[part]
        ctx.save_for_backward(q, k, v, weights if len(chunks) == 1 else None)
        return context

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        q, k, v, kept = ctx.saved_tensors
        grad = grads[0].contiguous()  # (B, H, L, E)
        scale = 1 / math.sqrt(q.shape[-1])
        grad_q, grad_k, grad_v = (
            x.new_empty(x.transpose(1, 2).shape).transpose(1, 2) for x in (q, k, v)
        )  # rows of all heads together
        for part, start in _chunks(q, k):
            mask = ctx.mask.from_position(start)
            weights = _weights(q[part], k[part], ctx.causal) if kept is None else kept
            grad_v[part] = drop(weights, mask).transpose(-2, -1) @ grad[part]
            grad_weights = drop(grad[part] @ v[part].transpose(-2, -1), mask)
            grad_scores = torch.mul(grad_weights, weights)
            total = grad_scores.sum(-1, keepdim=True)  # (b, H, L, 1)
            grad_scores.addcmul_(weights, total, value=-1).mul_(scale)  # the softmax's gradient
            grad_q[part] = grad_scores @ k[part]
            grad_k[part] = grad_scores.transpose(-2, -1) @ q[part]
        return grad_q, grad_k, grad_v, None, None


def _chunks(q: Tensor, k: Tensor) -> list[tuple[slice, int]]:
    """Slices of the batch, and how many weights come before each."""
    per_sample = q.shape[1] * q.shape[2] * k.shape[2]
    step = max(1, _CHUNK_WEIGHTS // per_sample)
    return [(slice(b, b + step), b * per_sample) for b in range(0, q.shape[0], step)]


def _weights(q: Tensor, k: Tensor, causal: bool) -> Tensor:
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)  # (b, H, L, S)
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores.masked_fill_(later, -math.inf)
    return scores.softmax(-1)
