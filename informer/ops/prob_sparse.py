"""ProbSparse attention for the machine: same numbers, less memory, fewer passes.

B batch   L query length   S key length   H heads   E width per head
U top queries kept   K keys sampled
"""

from __future__ import annotations

from torch import Tensor

from informer.ops.context import attend_and_spread, attention_map, context_rows
from informer.ops.sparsity import measure_sparsity

__all__ = ["choose_queries", "prob_sparse_fast"]


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
    nothing of size L x K x E; the context is written once, forward and backward.

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
    rows = context_rows(top, E)  # (B, H * U, E)
    q_top = queries.reshape(B, L * H, E).gather(1, rows).view(B, H, n_top, E)
    context, weights = attend_and_spread(
        q_top, keys, values, top, L, causal=causal, need_weights=need_weights
    )
    return context, None if weights is None else attention_map(weights, top, L, S)


def choose_queries(queries: Tensor, keys: Tensor, sampled_keys: Tensor, n_top: int) -> Tensor:
    """Positions (B, H, U) of the U queries (B, L, H, E) that are least uniform over `keys`."""
    sparsity = measure_sparsity(queries.detach(), keys.detach(), sampled_keys)  # (B, H, L)
    return sparsity.topk(n_top, sorted=False).indices
