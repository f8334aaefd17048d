"""Classical models that choose their own form, fitted anew at each origin: statsforecast's.

They know nothing of other channels or series, and their cost is one fit for each forecast.

B windows of a batch   L rows fitted on   P pred_len   C_t targets
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from informer.data import Windows
from informer.estimators.names import ClassicalName, require_library

__all__ = ["Classical"]

CLASSES = {"auto_ets": "AutoETS", "auto_theta": "AutoTheta", "auto_arima": "AutoARIMA"}
MIN_SEASONS = 2  # that the rows must hold for a seasonal form


@dataclass(frozen=True)
class Classical:
    """Fits each channel's last rows by itself and forecasts from there.

    Attributes:
        name: which model.
        season: steps in a season; without effect where the rows hold less than two of them.
        n_rows: L, how many rows each fit sees.
    """

    name: ClassicalName
    season: int
    n_rows: int

    def __post_init__(self) -> None:
        require_library(self.name)

    @property
    def look_back(self) -> int:
        """L, rows of history that a forecast reads."""
        return self.n_rows

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) forecasts of the windows numbered by `index`, scaled."""
        season = self.season if self.n_rows >= MIN_SEASONS * self.season else 1
        model = _model(self.name, season)
        forecasts = np.empty((len(index), windows.pred_len, windows.n_targets))
        for i, number in enumerate(index):
            past = windows.past(number[None], self.n_rows)[0].cpu().double().numpy()  # (L, C_t)
            for c in range(windows.n_targets):
                forecasts[i, :, c] = _forecast(model, past[:, c], windows.pred_len)
        return torch.from_numpy(forecasts).to(windows.values)


def _model(name: ClassicalName, season: int) -> Any:  # noqa: ANN401 - the library has no types
    from statsforecast import models  # the extra `classical`; its import takes seconds

    return getattr(models, CLASSES[name])(season_length=season)


def _forecast(model: Any, past: npt.NDArray[np.float64], n_steps: int) -> npt.NDArray[np.float64]:  # noqa: ANN401
    """(P,) values after `past`; a history that never changes goes on as it is."""
    if np.ptp(past) == 0:
        return np.full(n_steps, past[-1])
    mean: npt.NDArray[np.float64] = model.forecast(y=past, h=n_steps)["mean"]
    return mean
