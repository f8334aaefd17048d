"""The sparsity measurement, fast.

B batch   L query length   S key length   H heads   E width per head   K keys sampled
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["measure_sparsity"]


@torch.no_grad()
def measure_sparsity(queries: Tensor, keys: Tensor, sampled_keys: Tensor) -> Tensor:
    """(B, H, L): max minus scaled sum of each query's scores on its sampled keys."""
    B, _, H, _ = queries.shape
    S = keys.shape[1]
    q, k = queries.transpose(1, 2), keys.transpose(1, 2)
    scores = q @ k.transpose(-2, -1)
    picked = scores.gather(-1, sampled_keys.to(q.device).expand(B, H, -1, -1))
    return picked.amax(-1) - picked.sum(-1) / S
