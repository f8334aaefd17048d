"""The generative decoder (paper section 3.3): the whole horizon in one pass.

B batch   L decoder length (label_len + pred_len)   S encoded length   D d_model
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from informer.config import InformerConfig
from informer.nn.attention import AttentionLayer, FullAttention, ProbAttention
from informer.nn.feed_forward import apply_feed_forward
from informer.ops import Dropout, add_norm_fast

__all__ = ["Decoder", "DecoderLayer"]


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the encoder's output, feed-forward.

    Masked ProbSparse attention is not strictly causal, here as in the reference implementation:
    which queries are kept depends on unmasked sampled keys, and `mix` puts heads and times side by
    side. No forecast leaks by it, since for the horizon the decoder reads zeros, or what the
    highway forecasts from the past.

    Args:
        config: Of the network.
    """

    def __init__(self, config: InformerConfig) -> None:
        super().__init__()
        d_model, dropout, backend = config.d_model, config.dropout, config.backend
        inner: FullAttention | ProbAttention
        if config.attn == "prob":
            inner = ProbAttention(causal=True, factor=config.factor, backend=backend)
        else:
            inner = FullAttention(causal=True, dropout=dropout, backend=backend)
        cross = FullAttention(causal=False, dropout=dropout, backend=backend)
        self.self_attention = AttentionLayer(inner, d_model, config.n_heads, mix=config.mix)
        self.cross_attention = AttentionLayer(cross, d_model, config.n_heads)
        self.conv1 = nn.Conv1d(d_model, config.d_ff, kernel_size=1)
        self.conv2 = nn.Conv1d(config.d_ff, d_model, kernel_size=1)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.norm3 = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout, is_fast=backend == "fast")
        self.activation = config.activation
        self.backend = backend

    def forward(
        self,
        x: Tensor,
        encoded: Tensor,
        generator: torch.Generator | None = None,
        n_last: int | None = None,
    ) -> Tensor:
        """Decode.

        Args:
            x: (B, L, D).
            encoded: (B, S, D), the encoder's output.
            generator: Source of sampled keys.
            n_last: How many rows are wanted, from the end; None for all L.

        Returns:
            (B, n_last, D).
        """
        attended = self.self_attention(x, x, x, generator, n_last)[0]  # (B, n_last, D)
        x = add_norm_fast(x[:, -attended.shape[1] :], attended, self.dropout, self.norm1)
        attended = self.cross_attention(x, encoded, encoded)[0]  # (B, n_last, D)
        x = add_norm_fast(x, attended, self.dropout, self.norm2)
        y = apply_feed_forward(
            x, self.conv1, self.conv2, self.dropout, self.activation, self.backend
        )  # (B, n_last, D)
        return add_norm_fast(x, y, self.dropout, self.norm3)


class Decoder(nn.Module):
    """`config.d_layers` decoder layers and a last normalisation.

    The start token's rows are read by no one after the last self-attention: the fast backend
    stops computing them there.
    """

    def __init__(self, config: InformerConfig) -> None:
        super().__init__()
        self.n_last = config.pred_len if config.backend == "fast" else None
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.d_layers))
        self.norm = nn.LayerNorm(config.d_model)

    def forward(
        self, x: Tensor, encoded: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Decode `x` (B, L, D) with the encoder's output `encoded` (B, S, D).

        Returns:
            (B, L, D), or from the fast backend its last pred_len rows.
        """
        for i, layer in enumerate(self.layers):
            is_last = i == len(self.layers) - 1
            x = layer(x, encoded, generator, self.n_last if is_last else None)
        decoded: Tensor = self.norm(x)
        return decoded
