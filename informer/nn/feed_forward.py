"""The feed-forward part of encoder and decoder layers (paper appendix B, table 3).

B batch   L length   D d_model
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from informer.nn.attention import Backend
from informer.ops import Activation, Dropout, feed_forward_fast

__all__ = ["apply_feed_forward"]


def apply_feed_forward(
    x: Tensor,
    conv1: nn.Conv1d,
    conv2: nn.Conv1d,
    dropout: Dropout,
    activation: Activation,
    backend: Backend,
) -> Tensor:
    """Widen each row, activate, drop, and narrow it again.

    Args:
        x: (B, L, D).
        conv1: D to d_ff, of width 1 over time: a linear map of each row.
        conv2: d_ff to D, the same.
        dropout: Of the hidden layer.
        activation: In between.
        backend: `fast` multiplies where the rows lie and stores the hidden layer once.

    Returns:
        (B, L, D).
    """
    if backend == "fast" and conv1.bias is not None and conv2.bias is not None:
        first, second = conv1.weight.squeeze(-1), conv2.weight.squeeze(-1)
        share = dropout.p if dropout.training else 0.0
        return feed_forward_fast(x, (first, conv1.bias, second, conv2.bias), activation, share)
    hidden = conv1(x.transpose(1, 2))  # (B, d_ff, L)
    hidden = dropout(F.gelu(hidden) if activation == "gelu" else F.relu(hidden))
    y: Tensor = conv2(hidden)  # (B, D, L)
    return y.transpose(1, 2)  # (B, L, D)
