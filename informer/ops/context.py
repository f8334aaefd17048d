"""The context of ProbSparse attention once its queries are chosen (equation 3).

    B batch   L query length   S key length   H heads   E width per head   U top queries kept

Kept queries attend to the keys; all others share one row, the mean of the values (with `causal`
their running sum, as in the reference implementation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from informer.ops.kernel import call, suits_kernel

__all__ = ["attend_and_spread", "attend_kept", "attention_map", "context_rows"]

_LONG = 512  # S from which on torch's fused attention, a key at a time, is the slower one
_CHUNK_WEIGHTS = 2**19  # weights of a chunk of heads: 2 MiB, so that they stay in a cache


def attend_and_spread(
    q_top: Tensor,
    keys: Tensor,
    values: Tensor,
    top: Tensor,
    n_queries: int,
    *,
    causal: bool,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Let the kept queries attend, and give the others their mean.

    Args:
        q_top: (B, H, U, E), the kept queries.
        keys: (B, S, H, E).
        values: (B, S, H, E).
        top: (B, H, U), the positions of `q_top`.
        n_queries: L.
        causal: Whether later keys are hidden from a kept query.
        need_weights: Whether the weights are returned too.

    Returns:
        (B, L, H, E), and the weights (B, H, U, S) or None.
    """
    if not need_weights and _suits_chunks(q_top, keys, values):
        context: Tensor = _AttendInChunks.apply(  # type: ignore[no-untyped-call]
            q_top, keys, values, top, n_queries, causal
        )
        return context, None
    kept, weights = attend_kept(q_top, keys, values, top, causal=causal, need_weights=need_weights)
    spread: Tensor = _Spread.apply(values, kept, top, n_queries, causal)  # type: ignore[no-untyped-call]
    return spread, weights


def attention_map(weights: Tensor, top: Tensor, n_queries: int, n_keys: int) -> Tensor:
    """The whole map (B, H, L, S): `weights` (B, H, U, S) at `top`, elsewhere uniform."""
    B, H, U = top.shape
    uniform = weights.new_full((B, H, n_queries, n_keys), 1 / n_keys)
    return uniform.scatter(2, top.unsqueeze(-1).expand(B, H, U, n_keys), weights)


def context_rows(top: Tensor, width: int) -> Tensor:
    """Rows (B, H * U, E) of `top` in a context (B, L, H, E) flattened to (B, L * H, E)."""
    B, H, U = top.shape
    rows = top * H + torch.arange(H, device=top.device)[:, None]  # (B, H, U)
    return rows.view(B, H * U, 1).expand(B, H * U, width)


def attend_kept(
    q_top: Tensor,
    keys: Tensor,
    values: Tensor,
    top: Tensor,
    *,
    causal: bool,
    need_weights: bool,
) -> tuple[Tensor, Tensor | None]:
    """What the kept queries see (B, H, U, E), and their weights (B, H, U, S) or None.

    Arguments are as those of `attend_and_spread`.
    """
    k, v = keys.transpose(1, 2), values.transpose(1, 2)  # (B, H, S, E)
    hidden = _hidden_scores(top, q_top, k.shape[2]) if causal else None
    if not need_weights:
        return F.scaled_dot_product_attention(q_top, k, v, attn_mask=hidden), None
    scores = q_top @ k.transpose(-2, -1) / math.sqrt(q_top.shape[-1])  # (B, H, U, S)
    if hidden is not None:
        scores = scores + hidden
    weights = scores.softmax(-1)
    return weights @ v, weights


def _later_keys(top: Tensor, n_keys: int) -> Tensor:
    """(..., U, S), whether a key comes after the query at `top` (..., U)."""
    return torch.arange(n_keys, device=top.device) > top.unsqueeze(-1)


def _hidden_scores(top: Tensor, queries: Tensor, n_keys: int) -> Tensor:
    """(..., U, S), what hides the keys after each query at `top` (..., U) when added to scores.

    Looked up by row: torch's attention would make the same of a mask of booleans, entry by entry.
    """
    table = queries.new_full((n_keys, n_keys), -math.inf).triu(1)
    return table.index_select(0, top.flatten()).view(*top.shape, n_keys)


