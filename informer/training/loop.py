"""Fit a network to windows: the loop, over Lightning Fabric; its phases are in `phases`.

resume, or validate the start -> (train an epoch -> validate -> decide -> save -> report)*
-> take the best weights
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from informer.config import TrainingConfig
from informer.data import Windows
from informer.errors import TrainingError
from informer.training.checkpoint import Progress
from informer.training.device import (
    generator_devices,
    join_processes,
    make_fabric,
    starts_processes,
)
from informer.training.phases import Phases
from informer.training.processes import run_in_processes
from informer.training.records import EpochRecord, OnEpoch, OnStep, TrainingResult

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["EpochRecord", "TrainingResult", "fit"]


def fit(
    model: nn.Module,
    train: Windows,
    val: Windows,
    config: TrainingConfig,
    *,
    checkpoint_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    on_step: OnStep | None = None,
    resume: bool = True,
    validate_start: bool = False,
) -> TrainingResult:
    """Train `model` in place and leave it with the weights of the best epoch, in eval mode.

    The result is a function of the model's weights, the windows and `config` (on one kind of
    device, dropout apart where the number of processes changes): the caller's random generators
    are neither read nor moved. `batch_size` counts the windows of a step over all processes.

    Args:
        model: Called as `informer.nn.model.Informer` is.
        train: Windows to learn from; every one counts in every epoch, unless `steps_per_epoch`.
        val: Windows that choose the best epoch; every observed value counts once.
        config: Optimiser, schedule, loss, length, precision, devices.
        checkpoint_dir: Where each epoch is saved, and where a training that was cut off goes on
            with the losses and weights that it would have had.
        on_epoch: Called after each epoch is saved; what it raises ends the training and comes out
            of here, the model having the last epoch's weights.
        on_step: Called now and then with the steps done, the steps in all, and the train loss.
        resume: Whether to go on from `checkpoint_dir`; False begins afresh and writes over it.
        validate_start: Whether the weights that the training begins with count as epoch 0, and are
            the best until an epoch beats them: for a network that begins as a model of its own.

    Raises:
        TrainingError: There is no window with an observed value to forecast, or a loss is not
            finite.
        ConfigError: The network does not fit the windows, or the devices are not there.
        CheckpointError: `checkpoint_dir` holds another training's files, or damaged ones.
    """
    train, val = _known(train, "train"), _known(val, "val")
    fabric = make_fabric(config)
    job = partial(
        _run, train=train, val=val, config=config, checkpoint_dir=checkpoint_dir, resume=resume,
        validate_start=validate_start,
    )  # fmt: skip
    if starts_processes(fabric):
        result, weights = run_in_processes(fabric, job, model, on_epoch, on_step)
        model.load_state_dict(weights)
    else:
        join_processes(fabric)
        result = job(fabric, model, on_epoch, on_step)
    model.eval()
    return result


def _known(windows: Windows, name: str) -> Windows:
    """The windows of which something came that can be learnt from or judged by."""
    if not len(windows):
        raise TrainingError(f"there is no {name} window. Supply more rows or move the split.")
    known = windows.with_truth()
    if not len(known):
        raise TrainingError(
            f"no value was observed in the horizons of the {len(windows)} {name} windows: all "
            "were missing and were filled. Supply the values or move the split."
        )
    return known


def _run(
    fabric: Fabric,
    model: nn.Module,
    on_epoch: OnEpoch | None,
    on_step: OnStep | None,
    *,
    train: Windows,
    val: Windows,
    config: TrainingConfig,
    checkpoint_dir: Path | None,
    resume: bool,
    validate_start: bool,
) -> TrainingResult:
    """The whole training, in each process; only the first one saves and reports."""
    home = next(model.parameters()).device
    run = Phases(
        fabric,
        model,
        train,
        val,
        config,
        checkpoint_dir=checkpoint_dir,
        on_step=on_step if fabric.is_global_zero else None,
    )
    try:
        progress = run.resume() if resume else Progress()
        resumed_from = progress.epoch
        begins = validate_start and not progress.history
        with torch.random.fork_rng(generator_devices(fabric.device)):
            while begins or not _is_over(progress, config):
                progress = run.start() if begins else run.epoch(progress)
                begins = False
                run.save(progress)
                if on_epoch is not None and fabric.is_global_zero:
                    on_epoch(progress.history[-1])
        model.load_state_dict(run.best)
    finally:
        model.to(home)
    return TrainingResult(
        history=progress.history,
        best_epoch=progress.stopping.best_epoch,
        best_val_loss=progress.stopping.best_val_loss,
        stopped_early=progress.epoch < config.epochs,
        resumed_from=resumed_from,
    )


def _is_over(progress: Progress, config: TrainingConfig) -> bool:
    return progress.epoch >= config.epochs or progress.stopping.is_over(config.patience)
