"""What turns scaled windows into scaled forecasts: the network, or a baseline in its place.

B windows of a batch   N windows   L look_back   P pred_len   C_t targets   Q quantiles
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from informer.config import MEDIAN
from informer.data import Windows
from informer.nn import Informer

__all__ = ["NetworkPredictor", "Predictor", "n_forecasts", "predict_levels"]

BATCH = 512


class Predictor(Protocol):
    """What a forecaster scales for and asks: windows in, scaled forecasts out."""

    @property
    def look_back(self) -> int:
        """L, rows of history that a forecast reads."""

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) scaled forecasts of the windows numbered by `index`."""


@dataclass(frozen=True)
class NetworkPredictor:
    """One Informer, or the mean of several.

    The ProbSparse keys of each come from a seed of its own, `seed` and those after it, the same in
    every call and batch.
    """

    models: tuple[Informer, ...]
    seed: int

    @property
    def look_back(self) -> int:
        """L, rows of history that a forecast reads."""
        return self.models[0].config.seq_len

    @property
    def levels(self) -> tuple[float, ...]:
        """The Q levels of the quantiles that the network forecasts; () for a single value."""
        return self.models[0].config.quantiles

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) scaled forecasts of the windows numbered by `index`; of Q the median."""
        forecast = self.predict_levels(windows, index)
        return forecast[:, self.levels.index(MEDIAN) if self.levels else 0]

    def predict_levels(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, Q, P, C_t) scaled quantiles of the windows; (B, 1, P, C_t) of a single value."""
        batch = windows.batch(index)
        total: Tensor | None = None
        for i, model in enumerate(self.models):
            generator = torch.Generator().manual_seed(self.seed + i)
            forecast = model.eval()(
                batch.x_enc, batch.x_mark_enc, None, batch.x_mark_dec, generator=generator
            )
            total = forecast if total is None else total + forecast
        assert total is not None
        mean = total / len(self.models)
        return mean if self.levels else mean.unsqueeze(1)


def n_forecasts(predictor: Predictor) -> int:
    """K, how many forecasts of each value there are: Q from a network of quantiles, else 1."""
    levels = predictor.levels if isinstance(predictor, NetworkPredictor) else ()
    return max(1, len(levels))


@torch.inference_mode()
def predict_levels(predictor: Predictor, windows: Windows) -> Iterator[tuple[Tensor, Tensor]]:
    """Batch by batch the numbers of the windows, (B,), and their scaled forecasts.

    (B, Q, P, C_t) from a network of quantiles, in the order of their levels, else (B, 1, P, C_t).
    """
    for index in windows.parts(BATCH):
        if isinstance(predictor, NetworkPredictor):
            yield index, predictor.predict_levels(windows, index)
        else:
            yield index, predictor.predict(windows, index).unsqueeze(1)