def _wide(x: Tensor) -> torch.dtype:
    """The precision in which sums of `x` are kept."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _running_sum(x: Tensor, *, backwards: bool) -> Tensor:
    """Sums (B, L, H, E) over all rows of `x` up to each, or from each on."""
    if x.dtype == torch.float32 and suits_kernel(x):
        x = x.contiguous()
        total = torch.empty_like(x)
        call("running_sum", x, total, *x.shape[:2], x.shape[2] * x.shape[3], int(backwards))
        return total
    turned = x.flip(1) if backwards else x
    total = turned.cumsum(dim=1, dtype=_wide(x)).to(x.dtype)
    return total.flip(1) if backwards else total


def _write_context(
    values: Tensor, kept: Tensor, top: Tensor, n_queries: int, causal: bool
) -> Tensor:
    """(B, L, H, E) from `values` (B, S, H, E) and `kept` (B, H, U, E), without a graph."""
    B, _, H, E = values.shape
    if causal:
        context = _running_sum(values, backwards=False)
    else:
        context = values.new_empty(B, n_queries, H, E)
        context.copy_(values.mean(dim=1, keepdim=True))
    flat = context.view(B, n_queries * H, E)
    flat.scatter_(1, context_rows(top, E), kept.flatten(1, 2).to(context.dtype))
    return context


def _split_gradient(grad: Tensor, top: Tensor, n_keys: int, causal: bool) -> tuple[Tensor, Tensor]:
    """The way back through `_write_context`.

    Returns:
        The gradients of `values`, (B, S, H, E) and perhaps expanded, and of `kept`, (B, H, U, E).
    """
    B, L, H, E = grad.shape
    batch = torch.arange(B, device=grad.device)[:, None, None]
    head = torch.arange(H, device=grad.device)[:, None]
    grad_kept = grad[batch, top, head]  # (B, H, U, E)
    if causal:
        lazy = grad.reshape(B, L * H, E).scatter(1, context_rows(top, E), 0.0).view(B, L, H, E)
        return _running_sum(lazy, backwards=True), grad_kept
    wide = _wide(grad)
    of_kept = grad_kept.sum(dim=2, dtype=wide)  # (B, H, E)
    mean = (grad.sum(dim=1, dtype=wide) - of_kept) / n_keys  # (B, H, E)
    return mean.to(grad.dtype).unsqueeze(1).expand(B, n_keys, H, E), grad_kept


class _Spread(torch.autograd.Function):
    """`_write_context`; as separate operations it reads and writes the context four times."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        values: Tensor,
        kept: Tensor,
        top: Tensor,
        n_queries: int,
        causal: bool,
    ) -> Tensor:
        ctx.save_for_backward(top)
        ctx.n_keys, ctx.causal = values.shape[1], causal
        return _write_context(values, kept, top, n_queries, causal)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (top,) = ctx.saved_tensors
        return *_split_gradient(grads[0], top, ctx.n_keys, ctx.causal), None, None, None


def _suits_chunks(*tensors: Tensor) -> bool:
    """Whether `_AttendInChunks` is the faster way for queries, keys and values."""
    on_cpu = all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)
    return on_cpu and tensors[1].shape[1] >= _LONG and not torch.compiler.is_compiling()


class _AttendInChunks(torch.autograd.Function):
    """Attention of few queries to many keys, by matrix products over some heads at a time.

    The weights are stored, as they are few; each gradient is written once, where it lies.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        q_top: Tensor,
        keys: Tensor,
        values: Tensor,
        top: Tensor,
        n_queries: int,
        causal: bool,
    ) -> Tensor:
        """(B, L, H, E) from `q_top` (B, H, U, E), and `keys` and `values` (B, S, H, E)."""
        B, H, U, E = q_top.shape
        S = keys.shape[1]
        scaled = q_top / math.sqrt(E)
        weights = scaled.new_empty(B, H, U, S)
        kept = torch.empty_like(scaled)
        for b, heads in _chunks(weights):
            part, k, v = weights[b, heads], *_heads_first(b, heads, keys, values)
            torch.bmm(scaled[b, heads], k.mT, out=part)  # (h, U, S)
            if causal:
                part.masked_fill_(_later_keys(top[b, heads], S), -math.inf)
            part.copy_(part.softmax(-1))
            torch.bmm(part, v, out=kept[b, heads])  # (h, U, E)
        ctx.save_for_backward(scaled, keys, values, weights, kept, top)
        ctx.causal = causal
        return _write_context(values, kept, top, n_queries, causal)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of `q_top`, `keys` and `values`."""
        scaled, keys, values, weights, kept, top = ctx.saved_tensors
        of_mean, grad_kept = _split_gradient(grads[0], top, keys.shape[1], ctx.causal)
        grad_keys, grad_values = torch.empty_like(keys), torch.empty_like(values)
        grad_q = torch.empty_like(scaled)
        total = (grad_kept * kept).sum(-1, keepdim=True)  # (B, H, U, 1)
        for b, heads in _chunks(weights):
            part, grad = weights[b, heads], grad_kept[b, heads]
            k, v, mean = _heads_first(b, heads, keys, values, of_mean)
            grad_k, grad_v = _heads_first(b, heads, grad_keys, grad_values)
            torch.bmm(part.mT, grad, out=grad_v)  # (h, S, E)
            grad_v += mean
            grad_part = torch.bmm(grad, v.mT)  # (h, U, S)
            grad_part.sub_(total[b, heads]).mul_(part)  # the softmax's gradient
            torch.bmm(grad_part, k, out=grad_q[b, heads])  # (h, U, E)
            torch.bmm(grad_part.mT, scaled[b, heads], out=grad_k)  # (h, S, E)
        grad_q /= math.sqrt(scaled.shape[-1])
        return grad_q, grad_keys, grad_values, None, None, None


def _chunks(weights: Tensor) -> Iterator[tuple[int, slice]]:
    """Samples and heads of `weights` (B, H, U, S), some heads at a time."""
    B, H, U, S = weights.shape
    step = max(1, _CHUNK_WEIGHTS // (U * S))
    return ((b, slice(h, h + step)) for b in range(B) for h in range(0, H, step))


def _heads_first(b: int, heads: slice, *tensors: Tensor) -> Iterator[Tensor]:
    """Views (h, S, E) of some heads of one sample of tensors (B, S, H, E)."""
    return (x[b, :, heads].transpose(0, 1) for x in tensors)
