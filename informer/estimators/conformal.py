"""Quantiles of residuals: split conformal prediction, and Student's t where windows are too few.

N windows   P pred_len   C_t targets   Q quantiles
K forecasts of each value: 1, or Q from a network of quantiles
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

__all__ = ["n_needed", "offsets", "order_statistics", "rank"]

# Levels are meant as the decimals that they are written as: 0.6 is 3/5, not the double below it.
LARGEST_DENOMINATOR = 10**6
FEWEST = 2  # residuals of a step, from which they say how far they spread


def rank(count: Tensor, level: float) -> Tensor:
    """Which of `count` ordered residuals bounds the next one with probability `level`, from 1.

    ceil((n + 1) q) above the median and floor((n + 1) q) up to it, exactly. Below 1 or above n no
    residual is far enough out (Vovk et al. 2005).
    """
    exact = Fraction(level).limit_denominator(LARGEST_DENOMINATOR)
    scaled = (count + 1) * exact.numerator
    return (scaled + (exact.denominator - 1 if level > 0.5 else 0)) // exact.denominator


def n_needed(levels: tuple[float, ...]) -> int:
    """The least number of residuals of which every one of the levels has one that bounds it."""
    exact = [Fraction(level).limit_denominator(LARGEST_DENOMINATOR) for level in levels]
    odds = [max(level, 1 - level) / min(level, 1 - level) for level in exact]
    return max(-(-odd.numerator // odd.denominator) for odd in odds)


def order_statistics(error: Tensor, levels: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Of the residuals (N, K, P, C_t) over the windows, those that bound the levels.

    Returns:
        (Q, P, C_t) residuals: the outermost where none is far enough out, NaN where none was
        observed; and (Q, P, C_t) whether the residual is far enough out.
    """
    ordered = error.sort(dim=0).values  # NaN last
    count = (~ordered.isnan()).sum(dim=0)  # (K, P, C_t)
    chosen, exact = [], []
    for i, level in enumerate(levels):
        k = min(i, error.shape[1] - 1)
        wanted = rank(count[k], level)
        place = torch.minimum(wanted.clamp(min=1), count[k].clamp(min=1)) - 1
        chosen.append(ordered[:, k].gather(0, place[None])[0])
        exact.append((wanted >= 1) & (wanted <= count[k]))
    return torch.stack(chosen), torch.stack(exact)


def offsets(error: Tensor, levels: tuple[float, ...]) -> Tensor:
    """(Q, P, C_t) quantiles of the residuals (N, K, P, C_t) over the windows, without a NaN.

    Where a level's rank is among the residuals its quantile is that residual, and an interval
    covers at least its nominal share of exchangeable windows, whatever their distribution. Where
    there are too few for that, nothing finite covers in every case; beyond the outermost residual
    stands then what bounds the next draw of a normal distribution whose mean and deviation are
    known from n draws alone, mean + t(n - 1) deviation sqrt(1 + 1/n), if that is farther out. So
    an interval grows as n falls: three deviations to either side for 80 % at n = 2. Simulated with
    independent normal, t(3) and exponential errors it covers 78 to 88 % at n from 2 to 8.

    A step of a target that was observed less than twice takes mean and deviation from all steps
    of the target, and a target that never was from all targets, in units of the train rows'
    deviation. The residuals of one window go together, so that n stays the number of windows. Of a
    single window the mean is taken to be 0.

    Raises:
        ValueError: nothing was observed at all.
    """
    if bool(error.isnan().all()):
        raise ValueError("a quantile needs at least one residual")
    chosen, exact = order_statistics(error, levels)
    if bool(exact.all()):
        return chosen
    bounds = []
    for i, level in enumerate(levels):
        bound = _student(error[:, min(i, error.shape[1] - 1)], level).to(chosen.dtype)
        # Where nothing was observed `chosen` is NaN, which fmax and fmin pass over.
        beyond = (torch.fmax if level > 0.5 else torch.fmin)(chosen[i], bound)
        bounds.append(chosen[i].where(exact[i], beyond))
    return torch.stack(bounds)


def _student(error: Tensor, level: float) -> Tensor:
    """(P, C_t) float64 bound of the next of the residuals (N, P, C_t), as `offsets` says."""
    from scipy.special import stdtrit  # only where windows are few

    error = error.double()
    shape = error.shape[1:]
    own = [value.view(shape) for value in _summary(error.flatten(start_dim=1).unsqueeze(2))]
    target = [value.expand(shape) for value in _summary(error.mT)]
    whole = [value.expand(shape) for value in _summary(error.flatten(start_dim=1).unsqueeze(1))]
    n, mean, deviation = (
        a.where(own[0] >= FEWEST, b.where(target[0] > 0, c))
        for a, b, c in zip(own, target, whole, strict=True)
    )
    quantile = torch.from_numpy(stdtrit((n - 1).clamp(min=1).numpy(), level))
    return mean + quantile * deviation * torch.where(n > 1, 1 + 1 / n, 1.0).sqrt()


def _summary(pool: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Windows, mean and deviation of the residuals (N, A, M) of A pools; (A,) each.

    Of one window the mean is taken to be 0, and the deviation is the one from it.
    """
    seen = ~pool.isnan()
    n, count = seen.any(dim=2).sum(dim=0), seen.sum(dim=(0, 2)).clamp(min=1)
    mean = torch.where(n > 1, pool.nansum(dim=(0, 2)) / count, 0.0)
    squares = ((pool - mean[:, None]) ** 2).nansum(dim=(0, 2))
    return n.double(), mean, (squares / torch.where(n > 1, count - 1, count).clamp(min=1)).sqrt()
