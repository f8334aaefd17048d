"""How far a model may leave a simpler one that it starts from: as far as all validation supports.

What a network adds to its linear highway, or a blended highway to a single regression, was chosen
on windows of one time and serves another; as a rule a part of it is an error of its own. Only the
share that validation windows of every stretch of time support is kept.

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
        val: windows that none of them was trained on, in order of time.
        seed: of the first network's sampled keys.
    """
    start = ClosedFormLinear(networks[0].highway)
    share = supported_share(start, NetworkPredictor(tuple(networks), seed), val)
    for network in networks:
        for parameter in network.projection.parameters():
            parameter.mul_(share)
    logger.info("%.0f %% of what the network adds to its highway is kept", 100 * share)
    return share


def supported_share(start: Predictor, whole: Predictor, val: Windows) -> float:
    """How far of the way from one model's forecasts to another's is kept, from 0 to 1.

    Args:
        start: the simpler model.
        whole: the other; a single value a step.
        val: windows that neither was fitted on, in order of time.
    """
    errors = []
    for index, forecast in predict_levels(whole, val):
        rows = val.origins[index][:, None] + torch.arange(val.pred_len)  # (B, P)
        begin = start.predict(val, index)  # (B, P, C_t)
        errors.append(_errors(val.targets(rows) - begin, forecast[:, 0] - begin))
    n_stretches = min(MOST_STRETCHES, max(FEWEST_STRETCHES, len(val) // val.pred_len))
    return kept_share(torch.cat(errors), n_stretches)


def kept_share(errors: Tensor, n_stretches: int) -> float:
    """The one of `SHARES` with the least error, two standard errors over stretches of time added.

    Squared and absolute errors count alike, each against that of the start alone.

    Args:
        errors: (N, 2, shares) squared and absolute error of each window at each of `SHARES`.
        n_stretches: into how many parts the windows are cut, one after another.
    """
    change = errors / errors[..., :1].mean(dim=0).clamp(min=torch.finfo(errors.dtype).tiny)
    change = (change - change[..., :1]).mean(dim=1)  # (N, shares)
    parts = torch.tensor_split(change, min(n_stretches, len(change)))
    means = torch.stack([part.mean(dim=0) for part in parts])  # (stretches, shares)
    if len(means) < 2:
        return 0.0
    doubt = means.std(dim=0) / len(means) ** 0.5
    return SHARES[int((means.mean(dim=0) + DOUBT * doubt).argmin())]


def _errors(truth: Tensor, added: Tensor) -> Tensor:
    """(B, 2, shares) of the truth and the whole model, both less the start: (B, P, C_t)."""
    errors = []
    for share in SHARES:
        error = (truth - share * added).double().flatten(start_dim=1)
        errors.append(torch.stack(((error**2).mean(dim=1), error.abs().mean(dim=1)), dim=1))
    return torch.stack(errors, dim=2)
