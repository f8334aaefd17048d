"""Which windows an epoch trains on, in which order and in which process.

    B batch   N windows

All random numbers of an epoch are seeded from the configured seed, the epoch and, where it
matters, the process. So an epoch can be run again, after a crash or on another number of
devices, without a generator's state having been stored.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from informer.config import TrainingConfig

__all__ = ["epoch_batches", "epoch_seed", "n_batches", "share"]

_STREAMS = ("order", "keys", "dropout")


def epoch_seed(
    seed: int, epoch: int, stream: Literal["order", "keys", "dropout"], process: int = 0
) -> int:
    """A seed for one use of random numbers in one epoch; no two uses share one."""
    sequence = np.random.SeedSequence([seed, epoch, _STREAMS.index(stream), process])
    return int(sequence.generate_state(1)[0])


def n_batches(n_windows: int, config: TrainingConfig) -> int:
    """How many steps an epoch has."""
    return config.steps_per_epoch or math.ceil(n_windows / config.batch_size)


def epoch_batches(n_windows: int, config: TrainingConfig, epoch: int) -> list[Tensor]:
    """The numbers of the windows of each step: (B,) each, the last one may be shorter.

    Every window comes once; with `steps_per_epoch` as often as so many full batches need, none a
    second time before all came once.
    """
    generator = torch.Generator().manual_seed(epoch_seed(config.seed, epoch, "order"))
    wanted = n_windows
    if config.steps_per_epoch is not None:
        wanted = config.steps_per_epoch * config.batch_size
    rounds = [torch.randperm(n_windows, generator=generator)]
    while len(rounds) * n_windows < wanted:
        rounds.append(torch.randperm(n_windows, generator=generator))
    return list(torch.split(torch.cat(rounds)[:wanted], config.batch_size))


def share(index: Tensor, process: int, n_processes: int) -> tuple[Tensor, float]:
    """The part of a batch that one process trains on, and its weight in the batch's mean loss.

    A process left without a window computes one of the others' with weight 0, because all
    processes must take part in averaging the gradients.
    """
    part = index[process::n_processes]
    return (part, len(part) / len(index)) if len(part) else (index[:1], 0.0)
