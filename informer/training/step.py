"""One step of training and one pass of validation, for any network with the Informer's signature.

B batch   L seq_len   P pred_len   M calendar features
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from informer.data import Batch, Windows
from informer.errors import ConfigError
from informer.training.losses import Loss

__all__ = ["Network", "Step", "evaluate", "forecast_loss", "train_step"]

Network = Callable[..., Any]
"""(x_enc, x_mark_enc, x_dec, x_mark_dec, *, generator) -> (B, P, c_out), or a tuple of it first.

A network of quantiles gives (B, Q, P, c_out).
"""


class Step(NamedTuple):
    """What one step gives; reading a number from it waits for the device."""

    loss: Tensor  # () mean over the observed values of the batch, before the step
    grad_norm: Tensor | None  # () total norm before clipping; None where nothing is clipped


def forecast_loss(
    network: Network, batch: Batch, loss: Loss, generator: torch.Generator | None = None
) -> Tensor:
    """() mean loss over the observed values of a batch, in float32; 0 where there is none.

    Args:
        network: Builds the decoder's input itself.
        batch: B windows.
        loss: Of the forecast, and the truth (B, P, c_out).
        generator: On the CPU, from which ProbSparse draws its sampled keys; None is the global one.

    Raises:
        ConfigError: The network does not forecast what the windows hold.
    """
    output = network(batch.x_enc, batch.x_mark_enc, None, batch.x_mark_dec, generator=generator)
    forecast = output[0] if isinstance(output, tuple) else output
    shape = (len(forecast), *forecast.shape[-2:])
    if shape != batch.y.shape:
        raise ConfigError(
            f"the network forecasts (B, pred_len, c_out) = {shape}, but the windows hold "
            f"{tuple(batch.y.shape)}; set pred_len and c_out to match the windows."
        )
    if batch.seen is None:
        return loss(forecast.float(), batch.y)
    # Where nothing was observed both are 0: no loss and no gradient, whatever the loss is. Its
    # mean is over all entries and is made one over the observed ones, without a look at them.
    hidden = ~batch.seen
    shown = hidden.unsqueeze(1) if forecast.dim() > hidden.dim() else hidden
    mean = loss(forecast.float().masked_fill(shown, 0.0), batch.y.masked_fill(hidden, 0.0))
    return mean * (hidden.numel() / batch.seen.sum().clamp(min=1))


def train_step(
    network: Network,
    parameters: Iterable[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    loss: Loss,
    *,
    weight: float | Tensor = 1.0,
    max_grad_norm: float | None = None,
    generator: torch.Generator | None = None,
) -> Step:
    """Forward, backward, clip, step; nothing here waits for the device.

    Args:
        network: In train mode.
        parameters: Those whose gradients are clipped together.
        optimizer: Of the same parameters.
        batch: B windows.
        loss: Of the forecast, and the truth (B, P, c_out).
        weight: Factor on the gradients, for a process whose part of a batch is not its fair share.
        max_grad_norm: Bound on the total gradient norm; None leaves the gradients alone.
        generator: On the CPU, from which ProbSparse draws its sampled keys; None is the global one.
    """
    optimizer.zero_grad(set_to_none=True)
    value = forecast_loss(network, batch, loss, generator)
    plain = isinstance(weight, float) and weight == 1.0
    (value if plain else value * weight).backward()  # type: ignore[no-untyped-call]
    grad_norm = None
    if max_grad_norm is not None:
        grad_norm = clip_grad_norm_(parameters, max_grad_norm)
    optimizer.step()
    return Step(value.detach(), grad_norm)


@torch.inference_mode()
def evaluate(
    network: Network, windows: Windows, batches: Iterable[Tensor], loss: Loss, seed: int
) -> Tensor:
    """(2,) float64, the summed loss and what it is a sum over: their ratio is the mean loss.

    Every observed value of `batches` counts once; where all were observed, that is every window.
    Every batch draws the same sampled keys, so that the sum is a function of weights and windows,
    however they are batched.

    Args:
        network: In eval mode.
        windows: Where the windows are cut from.
        batches: Numbers of windows, (B,) each.
        loss: Of the forecast, and the truth (B, P, c_out).
        seed: Of the sampled keys.
    """
    total = torch.zeros(2, dtype=torch.float64, device=windows.device)
    for index in batches:
        generator = torch.Generator().manual_seed(seed)
        batch = windows.batch(index)
        weight = len(index) if batch.seen is None else batch.seen.sum()
        total[0] += forecast_loss(network, batch, loss, generator) * weight
        total[1] += weight
    return total
