"""What a training reports: one record per epoch, one result at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["EpochRecord", "OnEpoch", "OnStep", "TrainingResult", "best_val_loss"]


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: Its number, from 1; 0 is the network before its first step.
        train_loss: Mean over the observed values trained on, in scaled units, before each step; NaN
            in epoch 0, which trains on none.
        val_loss: Mean over the observed values of all validation windows, in scaled units, after
            the epoch.
        learning_rate: That of the epoch's last step.
        seconds: Wall time of training and validation.
        member: Which network of an ensemble, from 1.
    """

    epoch: int
    train_loss: float
    val_loss: float
    learning_rate: float
    seconds: float
    member: int = 1


@dataclass(frozen=True)
class TrainingResult:
    """One training, the epochs before a resume included.

    Attributes:
        history: Every epoch in order.
        best_epoch: The epoch whose weights the network now has.
        best_val_loss: Its validation loss.
        stopped_early: Whether patience ran out before the last epoch.
        resumed_from: The last epoch that a checkpoint supplied; 0 for a training from the start.
    """

    history: tuple[EpochRecord, ...]
    best_epoch: int
    best_val_loss: float
    stopped_early: bool
    resumed_from: int

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(record.seconds for record in self.history)


def best_val_loss(history: Iterable[EpochRecord]) -> float:
    """The least finite validation loss of each network, averaged over the networks."""
    best: dict[int, float] = {}
    for record in history:
        before = best.setdefault(record.member, math.inf)
        if math.isfinite(record.val_loss):
            best[record.member] = min(record.val_loss, before)
    return sum(best.values()) / len(best)


OnEpoch = Callable[[EpochRecord], None]

OnStep = Callable[[int, int, float], None]
"""Steps done, steps in all, train loss of the last one."""
