"""The linear map that a network with a linear highway starts from and adds to.

Four ridge regressions of the horizon on the past, for all channels, which differ in what they are
drawn to and in what weighs: the last value, or the mean of each place in the season over the past;
every window alike, or the calm ones as much as the restless ones. Each is a matrix on the past less
its last value, and so is their mean, which errs less than any of them where the validation rows
cannot tell which will be right.

L look_back   P pred_len   C_t targets   B windows of a batch
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from informer.data import Windows
from informer.estimators.baselines import CHUNK, differences, squared_error
from informer.estimators.choice import least

__all__ = ["blended_highway"]

PENALTIES = tuple(10 ** (power / 2) for power in range(-8, 3))
# Of the windows' mean variance, which keeps a window that stands still from weighing all.
FLOOR = 0.05


def blended_highway(train: Windows, val: Windows, ridge: Tensor, season: int) -> Tensor:
    """(L, P) mean of the four maps, the penalty of each the one that errs least on `val`.

    Every origin of both must have L rows of its own series before it. Where these are fewer than a
    season, the two maps that are drawn to the last value are all there are. A value that was not
    observed counts nowhere: fitted on is what the plain ridge regression makes of it, which says
    nothing that the observed ones did not.

    Args:
        train: windows that the maps are fitted on.
        val: windows that choose the penalties.
        ridge: (L, P) the plain ridge regression on the same windows.
        season: steps in a season.
    """
    look_back = len(ridge)
    typical = _mean_variance(train, look_back)
    judge = _judge(val, ridge)
    priors = [torch.zeros(look_back, train.pred_len, dtype=torch.float64)]
    if season <= look_back:
        priors.append(_seasonal_mean(look_back, train.pred_len, season))
    maps = [
        _least_error(_Moments.of(train, ridge, floor), judge, prior)
        for floor in (None, FLOOR * typical)
        for prior in priors
    ]
    return torch.stack(maps).mean(dim=0).float()


@dataclass(frozen=True)
class _Moments:
    """What a least-squares fit on the past less its last value reads of the windows.

    gram: (L, L), cross: (L, P), float64 means over windows and channels.
    """

    gram: Tensor
    cross: Tensor

    @classmethod
    def of(cls, windows: Windows, ridge: Tensor, floor: float | None) -> Self:
        """Each window and channel weighs one over its variance plus `floor`; None: all alike."""
        look_back = len(ridge)
        gram = torch.zeros(look_back, look_back, dtype=torch.float64)
        cross = torch.zeros(look_back, windows.pred_len, dtype=torch.float64)
        total = 0.0
        for index in windows.parts(CHUNK):
            x, y, _ = differences(windows, index, look_back, ridge)
            weight = torch.ones(len(x), 1)
            if floor is not None:
                weight = 1 / (x.var(dim=1, keepdim=True, correction=0) + floor)
            weighted = x * weight
            gram += (weighted.mT @ x).double()
            cross += (weighted.mT @ y).double()
            total += float(weight.sum())
        return cls(gram / total, cross / total)

    def error(self, weight: Tensor) -> float:
        """Mean squared error of a map (L, P), summed over steps, but for what no map changes."""
        return float((weight * (self.gram @ weight - 2 * self.cross)).sum())


def _judge(val: Windows, ridge: Tensor) -> Callable[[Tensor], float]:
    """What tells the squared error of a map (L, P) on `val`, but for a constant."""
    if val.observed is None:  # one look at the windows serves every map
        return _Moments.of(val, ridge, None).error
    return lambda weight: squared_error(weight.float(), val)


def _least_error(fitted: _Moments, judge: Callable[[Tensor], float], prior: Tensor) -> Tensor:
    """(L, P) ridge map drawn to `prior` (L, P), with the penalty that errs least by `judge`.

    The past is taken less the mean of the rows that the prior reads, so that the penalty does not
    depend on the level; `centre` does that to the past less its last value.
    """
    identity = torch.eye(len(prior), dtype=torch.float64)
    centre = identity - prior.mean(dim=1, keepdim=True)
    gram = centre.mT @ fitted.gram @ centre
    cross = centre.mT @ (fitted.cross - fitted.gram @ prior)
    maps: list[Tensor] = [
        prior + centre @ torch.linalg.solve(gram + penalty * identity, cross)
        for penalty in PENALTIES
    ]
    errors = [judge(weight) for weight in maps]
    return maps[least(errors, "the linear highway")]


def _mean_variance(windows: Windows, look_back: int) -> float:
    """Of the past, over windows and channels."""
    total = 0.0
    for index in windows.parts(CHUNK):
        x, _, _ = differences(windows, index, look_back)
        total += float(x.var(dim=1, correction=0).mean()) * len(index)
    return total / len(windows)


def _seasonal_mean(look_back: int, pred_len: int, season: int) -> Tensor:
    """(L, P) map to the mean of each step's place in the season over the whole seasons of L."""
    n_seasons = look_back // season
    place = torch.arange(-n_seasons * season, 0) % season  # of the last rows; the horizon's is 0
    same = place[:, None] == torch.arange(pred_len)[None] % season
    weight = torch.zeros(look_back, pred_len, dtype=torch.float64)
    weight[look_back - n_seasons * season :] = same.double() / n_seasons
    return weight
