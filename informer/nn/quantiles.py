"""Quantiles that cannot cross: the median, and steps outward from it that are never negative.

B batch   P pred_len   C channels   Q quantiles
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from informer.config import MEDIAN

__all__ = ["QuantileHead"]

# Deviation, in the network's scaled units, of the normal distribution at whose quantiles an output
# of zeros lies: about half a deviation of the series is left to chance before training.
START_DEVIATION = 0.5


class QuantileHead(nn.Module):
    """What the projection gives, as rising quantiles; it has no weights.

    Each step outward is softplus of its output plus a constant, chosen so that outputs of zero give
    the quantiles of a normal distribution around the median.

    Args:
        levels: Q rising levels; 0.5 among them.
    """

    start: Tensor

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.median = levels.index(MEDIAN)
        normal = torch.special.ndtri(torch.tensor(levels, dtype=torch.float64))
        gaps = (START_DEVIATION * normal.diff()).expm1().log().float()  # softplus undone, (Q - 1,)
        self.register_buffer("start", gaps, persistent=False)

    def forward(self, raw: Tensor) -> Tensor:
        """(B, P, C, Q) to (B, Q, P, C), rising along Q."""
        m = self.median
        raw = raw.float()
        middle = raw[..., m : m + 1]
        below = F.softplus(raw[..., :m] + self.start[:m])
        above = F.softplus(raw[..., m + 1 :] + self.start[m:])
        down = middle - below.flip(-1).cumsum(dim=-1).flip(-1)
        up = middle + above.cumsum(dim=-1)
        return torch.cat((down, middle, up), dim=-1).movedim(-1, 1)  # (B, Q, P, C)
