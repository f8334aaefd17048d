"""ProbSparse attention for the machine: same numbers, less memory, fewer passes.

B batch   L query length   S key length   H heads   E width per head
U top queries kept   K keys sampled
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from informer.ops.sparsity import measure_sparsity

__all__ = ["attend_from", "prob_sparse_fast"]


def prob_sparse_fast(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    sampled_keys: Tensor,
    n_top: int,
    *,
    causal: bool = False,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """ProbSparse attention (equation 3), as `informer.nn.attention.prob_sparse_reference`.

    The measurement that chooses queries keeps no graph (a choice has no gradient) and stores
    nothing of size L x K x E; the kept queries attend in one fused call; the context is written
    once, forward and backward.

    Args:
        queries: (B, L, H, E).
        keys: (B, S, H, E).
        values: (B, S, H, E).
        sampled_keys: (L, K) positions of keys.
        n_top: U.
        causal: Whether a kept query is kept from later keys; needs L == S.
        need_weights: Whether the attention map is returned too.

    Returns:
        The context (B, L, H, E), and the map (B, H, L, S) or None.
    """
    sparsity = measure_sparsity(queries.detach(), keys.detach(), sampled_keys)  # (B, H, L)
    top = sparsity.topk(n_top, sorted=False).indices  # (B, H, U)
    return attend_from(queries, keys, values, top, causal=causal, need_weights=need_weights)


def attend_from(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    top: Tensor,
    *,
    causal: bool = False,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attend from the queries at `top` (B, H, U); the others receive the mean or running sum.

    See `prob_sparse_fast` for the other arguments and the result.
    """
    B, L, H, E = queries.shape
    S, U = keys.shape[1], top.shape[2]
    # Row l of head h is row l * H + h of the flattened (L * H, E).
    rows = (top * H + torch.arange(H, device=top.device)[:, None]).flatten(1)  # (B, H * U)
    rows = rows.unsqueeze(-1).expand(B, H * U, E)
    q_top = queries.reshape(B, L * H, E).gather(1, rows).view(B, H, U, E)
    k, v = keys.transpose(1, 2), values.transpose(1, 2)  # (B, H, S, E)
    visible = torch.arange(S, device=top.device) <= top.unsqueeze(-1) if causal else None
    weights = None
    if need_weights:
        scores = q_top @ k.transpose(-2, -1) / math.sqrt(E)  # (B, H, U, S)
        if visible is not None:
            scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(-1)
        kept = weights @ v  # (B, H, U, E)
    else:
        kept = F.scaled_dot_product_attention(q_top, k, v, attn_mask=visible)  # (B, H, U, E)
    context: Tensor = _Spread.apply(  # type: ignore[no-untyped-call]
        values, kept.reshape(B, H * U, E), rows, L, causal
    )  # (B, L, H, E)
    if weights is None:
        return context, None
    attention = weights.new_full((B, H, L, S), 1 / S)
    return context, attention.scatter(2, top.unsqueeze(-1).expand(B, H, U, S), weights)


class _Spread(torch.autograd.Function):
    """The context: the mean (or running sum) of the values, but the kept queries' own rows.

    As separate tensor operations this reads and writes the context four times.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        values: Tensor,
        kept: Tensor,
        rows: Tensor,
        L: int,
        causal: bool,
    ) -> Tensor:
        """(B, L, H, E) from `values` (B, S, H, E) and `kept` (B, H * U, E) at `rows`."""
        B, S, H, E = values.shape
        ctx.save_for_backward(rows)
        ctx.n_keys, ctx.causal = S, causal
        if causal:
            context = values.cumsum(dim=1, dtype=values.dtype)
        else:
            context = values.new_empty(B, L, H, E)
            context.copy_(values.mean(dim=1, keepdim=True))
        context.view(B, L * H, E).scatter_(1, rows, kept.to(context.dtype))
        return context

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of `values` and `kept`."""
        (grad,) = grads
        (rows,) = ctx.saved_tensors
        B, L, H, E = grad.shape
        flat = grad.reshape(B, L * H, E)
        grad_kept = flat.gather(1, rows)  # (B, H * U, E)
        lazy = flat.scatter(1, rows, 0.0).view(B, L, H, E)
        if ctx.causal:
            grad_values = lazy.flip(1).cumsum(1).flip(1)  # (B, L, H, E)
        else:
            total = lazy.sum(dim=1, keepdim=True) / ctx.n_keys  # (B, 1, H, E)
            grad_values = total.expand(B, ctx.n_keys, H, E)
        return grad_values, grad_kept, None, None, None
