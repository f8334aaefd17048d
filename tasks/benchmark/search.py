"""The search of `informer benchmark --tune`: the pipeline's, in memory, without a server."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import optuna
import pandas as pd
from optuna.trial import TrialState

from informer.data import Split
from informer.errors import ConfigError, TrainingError
from informer.forecaster import Forecaster
from informer.training import EpochRecord
from tasks.benchmark.setting import PARTS
from tasks.fitting import TrialFailed, failure_of, present_values, suggest
from tasks.settings import RunConfig

__all__ = ["search"]


def search(
    known: pd.DataFrame, config: RunConfig, split: Split, on_trial: Callable[[int, str], None]
) -> dict[str, Any]:
    """The values of the space with the least validation loss; the configuration's own come first.

    Args:
        known: train and validation rows; test rows would be seen by the search.
        config: at its horizon; `tune` says where and how long is searched.
        split: where validation begins.
        on_trial: told how far the search has come, in `PARTS`, and in words.

    Raises:
        TrainingError: the values of no trial work.
    """
    space = config.tune.space
    assert isinstance(space, dict), "load_config reads the space"
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a trial that fails is told below
    reasons: list[str] = []
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=config.tune.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    )
    study.enqueue_trial(present_values(config, space))

    def objective(trial: optuna.Trial) -> float:
        values = suggest(trial, space) | {"train.epochs": config.tune.epochs}
        losses: list[float] = []

        def on_epoch(record: EpochRecord) -> None:
            losses.append(record.val_loss)
            done = trial.number + len(losses) / config.tune.epochs
            note = f"horizon {config.model.pred_len}, trial {trial.number}"
            on_trial(int(PARTS * min(1.0, done / config.tune.n_trials)), note)
            trial.report(record.val_loss, record.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            _fit(known, config, values, split, on_epoch)
        except TrialFailed as error:
            reasons.append(str(error))
            raise
        return min(filter(math.isfinite, losses), default=math.nan)  # a NaN is no result

    minutes = config.tune.timeout_minutes
    study.optimize(
        objective, n_trials=config.tune.n_trials, timeout=None if minutes is None else 60 * minutes,
        catch=(TrialFailed,),
    )  # fmt: skip
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        raise _none_completed(config, reasons)
    return dict(study.best_params)


def _fit(
    known: pd.DataFrame,
    config: RunConfig,
    values: dict[str, Any],
    split: Split,
    on_epoch: Callable[[EpochRecord], None],
) -> None:
    """Train with suggested values.

    Raises:
        TrialFailed: they do not work.
    """
    try:
        candidate = config.with_values(values).forecaster_for(split)
    except ConfigError as error:
        raise TrialFailed(str(error)) from error
    try:
        Forecaster.fit(known, candidate, on_epoch=on_epoch, check_values=False)
    except optuna.TrialPruned:
        raise
    except Exception as error:
        reason = failure_of(error)
        if reason is None:
            raise
        raise TrialFailed(reason) from error


def _none_completed(config: RunConfig, reasons: list[str]) -> TrainingError:
    why = f", the last because {reasons[-1].rstrip('.')}" if reasons else ""
    return TrainingError(
        f"no trial of the search at horizon {config.model.pred_len} completed{why}. Correct "
        "tune.space or the configuration."
    )
