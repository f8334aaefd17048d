"""Weights averaged over the steps of a training: flatter minima, at the cost of one copy.

`ema` is an exponential average whose memory grows with the steps done, up to a thousand; `swa`
(Izmailov et al., UAI 2018) is the plain mean over the second half of the steps planned.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage", "ema_share", "swa_share"]

EMA_DECAY = 0.999


class WeightAverage:
    """A second network that follows the trained one; the averaged weights are its own.

    Running statistics of batch norms are averaged with the weights, counters are copied.

    Args:
        model: The trained network, at its start.
        kind: How the average is taken.
        n_steps: Steps planned in all.
    """

    def __init__(self, model: nn.Module, kind: Literal["ema", "swa"], n_steps: int) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._kind, self._n_steps = kind, n_steps

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after `step` (from 1)."""
        share = ema_share(step) if self._kind == "ema" else swa_share(step, self._n_steps)
        current: Mapping[str, Tensor] = model.state_dict()
        for name, average in self.model.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], share)
            else:
                average.copy_(current[name])


def ema_share(step: int) -> float:
    """What the weights after `step` (from 1) weigh in the exponential average."""
    return 1 - min(EMA_DECAY, (1 + step) / (10 + step))


def swa_share(step: int, n_steps: int) -> float:
    """What the weights after `step` (from 1) weigh in the mean; before the half, all."""
    return 1 / max(1, step - n_steps // 2)
