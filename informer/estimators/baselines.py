"""Forecasts that take no training, which any model has to beat.

All read the same windows as the network, in scaled space, and forecast the last C_t channels.

B windows of a batch   L look_back   P pred_len   C channels   C_t targets   N train windows
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from informer.config import ForecasterConfig
from informer.data import Windows
from informer.estimators.choice import least
from informer.estimators.classical import Classical
from informer.estimators.names import CLASSICAL, Baseline

__all__ = [
    "LINEAR_WEIGHT", "BaselinePredictor", "ClosedFormLinear", "Naive", "SeasonalNaive",
    "calibration_windows", "fit_baseline", "look_back_of", "restore_baseline",
]  # fmt: skip

N_CALIBRATION = 99  # windows that calibrate a model which is fitted anew for each
LINEAR_WEIGHT = "linear.weight"
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
CHUNK = 2048
# Rounds in which unobserved values take their places, and the relative change that ends them.
MOST_ROUNDS, SETTLED = 30, 1e-4


@dataclass(frozen=True)
class Naive:
    """Repeats the last value; hard to beat where the level wanders and no season is strong."""

    @property
    def look_back(self) -> int:
        """Rows of history that a forecast reads."""
        return 1

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) forecasts of the windows numbered by `index`, scaled."""
        return windows.past(index, 1).repeat(1, windows.pred_len, 1)


@dataclass(frozen=True)
class SeasonalNaive:
    """Repeats the last season: step h takes the value `season` steps before it, or a multiple."""

    season: int

    @property
    def look_back(self) -> int:
        """Rows of history that a forecast reads."""
        return self.season

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) forecasts of the windows numbered by `index`, scaled."""
        n_seasons = -(-windows.pred_len // self.season)
        last = windows.past(index, self.season)  # (B, season, C_t)
        return last.repeat(1, n_seasons, 1)[:, : windows.pred_len]


@dataclass(frozen=True)
class ClosedFormLinear:
    """One ridge regression for all channels, on the history less its last value.

    weight: (L, P). Solved from the normal equations, so that its cost is one pass over the data:
    the linear map of Zeng et al. (AAAI 2023), NLinear, without gradient descent.
    """

    weight: Tensor

    @property
    def look_back(self) -> int:
        """L, rows of history that a forecast reads."""
        return int(self.weight.shape[0])

    @classmethod
    def fit(cls, train: Windows, val: Windows, look_back: int) -> ClosedFormLinear:
        """Solve on the train windows; the penalty is the one that errs least on `val`.

        Every origin of both must have `look_back` rows of its own series before it. A value that
        was not observed has no part in it: the fit puts its own forecast in the value's place
        until that no longer moves (Dempster, Laird & Rubin 1977), and `val` does not count it.
        """
        gram = torch.zeros(look_back, look_back, dtype=torch.float64)
        cross = torch.zeros(look_back, train.pred_len, dtype=torch.float64)
        n_rows = 0
        for index in train.parts(CHUNK):
            x, y, _ = differences(train, index, look_back)
            gram += (x.mT @ x).double()
            cross += (x.mT @ y.nan_to_num()).double()
            n_rows += len(x)
        identity = torch.eye(look_back, dtype=torch.float64)

        def solved(penalty: float, cross: Tensor) -> Tensor:
            weight: Tensor = torch.linalg.solve(gram + penalty * n_rows * identity, cross).float()
            return weight.contiguous()  # as it is when read back, so that products round alike

        cross += _unobserved(train, partial(solved, PENALTIES[0]), cross)
        candidates = [cls(weight=solved(penalty, cross)) for penalty in PENALTIES]
        losses = [squared_error(candidate.weight, val) for candidate in candidates]
        return candidates[least(losses, "the closed-form linear model")]

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) forecasts of the windows numbered by `index`, scaled."""
        x, _, last = differences(windows, index, self.look_back)
        flat = x @ self.weight.to(x.device)  # (B * C_t, P)
        return flat.view(len(index), -1, windows.pred_len).mT + last


