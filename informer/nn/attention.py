"""Attention as the paper writes it (section 3): canonical, ProbSparse, and the heads around them.

    B batch   L query length   S key length   H heads   E width per head   D d_model
    U top queries kept   K keys sampled

`FullAttention` and `ProbAttention` take queries, keys and values as (B, length, H, E) and return
the context (B, L, H, E). Each has two backends with one signature: `reference` reads as the paper
does and follows the reference implementation step by step; `fast` gives the same numbers.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from informer.ops import full_attention_fast, prob_sparse_fast, prob_sparse_self_attention

__all__ = [
    "AttentionLayer",
    "Backend",
    "FullAttention",
    "ProbAttention",
    "draw_keys",
    "n_kept",
    "prob_sparse_reference",
]

Backend = Literal["fast", "reference"]


def n_kept(factor: int, length: int) -> int:
    """How many of `length` keys are sampled, or queries kept: c ln(length), at most all.

    Args:
        factor: The paper's sampling factor c.
        length: S for the sampled keys K, L for the top queries U (section 3.2).
    """
    return max(1, min(factor * math.ceil(math.log(length)), length))


def draw_keys(
    n_queries: int, n_keys: int, n_samples: int, generator: torch.Generator | None = None
) -> Tensor:
    """Draw, for each query, the keys on which its sparsity is measured; the heads share them.

    Args:
        n_queries: L.
        n_keys: S.
        n_samples: K.
        generator: A generator on the CPU. None draws from torch's global one, in the reference
            implementation's order, so that one seed gives the same keys there and here.

    Returns:
        (L, K) int64 positions of keys, on the CPU, drawn with replacement.
    """
    return torch.randint(n_keys, (n_queries, n_samples), generator=generator)


def prob_sparse_reference(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    sampled_keys: Tensor,
    n_top: int,
    *,
    causal: bool = False,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """ProbSparse attention (equation 3) as the reference implementation computes it.

    The sparsity of a query (the max-mean measurement, equation 4 and Lemma 1) is estimated on the
    sampled keys; the U queries with the highest attend to all keys, the others receive the mean
    of the values, or with `causal` their running sum.

    Args:
        queries: (B, L, H, E).
        keys: (B, S, H, E).
        values: (B, S, H, E).
        sampled_keys: (L, K) positions of keys.
        n_top: U.
        causal: Whether a kept query is kept from later keys; needs L == S. The measurement still
            looks at all sampled keys, as it does in the reference implementation.
        need_weights: Whether the attention map is returned too.

    Returns:
        The context (B, L, H, E), and the map (B, H, L, S) or None.
    """
    B, L, H, E = queries.shape
    S = keys.shape[1]
    q, k, v = (x.transpose(1, 2) for x in (queries, keys, values))  # (B, H, L or S, E)

    k_sample = k[:, :, sampled_keys.to(k.device)]  # (B, H, L, K, E)
    qk_sample = torch.matmul(q.unsqueeze(-2), k_sample.transpose(-2, -1)).squeeze(
        -2
    )  # (B, H, L, K)
    # The sum is divided by S, not by the K terms it has: so does the reference implementation.
    sparsity = qk_sample.amax(-1) - qk_sample.sum(-1) / S  # (B, H, L)
    top = sparsity.topk(n_top, sorted=False).indices  # (B, H, U)

    batch = torch.arange(B, device=q.device)[:, None, None]
    head = torch.arange(H, device=q.device)[:, None]
    scores = torch.matmul(q[batch, head, top], k.transpose(-2, -1)) / math.sqrt(E)  # (B, H, U, S)
    if causal:
        later = torch.arange(S, device=q.device) > top.unsqueeze(-1)  # (B, H, U, S)
        scores = scores.masked_fill(later, -math.inf)
        context = v.cumsum(dim=-2)  # (B, H, L, E)
    else:
        context = v.mean(dim=-2, keepdim=True).expand(B, H, L, E).clone()  # (B, H, L, E)
    weights = torch.softmax(scores, dim=-1)
    context[batch, head, top] = torch.matmul(weights, v).to(context.dtype)
    context = context.transpose(1, 2).contiguous()  # (B, L, H, E)
    if not need_weights:
        return context, None
    attention = weights.new_full((B, H, L, S), 1 / S)
    attention[batch, head, top] = weights
    return context, attention


class FullAttention(nn.Module):
    """Canonical scaled dot-product attention (equation 1), with dropout on the weights.

    Args:
        causal: Whether a query is kept from later keys.
        dropout: Share of attention weights zeroed in training.
        need_weights: Whether `forward` returns the attention map.
        backend: `fast` stores no weights.
    """

    def __init__(
        self,
        *,
        causal: bool,
        dropout: float = 0.0,
        need_weights: bool = False,
        backend: Backend = "fast",
    ) -> None:
        super().__init__()
        self.causal = causal
        self.need_weights = need_weights
        self.backend = backend
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Args:
            queries: (B, L, H, E).
            keys: (B, S, H, E).
            values: (B, S, H, E).
            generator: Not used; here for `ProbAttention`'s signature.

        Returns:
            The context (B, L, H, E), and the map (B, H, L, S) or None.
        """
        if self.backend == "fast" and not self.need_weights:
            share = self.dropout.p if self.training else 0.0
            return full_attention_fast(
                queries, keys, values, causal=self.causal, dropout=share
            ), None
        scores = torch.einsum("blhe,bshe->bhls", queries, keys) / math.sqrt(queries.shape[-1])
        if self.causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, -math.inf)
        weights = self.dropout(torch.softmax(scores, dim=-1))  # (B, H, L, S)
        context = torch.einsum("bhls,bshe->blhe", weights, values).contiguous()  # (B, L, H, E)
        return context, weights if self.need_weights else None


