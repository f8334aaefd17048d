"""A layer of ProbSparse self-attention as one thing: what no kept query needs is not computed.

    B batch   L length (queries and keys)   H heads   E width per head   D d_model
    U top queries kept   K keys sampled

Three facts about equation 3 spare most of the layer's multiplications, without changing a result:

1. A query that is not kept matters to the choice only, which has no gradient. So queries are
   projected for the choice without a graph, and the kept ones once more with it.
2. Scores q (W x) are (q W) x, and a weighted sum of values p (W x) is (p x) W. With few kept
   queries it is cheaper to move W to the left: keys are projected for the choice only, values
   never, and the gradients of both projections have U rows per head instead of L.
3. All queries that are not kept give one and the same row, so the output projection is that row
   and a correction for each kept query.

Where many queries are kept or the width is small, fact 2 does not pay; see `_is_low_rank`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from informer.ops.context import attend_and_spread, attend_kept, attention_map
from informer.ops.prob_sparse import choose_queries

__all__ = ["Projections", "prob_sparse_self_attention"]

Projections = tuple[nn.Linear, nn.Linear, nn.Linear, nn.Linear]  # of query, key, value, output


def prob_sparse_self_attention(
    x: Tensor,
    projections: Projections,
    n_heads: int,
    sampled_keys: Tensor,
    n_top: int,
    *,
    causal: bool,
    mix: bool,
    n_last: int,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Project, attend and project back, as `informer.nn.attention.AttentionLayer` does.

    Args:
        x: (B, L, D), which asks, is asked and answers.
        projections: D to D each; the heads lie side by side.
        n_heads: H.
        sampled_keys: (L, K) positions of keys.
        n_top: U.
        causal: Whether a kept query is kept from later keys.
        mix: Whether heads and times are interleaved, see `AttentionLayer`.
        n_last: How many rows of the result are wanted, from the end.
        need_weights: Whether the attention map is returned too.

    Returns:
        (B, n_last, D), and the map (B, H, L, L) or None.
    """
    B, L, D = x.shape
    to_query, to_key, to_value, to_output = projections
    queries = _project_for_choice(x, to_query, n_heads)  # (B, L, H, E)
    weights: Tensor | None
    is_plain = not causal and not mix and n_last == L
    if is_plain and _is_low_rank(n_top, L, n_heads, D):
        top = choose_queries(queries, _project_for_choice(x, to_key, n_heads), sampled_keys, n_top)
        y, kept_weights = _attend_low_rank(x, projections, top)
        weights = kept_weights if need_weights else None
    else:
        keys = to_key(x).view(B, L, n_heads, -1)  # (B, L, H, E)
        values = to_value(x).view(B, L, n_heads, -1)  # (B, L, H, E)
        top = choose_queries(queries, keys, sampled_keys, n_top)  # (B, H, U)
        rows = _kept_rows(top, L)
        q_top = _kept_queries(x, queries, to_query, top, rows).to(keys.dtype)
        if is_plain:
            kept, weights = attend_kept(
                q_top, keys, values, top, causal=False, need_weights=need_weights
            )  # (B, H, U, E)
            # Scaled after the sum, so that no gradient of all rows is written to be scaled.
            mean = values.sum(dim=1, keepdim=True) / L  # (B, 1, H, E)
            y = _answer(kept, mean, to_output, rows, L)
        else:
            context, weights = attend_and_spread(
                q_top, keys, values, top, L, causal=causal, need_weights=need_weights
            )  # (B, L, H, E)
            if mix:
                context = context.transpose(1, 2)  # (B, H, L, E)
            y = to_output(context.reshape(B, L, D)[:, L - n_last :])  # (B, n_last, D)
    if weights is None:
        return y, None
    return y, attention_map(weights, top, L, L)


def _is_low_rank(n_top: int, length: int, n_heads: int, d_model: int) -> bool:
    """Whether moving the projections to the kept queries multiplies less (fact 2 above).

    In units of one projection of all rows, forward and backward: with the projections moved, the
    products with x cost 6 r and those with the weights 6 u; left where they are, 5 and a rest
    that both have.
    """
    r = n_heads * n_top / d_model
    u = n_top / length
    return 6 * r + 6 * u < 5


def _project_for_choice(x: Tensor, projection: nn.Linear, n_heads: int) -> Tensor:
    """(B, L, D) to heads (B, L, H, E), without a graph."""
    # Detached weights, not no_grad: autocast would keep a cast made without a graph for later.
    projected = F.linear(x.detach(), projection.weight.detach(), projection.bias.detach())
    return projected.view(*x.shape[:2], n_heads, -1)


def _kept_rows(top: Tensor, length: int) -> Tensor:
    """(H * B * U,) rows of `top` (B, H, U), heads first, in a table flattened to (B * L, D)."""
    start = torch.arange(len(top), device=top.device)[:, None, None] * length
    return (top + start).transpose(0, 1).flatten()


