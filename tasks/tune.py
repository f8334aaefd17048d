"""The search for hyper-parameters: a resumable Optuna study, each trial a nested MLflow run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import mlflow
import optuna
from optuna.trial import TrialState
from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.exceptions import ExternalSignal

from informer.data.panel import Panel
from informer.forecaster import Forecaster
from informer.training.loop import EpochRecord
from tasks.config import RunConfig
from tasks.home import Home
from tasks.prepare import Prepared, history
from tasks.progress import Progress
from tasks.registry import Served, champion
from tasks.sections import Dimension
from tasks.stages import stage_key
from tasks.studies import open_storage
from tasks.track import child_run, connect

__all__ = [
    "Tuned", "champion_values", "open_study", "present_values", "study_name", "suggest", "tune",
]  # fmt: skip

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Tuned:
    """What a study found.

    Attributes:
        study: its name in Optuna's storage.
        values: the best trial's fields, dotted; empty where nothing was searched.
        val_loss: the best trial's validation loss; None where nothing was searched.
        n_trials: finished trials, pruned ones included.
    """

    study: str
    values: dict[str, Any] = field(default_factory=dict)
    val_loss: float | None = None
    n_trials: int = 0


def study_name(prepared: Prepared, config: RunConfig) -> str:
    """One study for each pipeline, data, and everything that a trial's loss depends on."""
    dump = config.model_dump(mode="json", exclude={"tune": {"n_trials", "timeout_minutes"}})
    parts = {k: dump[k] for k in ("frame", "split", "model", "train", "tune", "baselines")}
    content = json.dumps([prepared.snapshot.sha256, parts], sort_keys=True)
    return f"{config.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def open_study(name: str, config: RunConfig, home: Home) -> optuna.Study:
    """Begin the study, or go on with it where an earlier run left it."""
    return optuna.create_study(
        study_name=name,
        storage=open_storage(home),
        load_if_exists=True,
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=config.tune.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    )


def suggest(trial: optuna.Trial, space: Mapping[str, Dimension]) -> dict[str, Any]:
    """One value for each dimension of the space."""
    values: dict[str, Any] = {}
    for name, dimension in space.items():
        low, high = dimension.low, dimension.high
        if dimension.choices is not None:
            values[name] = trial.suggest_categorical(name, dimension.choices)
        elif isinstance(low, int) and isinstance(high, int):
            values[name] = trial.suggest_int(name, low, high, log=dimension.log)
        else:
            assert low is not None
            assert high is not None
            values[name] = trial.suggest_float(name, low, high, log=dimension.log)
    return values


def _key(_context: object, given: dict[str, Any]) -> str:
    config = given["config"]
    name = study_name(given["prepared"], config)
    return stage_key("tune", given["home"], name, config.tune.n_trials, config.tune.timeout_minutes)


@task(name="tune", cache_key_fn=_key, persist_result=True)
def tune(prepared: Prepared, config: RunConfig, parent_run_id: str, home: Home) -> Tuned:
    """Search until the study has `tune.n_trials` finished trials, judged on validation alone."""
    space = config.tune.space
    assert isinstance(space, dict), "load_config reads the space"
    name = study_name(prepared, config)
    if config.tune.n_trials == 0 or not space:
        return Tuned(name)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = open_study(name, config, home)
    done = sum(trial.state in FINISHED for trial in study.get_trials(deepcopy=False))
    missing = max(0, config.tune.n_trials - done)
    get_run_logger().info("study %s: %d trials finished, %d to go", name, done, missing)
    if missing:
        study.enqueue_trial(present_values(config, space), skip_if_exists=True)
        served = champion(config, home)
        known = {} if served is None else champion_values(served, space)
        if known:
            study.enqueue_trial(known, skip_if_exists=True)
    past = history(prepared, config.frame)
    with Progress("tune", missing * config.tune.epochs) as progress:
        study.optimize(
            lambda trial: _objective(trial, past, prepared, config, parent_run_id, home, progress),
            n_trials=missing,
            timeout=None
            if config.tune.timeout_minutes is None
            else 60 * config.tune.timeout_minutes,
        )
    create_table_artifact(_table(study), key="trials", description=f"Trials of study {name}")
    best = study.best_trial
    return Tuned(name, dict(best.params), best.value, len(study.get_trials(states=FINISHED)))


def present_values(config: RunConfig, space: Mapping[str, Dimension]) -> dict[str, Any]:
    """The configuration's own values, which the first trial tries."""
    return _inside(config.model_dump(mode="json"), space)


def champion_values(served: Served, space: Mapping[str, Dimension]) -> dict[str, Any]:
    """The champion's values, which the next trial tries; none where it is a baseline."""
    if served.forecaster.estimator != "informer":
        return {}
    fitted = served.forecaster.config
    return _inside({"model": asdict(fitted.model), "train": asdict(fitted.training)}, space)


def _inside(
    sections: Mapping[str, Mapping[str, Any]], space: Mapping[str, Dimension]
) -> dict[str, Any]:
    """Those of the values that lie in the space; the sampler suggests the others."""
    values = {}
    for key, dimension in space.items():
        section, name = key.split(".")
        value = sections[section][name]
        if dimension.choices is not None:
            inside = value in dimension.choices
        else:
            assert dimension.low is not None
            assert dimension.high is not None
            inside = value is not None and dimension.low <= value <= dimension.high
        if inside:
            values[key] = value
    return values


def _objective(
    trial: optuna.Trial,
    past: Panel,
    prepared: Prepared,
    config: RunConfig,
    parent_run_id: str,
    home: Home,
    progress: Progress,
) -> float:
    """The least validation loss of a short training with the suggested values."""
    values = suggest(trial, config.tune.space)  # type: ignore[arg-type]
    candidate = config.with_values(values | {"train.epochs": config.tune.epochs, "ensemble": 1})
    client = connect(home)
    with child_run(parent_run_id, f"trial-{trial.number}", values, home) as run_id:
        losses: list[float] = []

        def on_epoch(record: EpochRecord) -> None:
            losses.append(record.val_loss)
            client.log_metric(run_id, "val_loss", record.val_loss, step=record.epoch)
            if record.epoch > 0:
                client.log_metric(run_id, "train_loss", record.train_loss, step=record.epoch)
                progress.advance(f"trial {trial.number}: val loss {record.val_loss:.4f}")
            trial.report(record.val_loss, record.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        trial.set_user_attr("mlflow_run_id", run_id)
        pruned = False
        try:
            Forecaster.fit(past, candidate.forecaster_for(prepared.split), on_epoch=on_epoch)
        except optuna.TrialPruned:
            pruned = True  # the run is finished all the same, it did not fail
        except (KeyboardInterrupt, SystemExit, ExternalSignal):
            trial.study.tell(trial.number, state=TrialState.FAIL)  # Optuna would leave it open
            raise
        client.set_tag(run_id, "pruned", str(pruned).lower())
        client.log_metric(run_id, "best_val_loss", min(losses))
    if pruned:
        raise optuna.TrialPruned
    return min(losses)


def _table(study: optuna.Study) -> list[dict[str, Any]]:
    return [
        {"trial": trial.number, "state": trial.state.name, "val_loss": trial.value} | trial.params
        for trial in study.get_trials(deepcopy=False)
    ]


def log_study(tuned: Tuned) -> None:
    """Say with the active MLflow run which study it used and what that found."""
    mlflow.set_tags({"study": tuned.study, "study_trials": str(tuned.n_trials)})
    mlflow.log_dict({"values": tuned.values, "val_loss": tuned.val_loss}, "tuned.json")
