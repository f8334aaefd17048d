"""What a training makes small.

B batch   Q quantiles   P pred_len   C_t targets
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from informer.errors import ConfigError

__all__ = ["LOSSES", "Loss", "loss_for", "pinball"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""(forecast, truth (B, P, C_t)) -> () mean over all entries; 0 where forecast and truth are 0."""

LOSSES: dict[str, Loss] = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss}


def pinball(levels: tuple[float, ...]) -> Loss:
    """The mean quantile loss (Koenker and Bassett, 1978) of forecasts (B, Q, P, C_t)."""

    def loss(quantiles: Tensor, truth: Tensor) -> Tensor:
        level = torch.tensor(levels, dtype=truth.dtype, device=truth.device).view(-1, 1, 1)
        error = truth.unsqueeze(1) - quantiles  # (B, Q, P, C_t)
        return torch.maximum(level * error, (level - 1) * error).mean()

    return loss


def loss_for(name: str, model: nn.Module) -> Loss:
    """The loss called `name`, as `model` needs it.

    Raises:
        ConfigError: The network forecasts quantiles and the loss judges one value, or the reverse.
    """
    levels: tuple[float, ...] = getattr(getattr(model, "config", None), "quantiles", ())
    if bool(levels) != (name == "pinball"):
        raise ConfigError(
            f"loss is {name!r}, and the network forecasts "
            f"{f'the quantiles {list(levels)}' if levels else 'one value, no quantiles'}; use "
            "loss='pinball' with InformerConfig.quantiles, and another loss without."
        )
    return pinball(levels) if levels else LOSSES[name]