def _kept_queries(
    x: Tensor, queries: Tensor, projection: nn.Linear, top: Tensor, rows: Tensor
) -> Tensor:
    """(B, H, U, E) the kept ones of `queries` (B, L, H, E), with a graph where one is kept."""
    B, H, _ = top.shape
    if torch.is_grad_enabled():
        return _project_kept(x, projection, rows, H).transpose(0, 1)
    batch = torch.arange(B, device=x.device)[:, None, None]
    return queries[batch, top, torch.arange(H, device=x.device)[:, None]]


def _project_kept(x: Tensor, projection: nn.Linear, rows: Tensor, n_heads: int) -> Tensor:
    """(H, B, U, E) queries of the kept `rows` (H * B * U,) of `x` (B, L, D)."""
    B, _, D = x.shape
    x_top = x.reshape(-1, D).index_select(0, rows).view(n_heads, -1, D)  # (H, B * U, D)
    weight = projection.weight.view(n_heads, -1, D).transpose(1, 2)  # (H, D, E)
    q_top = torch.baddbmm(projection.bias.view(n_heads, 1, -1), x_top, weight)  # (H, B * U, E)
    return q_top.view(n_heads, B, -1, q_top.shape[-1])


def _answer(kept: Tensor, mean: Tensor, to_output: nn.Linear, rows: Tensor, length: int) -> Tensor:
    """Project the context (fact 3): one row for all, and what each kept query adds to it.

    Args:
        kept: (B, H, U, E), what the kept queries see.
        mean: (B, 1, H, E), what all others see.
        to_output: D to D.
        rows: (H * B * U,), positions of the kept queries in (B * L, D).
        length: L.

    Returns:
        (B, L, D).
    """
    B, H, U, E = kept.shape
    surplus = (kept - mean.transpose(1, 2)).transpose(0, 1).reshape(H, B * U, E)
    return _add_surplus(surplus, to_output(mean.flatten(2)), to_output, rows, length)


def _add_surplus(
    surplus: Tensor, lazy: Tensor, to_output: nn.Linear, rows: Tensor, length: int
) -> Tensor:
    """(B, L, D): `lazy` (B, 1, D), and `surplus` (H, B * U, E) projected and added at `rows`."""
    B, _, D = lazy.shape
    H = len(surplus)
    weight = to_output.weight.view(D, H, -1).permute(1, 2, 0)  # (H, E, D)
    added = torch.bmm(surplus, weight).view(-1, D).to(lazy.dtype)  # (H * B * U, D)
    y = lazy.expand(B, length, D).reshape(B * length, D)
    # With the same index for every column, scatter_add is the parallel one.
    return y.scatter_add(0, rows[:, None].expand_as(added), added).view(B, length, D)


def _attend_low_rank(x: Tensor, projections: Projections, top: Tensor) -> tuple[Tensor, Tensor]:
    """Attend on `x` (B, L, D) itself, with the projections moved to the kept queries.

    Returns:
        (B, L, D), and the weights (B, H, U, L) of the queries at `top`.
    """
    B, L, D = x.shape
    H, U = top.shape[1:]
    to_query, to_key, to_value, to_output = projections
    rows = _kept_rows(top, L)
    q_top = _project_kept(x, to_query, rows, H).flatten(1, 2) / math.sqrt(D / H)  # (H, B * U, E)

    q_x = torch.bmm(q_top, to_key.weight.view(H, -1, D))  # (H, B * U, D): asks x, not keys
    scores = torch.bmm(_batch_first(q_x, B), x.transpose(1, 2))  # (B, H * U, L)
    # The key's bias moves all scores of a query alike, which softmax does not see; its place in
    # the graph is kept, for optimizers and DDP that expect a gradient of every parameter.
    shift = torch.bmm(q_top, to_key.bias.view(H, -1, 1))  # (H, B * U, 1)
    weights = (scores + _batch_first(shift, B)).softmax(-1)  # (B, H * U, L)

    mean = x.mean(dim=1, keepdim=True)  # (B, 1, D)
    # What a kept query adds to the answer of all others; the value's bias is in both.
    surplus = torch.bmm(weights.to(x.dtype), x) - mean  # (B, H * U, D)
    surplus = surplus.view(B, H, U, D).transpose(0, 1).reshape(H, B * U, D)
    surplus = torch.bmm(surplus, to_value.weight.view(H, -1, D).transpose(1, 2))  # (H, B * U, E)
    y = _add_surplus(surplus, to_output(to_value(mean)), to_output, rows, L)
    return y, weights.view(B, H, U, L)


def _batch_first(x: Tensor, n_batch: int) -> Tensor:
    """(H, B * U, N) to (B, H * U, N)."""
    H, _, N = x.shape
    return x.view(H, n_batch, -1, N).transpose(0, 1).reshape(n_batch, -1, N)