def differences(
    windows: Windows, index: Tensor, look_back: int, guess: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """History and horizon less the last value: (B * C_t, L), (B * C_t, P), and it, (B, 1, C_t).

    Where the horizon was not observed it is NaN, or what the map `guess` (L, P) makes of the past.
    """
    past, future = windows.past(index, look_back), windows.horizon(index)
    last = past[:, -1:]
    x = (past - last).mT.reshape(-1, look_back)  # (B * C_t, L)
    y = (future - last).mT.reshape(-1, windows.pred_len)  # (B * C_t, P)
    if guess is not None and windows.observed is not None:
        y = y.where(~y.isnan(), x @ guess)
    return x, y, last


def squared_error(weight: Tensor, windows: Windows) -> float:
    """Of the map `weight` (L, P) on the past less its last value, summed over observed values."""
    total = 0.0
    for index in windows.parts(CHUNK):
        x, y, _ = differences(windows, index, len(weight))
        total += float((((x @ weight - y) ** 2).where(~y.isnan(), 0.0)).sum())
    return total


def _unobserved(
    windows: Windows, solved: Callable[[Tensor], Tensor], cross: Tensor
) -> Tensor | float:
    """(L, P) what the values that were not observed add to `cross`, so that they change no map.

    Args:
        windows: that are fitted on.
        solved: the map (L, P) of a (L, P) product of past and horizon.
        cross: that product over the observed values alone.
    """
    if windows.observed is None:
        return 0.0
    full = windows.pred_len * windows.n_targets
    some = windows.subset(windows.n_observed() < full)
    added = torch.zeros_like(cross)
    for _ in range(MOST_ROUNDS):
        weight, before = solved(cross + added), added
        added = torch.zeros_like(cross)
        for index in some.parts(CHUNK):
            x, y, _ = differences(some, index, len(weight))
            added += (x.mT @ (x @ weight).where(y.isnan(), 0.0)).double()
        if float((added - before).norm()) <= SETTLED * float((cross + added).norm()):
            break
    return added


BaselinePredictor: TypeAlias = Naive | SeasonalNaive | ClosedFormLinear | Classical


def look_back_of(name: Baseline, config: ForecasterConfig) -> int:
    """Rows of history that the baseline reads."""
    if name == "linear":
        return config.linear_look_back
    return _without_weights(name, config).look_back


def fit_baseline(
    name: Baseline, train: Windows, val: Windows, config: ForecasterConfig
) -> BaselinePredictor:
    """The baseline, fitted where there is something to fit.

    Raises:
        ConfigError: it is a classical one, and the library behind it is not installed.
    """
    if name == "linear":
        return ClosedFormLinear.fit(train, val, config.linear_look_back)
    return _without_weights(name, config)


def restore_baseline(
    name: Baseline, config: ForecasterConfig, tensors: Mapping[str, Tensor]
) -> BaselinePredictor:
    """The baseline as it was saved with its `weights`.

    Raises:
        ConfigError: it is a classical one, and the library behind it is not installed.
    """
    if name == "linear":
        return ClosedFormLinear(tensors[LINEAR_WEIGHT])
    return _without_weights(name, config)


def calibration_windows(name: Baseline, val: Windows) -> Windows:
    """The validation windows whose residuals make the intervals: of a classical model, some."""
    if name not in CLASSICAL or len(val) <= N_CALIBRATION:
        return val
    return val.subset(torch.linspace(0, len(val) - 1, N_CALIBRATION).round().long())


def _without_weights(name: Baseline, config: ForecasterConfig) -> BaselinePredictor:
    if name == "naive":
        return Naive()
    if name == "seasonal_naive":
        return SeasonalNaive(config.frame.season)
    assert name != "linear"
    return Classical(name, config.frame.season, config.classical_rows)
