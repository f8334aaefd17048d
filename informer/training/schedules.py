"""Learning rates as pure functions of the place in the training.

`type1` and `type2` are the reference implementation's, which adjusts the rate after an epoch: the
first epoch always has the rate configured. Epochs count from 1, steps from 0.
"""

from __future__ import annotations

import math

from informer.config import TrainingConfig

__all__ = ["cosine", "learning_rate", "onecycle", "type1", "type2"]

TYPE2_RATES = {2: 5e-5, 4: 1e-5, 6: 5e-6, 8: 1e-6, 10: 5e-7, 15: 1e-7, 20: 5e-8}

# The one-cycle policy of Smith and Topin (2018) with torch's own numbers.
WARM_UP_SHARE, START_DIVISOR, FINAL_DIVISOR = 0.3, 25.0, 1e4


def learning_rate(config: TrainingConfig, epoch: int, step: int, n_steps: int) -> float:
    """The rate of one optimiser step.

    Args:
        config: Names the schedule, the base rate and the count of epochs.
        epoch: From 1.
        step: Within the epoch, from 0.
        n_steps: Steps in each epoch.
    """
    base = config.learning_rate
    done, total = (epoch - 1) * n_steps + step, config.epochs * n_steps
    match config.schedule:
        case "type1":
            return type1(base, epoch)
        case "type2":
            return type2(base, epoch)
        case "cosine":
            return cosine(base, done, total)
        case "onecycle":
            return onecycle(base, done, total)
        case "constant":
            return base


def type1(base: float, epoch: int) -> float:
    """Halve after every epoch from the second on: base, base, base / 2, base / 4, ..."""
    return base * 0.5 ** max(0, epoch - 2)


def type2(base: float, epoch: int) -> float:
    """The base rate for two epochs, then a fixed list of rates whatever the base rate is."""
    reached = [after for after in TYPE2_RATES if after < epoch]
    return TYPE2_RATES[max(reached)] if reached else base


def cosine(base: float, done: int, total: int) -> float:
    """Half a cosine from `base` at step 0 to 0 at step `total`."""
    return _between(base, 0.0, done / total)


def onecycle(peak: float, done: int, total: int) -> float:
    """Half a cosine up from `peak` / 25 in 30 % of the steps, then one down to nearly 0."""
    turn, last = WARM_UP_SHARE * total - 1, total - 1
    start = peak / START_DIVISOR
    if done <= turn:
        return _between(start, peak, done / turn)
    return _between(peak, start / FINAL_DIVISOR, (done - turn) / (last - turn))


def _between(start: float, end: float, share: float) -> float:
    """Half a cosine from `start` at share 0 to `end` at share 1."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
