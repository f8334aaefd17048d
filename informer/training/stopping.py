"""When to stop, and which epoch was best, from the validation losses alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Stopping"]


@dataclass(frozen=True)
class Stopping:
    """The best validation loss so far and how many epochs have passed without a better one."""

    best_val_loss: float = math.inf
    best_epoch: int = 0
    n_worse: int = 0

    def after(self, epoch: int, val_loss: float) -> Stopping:
        """The state after `epoch`; a loss equal to the best is not better, nor one not finite."""
        if math.isfinite(val_loss) and val_loss < self.best_val_loss:
            return Stopping(val_loss, epoch)
        return Stopping(self.best_val_loss, self.best_epoch, self.n_worse + 1)

    def is_over(self, patience: int) -> bool:
        """Whether `patience` epochs in a row brought nothing better."""
        return self.n_worse >= patience
