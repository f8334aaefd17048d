"""How far a model may leave a simpler one that it starts from: as far as all validation supports.

What a network adds to its linear highway, or a blended highway to a single regression, was chosen
on windows of one time and serves another; as a rule a part of it is an error of its own. Only the
share that validation windows of every stretch of time support is kept. All series of one time are
in the same stretch, because what moves one series often moves all.

N windows   P pred_len   C_t targets
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from informer.data import Windows
from informer.estimators.baselines import ClosedFormLinear
from informer.estimators.predictor import NetworkPredictor, Predictor, predict_levels
from informer.nn import Informer

__all__ = ["kept_share", "shrink", "supported_share"]

SHARES = tuple(step / 20 for step in range(21))
MOST_STRETCHES, FEWEST_STRETCHES = 10, 3
DOUBT = 2.0  # standard errors that are added to the error of a share

logger = logging.getLogger(__name__)


@torch.no_grad()
def shrink(networks: Sequence[Informer], val: Windows, seed: int) -> float:
    """Scale what the networks add to their common highway, in place, by one share; return it.

    Args:
        networks: trained, of single values, over the same highway; their mean is the forecast.
        val: windows that none of them was trained on.
        seed: of the first network's sampled keys.
    """
    start = ClosedFormLinear(networks[0].highway)
    share = supported_share(start, NetworkPredictor(tuple(networks), seed), val)
    for network in networks:
        for parameter in network.projection.parameters():
            parameter.mul_(share)
    logger.info("%.0f %% of the network's correction to the highway is kept", 100 * share)
    return share


def supported_share(start: Predictor, whole: Predictor, val: Windows) -> float:
    """How far of the way from one model's forecasts to another's is kept, from 0 to 1.

    Args:
        start: the simpler model.
        whole: the other; a single value a step.
        val: windows that neither was fitted on; a value that was not observed does not count.
    """
    val = val.with_truth()
    if not len(val):
        return 0.0
    errors = []
    for index, forecast in predict_levels(whole, val):
        begin = start.predict(val, index)  # (B, P, C_t)
        errors.append(_errors(val.horizon(index) - begin, forecast[:, 0] - begin))
    n_times = len(set(val.times.tolist()))
    n_stretches = min(MOST_STRETCHES, max(FEWEST_STRETCHES, n_times // val.pred_len))
    weight = None if val.observed is None else val.n_observed().double()
    return kept_share(torch.cat(errors), _stretches(val.times, n_stretches), weight)


def kept_share(errors: Tensor, stretch: Tensor, weight: Tensor | None = None) -> float:
    """The one of `SHARES` with the least error, two standard errors over stretches of time added.

    Squared and absolute errors count alike, each against that of the start alone.

    Args:
        errors: (N, 2, shares) mean squared and absolute error of each window at each of `SHARES`.
        stretch: (N,) the number of the stretch of time that each window lies in.
        weight: (N,) observed values that each mean is over; None: they are all as many.
    """
    change = errors / _mean(errors[..., :1], weight).clamp(min=torch.finfo(errors.dtype).tiny)
    change = (change - change[..., :1]).mean(dim=1)  # (N, shares)
    own = [stretch == number for number in sorted(set(stretch.tolist()))]
    parts = [_mean(change[one], None if weight is None else weight[one]) for one in own]
    means = torch.stack(parts)  # (stretches, shares)
    if len(means) < 2:
        return 0.0
    doubt = means.std(dim=0) / len(means) ** 0.5
    bound = means.mean(dim=0) + DOUBT * doubt
    # A share whose error is no number is never kept: of nothing but such ones the start is.
    return SHARES[int(bound.where(bound.isfinite(), torch.inf).argmin())]


def _stretches(times: Tensor, n_stretches: int) -> Tensor:
    """(N,) the stretch of each window, all windows of one of the `times` (N,) in the same one.

    The stretches hold equally many windows, as far as that goes.
    """
    ordered = times.sort().values
    sizes = [len(part) for part in torch.tensor_split(ordered, min(n_stretches, len(times)))]
    ends = torch.tensor(sizes).cumsum(dim=0)
    first = torch.searchsorted(ordered, times)  # the place of the first window of the same time
    return torch.searchsorted(ends, first, right=True)


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of (N, ...) over the windows."""
    if weight is None:
        return values.mean(dim=0)
    mean: Tensor = torch.tensordot(weight, values, dims=1) / weight.sum()
    return mean


def _errors(truth: Tensor, added: Tensor) -> Tensor:
    """(B, 2, shares) of the truth and the whole model, both less the start: (B, P, C_t).

    Means over the observed values, which are those of the truth that are not NaN.
    """
    unseen = truth.isnan()
    n = (~unseen).sum(dim=(1, 2))
    errors = []
    for share in SHARES:
        error = truth - share * added if share else truth  # what is added may be infinite
        error = error.double().where(~unseen, 0.0).flatten(start_dim=1)
        errors.append(torch.stack(((error**2).sum(dim=1) / n, error.abs().sum(dim=1) / n), dim=1))
    return torch.stack(errors, dim=2)
