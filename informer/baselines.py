"""Forecasts that take no training, which any model has to beat.

Both read the same windows as the network, in scaled space, and forecast the last C_t channels.

B windows of a batch   L look_back   P pred_len   C channels   C_t targets   N train windows
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from informer.data.windows import Windows

__all__ = ["ClosedFormLinear", "SeasonalNaive"]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
CHUNK = 2048


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
        ahead = torch.arange(windows.pred_len, device=index.device) % self.season
        rows = windows.origins[index][:, None] - self.season + ahead  # (B, P)
        return windows.values[rows][..., -windows.n_targets :]


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

        Every origin of both must have `look_back` rows of its own series before it.
        """
        gram = torch.zeros(look_back, look_back, dtype=torch.float64)
        cross = torch.zeros(look_back, train.pred_len, dtype=torch.float64)
        n_rows = 0
        for index in torch.split(torch.arange(len(train)), CHUNK):
            x, y, _ = _differences(train, index, look_back)
            gram += (x.mT @ x).double()
            cross += (x.mT @ y).double()
            n_rows += len(x)
        identity = torch.eye(look_back, dtype=torch.float64)
        candidates = [
            cls(weight=torch.linalg.solve(gram + penalty * n_rows * identity, cross).float())
            for penalty in PENALTIES
        ]
        losses = [_squared_error(candidate, val) for candidate in candidates]
        return candidates[losses.index(min(losses))]

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) forecasts of the windows numbered by `index`, scaled."""
        x, _, last = _differences(windows, index, self.look_back)
        flat = x @ self.weight.to(x.device)  # (B * C_t, P)
        return flat.view(len(index), -1, windows.pred_len).mT + last


def _differences(windows: Windows, index: Tensor, look_back: int) -> tuple[Tensor, Tensor, Tensor]:
    """History and horizon less the last value: (B * C_t, L), (B * C_t, P), and it, (B, 1, C_t)."""
    origins = windows.origins[index][:, None]
    channels = windows.values[:, -windows.n_targets :]
    past = channels[origins + torch.arange(-look_back, 0, device=index.device)]  # (B, L, C_t)
    future = channels[origins + torch.arange(windows.pred_len, device=index.device)]
    last = past[:, -1:]
    x = (past - last).mT.reshape(-1, look_back)  # (B * C_t, L)
    y = (future - last).mT.reshape(-1, windows.pred_len)  # (B * C_t, P)
    return x, y, last


def _squared_error(candidate: ClosedFormLinear, windows: Windows) -> float:
    total = 0.0
    for index in torch.split(torch.arange(len(windows)), CHUNK):
        x, y, _ = _differences(windows, index, candidate.look_back)
        total += float(((x @ candidate.weight - y) ** 2).sum())
    return total
