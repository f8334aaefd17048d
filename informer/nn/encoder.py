"""The encoder (paper section 3.2): layers of ProbSparse self-attention, distilled in between.

B batch   L length   H heads   D d_model
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from informer.config import InformerConfig
from informer.nn.attention import AttentionLayer, Backend, FullAttention, ProbAttention
from informer.nn.feed_forward import apply_feed_forward
from informer.ops import Dropout, add_norm_fast, distil_fast

__all__ = ["ConvLayer", "Encoder", "EncoderLayer", "EncoderStack"]


class ConvLayer(nn.Module):
    """Self-attention distilling (equation 5): convolve, normalise, activate, halve the length.

    Args:
        d_model: D.
        backend: `fast` leaves the rows where they lie, and activates after halving: the
            activation is monotone, so it may change places with the maximum.
    """

    def __init__(self, d_model: int, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.downConv = nn.Conv1d(
            d_model, d_model, kernel_size=3, padding=1, padding_mode="circular"
        )
        self.norm = nn.BatchNorm1d(d_model)
        self.activation = nn.ELU()
        self.maxPool = nn.MaxPool1d(kernel_size=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) to (B, ceil(L / 2), D)."""
        if self.backend == "fast":
            return distil_fast(x, self.downConv, self.norm)
        x = self.activation(self.norm(self.downConv(x.transpose(1, 2))))  # (B, D, L)
        halved: Tensor = self.maxPool(x)  # (B, D, ceil(L / 2))
        return halved.transpose(1, 2)  # (B, ceil(L / 2), D)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each added to its input and normalised after.

    Args:
        config: Of the network.
    """

    def __init__(self, config: InformerConfig) -> None:
        super().__init__()
        inner: FullAttention | ProbAttention
        if config.attn == "prob":
            inner = ProbAttention(
                causal=False,
                factor=config.factor,
                need_weights=config.output_attention,
                backend=config.backend,
            )
        else:
            inner = FullAttention(
                causal=False,
                dropout=config.dropout,
                need_weights=config.output_attention,
                backend=config.backend,
            )
        self.attention = AttentionLayer(inner, config.d_model, config.n_heads)
        self.conv1 = nn.Conv1d(config.d_model, config.d_ff, kernel_size=1)
        self.conv2 = nn.Conv1d(config.d_ff, config.d_model, kernel_size=1)
        self.norm1 = nn.LayerNorm(config.d_model)
        self.norm2 = nn.LayerNorm(config.d_model)
        self.dropout = Dropout(config.dropout, is_fast=config.backend == "fast")
        self.activation = config.activation
        self.backend = config.backend

    def forward(
        self, x: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """(B, L, D) to (B, L, D), and the attention map (B, H, L, L) or None."""
        attended, weights = self.attention(x, x, x, generator)
        x = add_norm_fast(x, attended, self.dropout, self.norm1)
        y = apply_feed_forward(
            x, self.conv1, self.conv2, self.dropout, self.activation, self.backend
        )  # (B, L, D)
        return add_norm_fast(x, y, self.dropout, self.norm2), weights


class Encoder(nn.Module):
    """`n_layers` encoder layers, with distilling between each two if `config.distil`.

    Args:
        config: Of the network.
        n_layers: At least 1.
    """

    def __init__(self, config: InformerConfig, n_layers: int) -> None:
        super().__init__()
        self.attn_layers = nn.ModuleList(EncoderLayer(config) for _ in range(n_layers))
        self.conv_layers: nn.ModuleList | None = None
        if config.distil:
            self.conv_layers = nn.ModuleList(
                ConvLayer(config.d_model, config.backend) for _ in range(n_layers - 1)
            )
        self.norm = nn.LayerNorm(config.d_model)

    def forward(
        self, x: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Encode.

        Args:
            x: (B, L, D).
            generator: Source of sampled keys.

        Returns:
            (B, S, D) with S = L halved, rounding up, by each distilling; and each layer's
            attention map or None.
        """
        maps: list[Tensor | None] = []
        for i, layer in enumerate(self.attn_layers):
            if i > 0 and self.conv_layers is not None:
                x = self.conv_layers[i - 1](x)
            x, weights = layer(x, generator)
            maps.append(weights)
        return self.norm(x), maps


class EncoderStack(nn.Module):
    """Encoders side by side: encoder i reads the last L / 2^i rows (section 3.2, the stack).

    Args:
        config: Of the network.
        n_layers: Layers of each encoder.
    """

    def __init__(self, config: InformerConfig, n_layers: Sequence[int]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(Encoder(config, n) for n in n_layers)

    def forward(
        self, x: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, list[list[Tensor | None]]]:
        """Encode.

        Args:
            x: (B, L, D).
            generator: Source of sampled keys.

        Returns:
            The encoders' outputs one after another in time (B, S, D); and their attention maps.
        """
        outputs, maps = [], []
        for i, encoder in enumerate(self.encoders):
            output, weights = encoder(x[:, -(x.shape[1] // 2**i) :], generator)
            outputs.append(output)
            maps.append(weights)
        return torch.cat(outputs, dim=1), maps  # (B, S, D)
