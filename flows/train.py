"""Trials and training: in the process of `retrain`, or a deployment of its own on GPU workers."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows.tune import tune_together
from informer.errors import TrainingError
from tasks.fitting import Trained, log_training, train_model, tune_study
from tasks.judging import further_seeds, score_seed, with_seed
from tasks.operations import is_sent_away, run_in_pool, training_slot
from tasks.rows import Prepared, Snapshot, prepare_rows
from tasks.runs import child_run
from tasks.settings import Home, RunConfig, find_home

__all__ = ["errors_by_seed", "train", "train_anywhere"]


def _name() -> str:
    return f"train {flow_run.parameters['config'].name}"


@flow(name="train", flow_run_name=_name, persist_result=True)
def train(config: RunConfig, raw: Snapshot, run_id: str) -> Trained:
    """Prepare what `retrain` has read, then search and train; `run_id` is its MLflow run."""
    home = find_home()
    config = config.with_space(home.conf_dir)
    return _tune_and_train(prepare_rows(raw, config, home), config, run_id, home)


def train_anywhere(prepared: Prepared, config: RunConfig, run_id: str, home: Home) -> Trained:
    """Tune and train: here, or where a deployed run sends it."""
    if not is_sent_away(config):
        return _tune_and_train(prepared, config, run_id, home)
    whole, raw = config.model_dump(mode="json"), asdict(prepared.raw)
    given = {"config": whole, "raw": raw, "run_id": run_id}
    seconds = 2 * 3600 * config.workers.timeout_hours  # of a search and of a training
    tune_together(prepared, config, given, seconds, home)
    trained: Trained = run_in_pool(f"train/{config.name}", given, seconds)
    return trained


def errors_by_seed(
    prepared: Prepared, trained: Trained, run_id: str, home: Home
) -> tuple[float, ...]:
    """The compared error of the same training from each further seed, a nested run each.

    The error of a seed whose training does not come to an end is infinite: the gate tells it.
    """
    found, config = [], trained.config
    for seed in further_seeds(config):
        own = with_seed(config, seed)
        try:
            with child_run(run_id, f"seed-{seed}", {"train.seed": seed}, home) as child_id:
                again = train_anywhere(prepared, own, child_id, home)
        except TrainingError as error:
            get_run_logger().warning("seed %d: %s", seed, error)
            found.append(math.inf)
            continue
        found.append(score_seed(again.model_dir, seed, prepared, config, run_id, home))
    return tuple(found)


def _tune_and_train(prepared: Prepared, config: RunConfig, run_id: str, home: Home) -> Trained:
    """Search, then train with what was found, while holding a slot for one training."""
    with training_slot(config):
        tuned = tune_study(prepared, config, run_id, home)
        trained = train_model(prepared, config, tuned, run_id, home)
    trained = replace(trained, config=config.with_values(tuned.values))
    log_training(trained, tuned, run_id, home)
    return trained
