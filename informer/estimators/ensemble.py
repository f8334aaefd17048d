"""The training of a forecaster's networks: one, or several that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from informer.config import ForecasterConfig
from informer.data import Windows
from informer.estimators.baselines import ClosedFormLinear
from informer.estimators.highway import blended_highway
from informer.estimators.shrinkage import shrink, supported_share
from informer.nn import Informer
from informer.training import EpochRecord, OnEpoch, OnStep, fit

__all__ = ["train_networks"]


def train_networks(
    train: Windows,
    val: Windows,
    config: ForecasterConfig,
    *,
    checkpoint_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    on_step: OnStep | None = None,
) -> tuple[tuple[Informer, ...], tuple[EpochRecord, ...]]:
    """Train `config.ensemble` networks one after another, with seeds from `training.seed` on.

    Args:
        train: windows to learn from.
        val: windows that choose the best epoch of each network, the highway's penalties, and with
            a checked highway the share of the networks' own part that is kept.
        config: of the forecaster.
        checkpoint_dir: where a training that was cut off goes on from; a folder in it for each
            member of an ensemble.
        on_epoch: called after each epoch of each network.
        on_step: called now and then with step, steps in all, and train loss.

    Returns:
        The networks, and the epochs of all of them, network by network. The losses are those of
        each network alone, before it is shrunk.
    """
    networks, history, linear = [], [], config.model.linear
    highway = _highway(train, val, config) if linear.fit else None
    for member in range(1, config.ensemble + 1):
        training = replace(config.training, seed=config.training.seed + member - 1)
        with torch.random.fork_rng(devices=[]):  # the caller's own numbers go on as they were
            torch.default_generator.manual_seed(training.seed)
            network = Informer(config.network)
        if highway is not None:
            network.highway.copy_(highway)
        folder = checkpoint_dir
        if checkpoint_dir is not None and config.ensemble > 1:
            folder = checkpoint_dir / f"member-{member}"
        result = fit(
            network, train, val, training,
            checkpoint_dir=folder,
            on_epoch=None if on_epoch is None else partial(_report, on_epoch, member),
            on_step=None if on_step is None else partial(_step, on_step, member, config.ensemble),
            validate_start=highway is not None and not linear.is_checked,
        )  # fmt: skip
        networks.append(network)
        history += [replace(record, member=member) for record in result.history]
    if linear.is_checked:
        shrink(networks, val, config.training.seed)
    return tuple(networks), tuple(history)


def _highway(train: Windows, val: Windows, config: ForecasterConfig) -> Tensor:
    """(L, P) the linear map of the networks' highway."""
    length, linear = config.model.seq_len, config.model.linear
    ridge = ClosedFormLinear.fit(train, val, length)
    if linear.fit == "ridge":
        return ridge.weight
    blend = ClosedFormLinear(blended_highway(train, val, ridge.weight, config.frame.season))
    share = supported_share(ridge, blend, val) if linear.is_checked else 1.0
    return torch.lerp(ridge.weight, blend.weight, share)


def _report(on_epoch: OnEpoch, member: int, record: EpochRecord) -> None:
    on_epoch(replace(record, member=member))


def _step(
    on_step: Callable[[int, int, float], None],
    member: int,
    n_members: int,
    done: int,
    total: int,
    loss: float,
) -> None:
    on_step((member - 1) * total + done, n_members * total, loss)
