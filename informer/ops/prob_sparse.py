"""ProbSparse attention, fast.

B batch   L query length   S key length   H heads   E width per head
U top queries kept   K keys sampled
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from informer.ops.sparsity import measure_sparsity

__all__ = ["prob_sparse_fast"]


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
    """ProbSparse attention (equation 3); see `informer.nn.attention.prob_sparse_reference`."""
    B, L, H, E = queries.shape
    S = keys.shape[1]
    with torch.no_grad():
        top = measure_sparsity(queries, keys, sampled_keys).topk(n_top, sorted=False).indices
    q, k, v = (x.transpose(1, 2) for x in (queries, keys, values))
    rows = top.unsqueeze(-1).expand(B, H, n_top, E)
    q_top = q.gather(2, rows)
    mask = torch.arange(S, device=q.device) <= top.unsqueeze(-1) if causal else None
    if need_weights:
        scores = q_top @ k.transpose(-2, -1) / math.sqrt(E)
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        weights = scores.softmax(-1)
        update = weights @ v
    else:
        update = F.scaled_dot_product_attention(q_top, k, v, attn_mask=mask)
    lazy = v.cumsum(2) if causal else v.mean(2, keepdim=True).expand(B, H, L, E)
    context = lazy.scatter(2, rows, update.to(lazy.dtype)).transpose(1, 2)
    if not need_weights:
        return context, None
    attention = weights.new_full((B, H, L, S), 1 / S)
    return context, attention.scatter(2, top.unsqueeze(-1).expand(B, H, n_top, S), weights)
