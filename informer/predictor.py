"""What turns scaled windows into scaled forecasts: the network, or a baseline in its place.

B windows of a batch   N windows   L look_back   P pred_len   C_t targets
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from informer.data.windows import Windows
from informer.nn.model import Informer

__all__ = ["NetworkPredictor", "Predictor", "predict_windows"]

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
    """An Informer whose ProbSparse keys come from `seed`, the same in every call and batch."""

    model: Informer
    seed: int

    @property
    def look_back(self) -> int:
        """L, rows of history that a forecast reads."""
        return self.model.config.seq_len

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) scaled forecasts of the windows numbered by `index`."""
        batch = windows.batch(index)
        generator = torch.Generator().manual_seed(self.seed)
        self.model.eval()
        forecast = self.model(
            batch.x_enc, batch.x_mark_enc, None, batch.x_mark_dec, generator=generator
        )
        assert isinstance(forecast, Tensor)
        return forecast


@torch.inference_mode()
def predict_windows(predictor: Predictor, windows: Windows) -> Tensor:
    """(N, P, C_t) scaled forecasts of all windows, batch by batch."""
    parts = torch.split(torch.arange(len(windows)), BATCH)
    return torch.cat([predictor.predict(windows, part) for part in parts])
