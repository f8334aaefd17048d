"""The search of `informer benchmark --tune`: the pipeline's, in memory, without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pandas as pd

from informer.data import Split
from informer.forecaster import Forecaster
from informer.training import EpochRecord
from tasks.benchmark.setting import PARTS
from tasks.fitting import present_values, suggest
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
    """
    space = config.tune.space
    assert isinstance(space, dict), "load_config reads the space"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
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

        candidate = config.with_values(values).forecaster_for(split)
        Forecaster.fit(known, candidate, on_epoch=on_epoch)
        return min(losses)

    minutes = config.tune.timeout_minutes
    study.optimize(
        objective, n_trials=config.tune.n_trials, timeout=None if minutes is None else 60 * minutes
    )
    return dict(study.best_params)
