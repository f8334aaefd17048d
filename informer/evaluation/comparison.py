"""Whether one forecaster is better than another beyond chance, by its losses at rolling origins.

Horizons of neighbouring origins overlap, so neighbouring losses are alike; both tests account for
that. The paired unit is the origin: where several series are forecast at once, their losses are
averaged first, since what moves one often moves all.

N origins, in the order of time
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from informer.errors import EvidenceError

__all__ = ["Comparison", "block_bootstrap", "diebold_mariano", "overlapping"]

MIN_STRETCHES = 4  # of neighbouring origins that are alike; with fewer no test holds its level
N_SAMPLES = 2000

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """What a paired one-sided test found.

    Attributes:
        test: its name.
        mean_difference: mean loss of the new model less that of the old one; negative is better.
        p_value: how likely a difference at least so favourable is, were the new model no better.
        n_origins: N.
    """

    test: str
    mean_difference: float
    p_value: float
    n_origins: int


def overlapping(steps: npt.NDArray[np.int64], n_steps: int) -> int:
    """How many later origins have a horizon that shares a step with an origin's own, at most.

    Args:
        steps: (N,) rising positions of the origins on the regular grid of time steps.
        n_steps: length of the horizon; with a constant stride the answer is
            `ceil(n_steps / stride) - 1`.
    """
    last = np.searchsorted(steps, steps + n_steps, side="left")
    return int((last - np.arange(len(steps)) - 1).max(initial=0))


def diebold_mariano(new: Array, old: Array, *, overlap: int) -> Comparison:
    """The test of equal accuracy against the alternative that the new model is better.

    Diebold & Mariano (1995), with the long-run variance of Newey & West (1987), corrected for small
    samples and held against Student's t with N - 1 degrees of freedom, as Harvey, Leybourne &
    Newbold (1997) have it. An h-step forecast is alike over h - 1 lags; Bartlett's weights would
    halve those covariances, so they reach twice as far: simulated, a test at 5 % then passes 6 to
    10 % of models that are no better, instead of 8 to 16 %.

    Args:
        new: (N,) loss of the new model at each origin, in the order of time.
        old: (N,) loss of the old one.
        overlap: later origins whose horizons overlap that of an origin; see `overlapping`.

    Raises:
        EvidenceError: there are too few origins for so long an overlap.
    """
    h = 2 * overlap + 1  # lags 0 to h - 1 count
    n = _enough(new, old, h)
    gain = old - new
    centred = gain - gain.mean()
    lags = np.arange(1, h)
    covariances = np.array([centred[lag:] @ centred[:-lag] for lag in lags]) / n
    variance = centred @ centred / n + 2 * ((1 - lags / h) * covariances).sum()
    correction = math.sqrt(max(0.0, (n + 1 - 2 * h + h * (h - 1) / n) / n))
    if variance <= 0:  # all gains are the same
        p_value = float(gain.mean() <= 0)
    else:
        p_value = _student_tail(correction * gain.mean() / math.sqrt(variance / n), n - 1)
    return Comparison("Diebold-Mariano", float(-gain.mean()), p_value, n)


def block_bootstrap(new: Array, old: Array, *, overlap: int, seed: int = 0) -> Comparison:
    """The same question, answered by resampling blocks of neighbouring origins.

    The moving-block bootstrap of Künsch (1989): blocks of neighbouring origins are drawn with
    replacement from all that there are. A block is long enough that the overlap ends within it (and
    no shorter than the cube root of N, the rate of Hall, Horowitz & Jing 1995). How far the mean of
    n drawn blocks strays from the mean over all is what chance can do; as so few blocks estimate
    their own spread badly, the strayings are widened to Student's t with n - 1 degrees of freedom.
    Simulated, a test at 5 % passes 5 to 10 % of models that are no better.

    Args:
        new: (N,) loss of the new model at each origin, in the order of time.
        old: (N,) loss of the old one.
        overlap: later origins whose horizons overlap that of an origin; see `overlapping`.
        seed: of the draws.

    Raises:
        EvidenceError: there are too few origins for so long an overlap.
    """
    length = max(2 * overlap + 1, math.ceil(len(new) ** (1 / 3)))
    n = _enough(new, old, length)
    gain = old - new
    sums = np.concatenate([[0.0], np.cumsum(gain)])
    blocks = (sums[length:] - sums[:-length]) / length  # (N - length + 1,)
    n_blocks = n // length
    rng = np.random.default_rng(seed)
    drawn = blocks[rng.integers(len(blocks), size=(N_SAMPLES, n_blocks))].mean(axis=1)
    freedom = n_blocks - 1
    widening = np.sqrt(n_blocks / rng.chisquare(freedom, size=N_SAMPLES))
    strayed = (drawn - blocks.mean()) * widening
    exceeding = int((strayed >= gain.mean()).sum())
    p_value = (1 + exceeding) / (1 + N_SAMPLES)
    return Comparison("moving-block bootstrap", float(-gain.mean()), p_value, n)


def _enough(new: Array, old: Array, length: int) -> int:
    assert new.shape == old.shape
    n, needed = len(new), MIN_STRETCHES * length
    if n < needed:
        raise EvidenceError(
            f"{n} rolling origins cannot tell a gain from chance: up to {length} neighbours are "
            f"alike, so that at least {needed} are needed. Supply more test rows."
        )
    return n


def _student_tail(t: float, degrees: int) -> float:
    """P(T > t), by integrating Student's density over the angle arctan(t / sqrt(degrees))."""
    angle = np.linspace(math.atan(t / math.sqrt(degrees)), math.pi / 2, 20_001)
    area = np.trapezoid(np.cos(angle) ** (degrees - 1), angle)
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(math.pi) / 2
    return min(1.0, float(area * math.exp(log_scale)))
