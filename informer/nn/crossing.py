"""From which length on ProbSparse attention is faster than dense attention on this machine.

L length   H heads   E width per head
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from informer.nn.attention import FullAttention, ProbAttention

__all__ = ["Timing", "crossing_length", "measure"]

LENGTHS = (96, 192, 384, 768, 1536)
ROWS, N_HEADS, WIDTH = 1536, 4, 16
ROUNDS = 3


@dataclass(frozen=True)
class Timing:
    """Seconds for one forward and backward pass at one length, the least of some rounds."""

    length: int
    prob: float
    full: float


def measure(lengths: tuple[int, ...] = LENGTHS) -> list[Timing]:
    """Time both attentions in turn at each length, the number of rows held the same."""
    kinds = {"prob": ProbAttention(causal=False), "full": FullAttention(causal=False)}
    timings = []
    for length in lengths:
        shape = (max(1, ROWS // length), length, N_HEADS, WIDTH)
        qkv = [torch.randn(shape, requires_grad=True) for _ in range(3)]
        least = dict.fromkeys(kinds, float("inf"))
        for turn in range(ROUNDS + 1):
            for name, attention in kinds.items():
                start = time.perf_counter()
                attention(*qkv)[0].sum().backward()
                if turn:  # the first turn warms up
                    least[name] = min(least[name], time.perf_counter() - start)
        timings.append(Timing(length, **least))
    return timings


def crossing_length(timings: list[Timing]) -> int | None:
    """The least length from which on ProbSparse is always faster; None where it never is."""
    found = None
    for timing in reversed(timings):
        if timing.prob >= timing.full:
            break
        found = timing.length
    return found