class ProbAttention(nn.Module):
    """ProbSparse attention (section 3.2): the queries that matter attend, the rest get a mean.

    Args:
        causal: Whether a kept query is kept from later keys.
        factor: The sampling factor c: c ln(S) keys are sampled, c ln(L) queries kept.
        need_weights: Whether `forward` returns the attention map.
        backend: How it is computed; the result is the same.
    """

    def __init__(
        self,
        *,
        causal: bool,
        factor: int = 5,
        need_weights: bool = False,
        backend: Backend = "fast",
    ) -> None:
        super().__init__()
        self.causal = causal
        self.factor = factor
        self.need_weights = need_weights
        self.backend = backend

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Draw the sampled keys and attend.

        Args:
            queries: (B, L, H, E).
            keys: (B, S, H, E).
            values: (B, S, H, E).
            generator: Source of the sampled keys, see `draw_keys`.

        Returns:
            The context (B, L, H, E), and the map (B, H, L, S) or None.
        """
        L, S = queries.shape[1], keys.shape[1]
        attend = prob_sparse_fast if self.backend == "fast" else prob_sparse_reference
        return attend(
            queries,
            keys,
            values,
            draw_keys(L, S, n_kept(self.factor, S), generator),
            n_kept(self.factor, L),
            causal=self.causal,
            need_weights=self.need_weights,
        )


class AttentionLayer(nn.Module):
    """Heads around an attention: project in, attend per head, project out.

    Args:
        attention: `FullAttention` or `ProbAttention`.
        d_model: D.
        n_heads: H, a divisor of D.
        mix: Whether the context is mixed over heads and time, see `forward`.
    """

    def __init__(
        self,
        attention: FullAttention | ProbAttention,
        d_model: int,
        n_heads: int,
        *,
        mix: bool = False,
    ) -> None:
        super().__init__()
        self.inner_attention = attention
        self.query_projection = nn.Linear(d_model, d_model)
        self.key_projection = nn.Linear(d_model, d_model)
        self.value_projection = nn.Linear(d_model, d_model)
        self.out_projection = nn.Linear(d_model, d_model)
        self.n_heads = n_heads
        self.mix = mix

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        generator: torch.Generator | None = None,
        n_last: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend with every head.

        Args:
            queries: (B, L, D).
            keys: (B, S, D).
            values: (B, S, D).
            generator: Source of sampled keys for `ProbAttention`.
            n_last: How many rows of the result are wanted, from the end; None for all L.

        Returns:
            (B, n_last, D), and the map (B, H, L, S) or None.
        """
        B, L, D = queries.shape
        S, H = keys.shape[1], self.n_heads
        n_last = L if n_last is None else n_last
        inner = self.inner_attention
        if (
            isinstance(inner, ProbAttention)
            and inner.backend == "fast"
            and queries is keys is values
        ):
            return self._attend_to_itself(inner, queries, generator, n_last)
        context, weights = self.inner_attention(
            self.query_projection(queries).view(B, L, H, -1),  # (B, L, H, E)
            self.key_projection(keys).view(B, S, H, -1),  # (B, S, H, E)
            self.value_projection(values).view(B, S, H, -1),  # (B, S, H, E)
            generator,
        )
        if self.mix:
            # The heads go before the time and the rows are cut anew: a row of the result holds
            # several times of one head. The paper does not mention it; published weights need it.
            context = context.transpose(1, 2)  # (B, H, L, E)
        return self.out_projection(context.reshape(B, L, D)[:, L - n_last :]), weights

    def _attend_to_itself(
        self, inner: ProbAttention, x: Tensor, generator: torch.Generator | None, n_last: int
    ) -> tuple[Tensor, Tensor | None]:
        L = x.shape[1]
        return prob_sparse_self_attention(
            x,
            (
                self.query_projection,
                self.key_projection,
                self.value_projection,
                self.out_projection,
            ),
            self.n_heads,
            draw_keys(L, L, n_kept(inner.factor, L), generator),
            n_kept(inner.factor, L),
            causal=inner.causal,
            mix=self.mix,
            n_last=n_last,
            need_weights=inner.need_weights,
        )
