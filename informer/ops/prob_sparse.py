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

__all__ = ["attend_kept", "choose_queries", "prob_sparse_fast", "spread"]


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
    B, L, H, E = queries.shape
    S = keys.shape[1]
    top = choose_queries(queries, keys, sampled_keys, n_top)  # (B, H, U)
    rows = _context_rows(top).expand(B, H * n_top, E)
    q_top = queries.reshape(B, L * H, E).gather(1, rows).view(B, H, n_top, E)
    kept, weights = attend_kept(q_top, keys, values, top, causal, need_weights)
    context = spread(values, kept, top, L, causal)
    if weights is None:
        return context, None
    return context, attention_map(weights, top, L, S)


def choose_queries(queries: Tensor, keys: Tensor, sampled_keys: Tensor, n_top: int) -> Tensor:
    """Positions (B, H, U) of the U queries (B, L, H, E) that are least uniform over `keys`."""
    sparsity = measure_sparsity(queries.detach(), keys.detach(), sampled_keys)  # (B, H, L)
    return sparsity.topk(n_top, sorted=False).indices


def attend_kept(
    q_top: Tensor,
    keys: Tensor,
    values: Tensor,
    top: Tensor,
    causal: bool,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Let the kept queries attend to all keys (equation 1), or to those not after them.

    Args:
        q_top: (B, H, U, E).
        keys: (B, S, H, E).
        values: (B, S, H, E).
        top: (B, H, U), the positions of `q_top`.
        causal: Whether later keys are hidden.
        need_weights: Whether the weights are returned too.

    Returns:
        (B, H, U, E), and the weights (B, H, U, S) or None.
    """
    k, v = keys.transpose(1, 2), values.transpose(1, 2)  # (B, H, S, E)
    visible = None
    if causal:
        visible = torch.arange(k.shape[2], device=top.device) <= top.unsqueeze(-1)  # (B, H, U, S)
    if not need_weights:
        return F.scaled_dot_product_attention(q_top, k, v, attn_mask=visible), None
    scores = q_top @ k.transpose(-2, -1) / math.sqrt(q_top.shape[-1])  # (B, H, U, S)
    if visible is not None:
        scores = scores.masked_fill(~visible, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights


def spread(values: Tensor, kept: Tensor, top: Tensor, n_queries: int, causal: bool) -> Tensor:
    """The context (B, L, H, E): `kept` (B, H, U, E) at `top`, elsewhere the values' mean.

    With `causal` it is their running sum, as in the reference implementation.
    """
    context: Tensor = _Spread.apply(  # type: ignore[no-untyped-call]
        values, kept.flatten(1, 2), _context_rows(top), n_queries, causal
    )
    return context


def attention_map(weights: Tensor, top: Tensor, n_queries: int, n_keys: int) -> Tensor:
    """The whole map (B, H, L, S): `weights` (B, H, U, S) at `top`, elsewhere uniform."""
    B, H, U = top.shape
    uniform = weights.new_full((B, H, n_queries, n_keys), 1 / n_keys)
    return uniform.scatter(2, top.unsqueeze(-1).expand(B, H, U, n_keys), weights)


def _context_rows(top: Tensor) -> Tensor:
    """Rows (B, H * U, 1) of `top` in a context (B, L, H, E) flattened to (B, L * H, E)."""
    H = top.shape[1]
    return (top * H + torch.arange(H, device=top.device)[:, None]).flatten(1).unsqueeze(-1)


def _wide(x: Tensor) -> torch.dtype:
    """The precision in which sums of `x` are kept."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


class _Spread(torch.autograd.Function):
    """See `spread`; as separate tensor operations it reads and writes the context four times."""

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
        wide = _wide(values)
        if causal:
            context = values.cumsum(dim=1, dtype=wide).to(values.dtype)
        else:
            context = values.new_empty(B, L, H, E)
            context.copy_(values.mean(dim=1, keepdim=True))
        flat = context.view(B, L * H, E)
        flat.scatter_(1, rows.expand(-1, -1, E), kept.to(context.dtype))
        return context

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of `values` and `kept`."""
        (grad,) = grads
        (rows,) = ctx.saved_tensors
        B, L, H, E = grad.shape
        rows = rows.expand(-1, -1, E)
        flat = grad.reshape(B, L * H, E)
        wide = _wide(grad)
        grad_kept = flat.gather(1, rows)  # (B, H * U, E)
        if ctx.causal:
            lazy = flat.scatter(1, rows, 0.0).view(B, L, H, E)
            after = lazy.flip(1).cumsum(dim=1, dtype=wide).to(grad.dtype)
            grad_values = after.flip(1)  # (B, L, H, E)
        else:
            of_kept = grad_kept.view(B, H, -1, E).sum(dim=2, dtype=wide)  # (B, H, E)
            mean = (grad.sum(dim=1, dtype=wide) - of_kept) / ctx.n_keys  # (B, H, E)
            grad_values = mean.to(grad.dtype).unsqueeze(1).expand(B, ctx.n_keys, H, E)
        return grad_values, grad_kept, None, None, None
