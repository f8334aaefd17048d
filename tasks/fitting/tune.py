"""The search for hyper-parameters: a resumable Optuna study, by one process or by several."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import mlflow
from optuna.trial import TrialState
from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from tasks.fitting.failures import FAILURE
from tasks.fitting.queue import FINISHED, Queue
from tasks.fitting.trial import Trials
from tasks.models import Served, champion_of_run, load_version
from tasks.rows import Prepared, history
from tasks.runs import Progress, Stage
from tasks.settings import Dimension, Home, PipelineError, RunConfig

__all__ = [
    "TRAINING_CODE", "TRAINING_LIBRARIES", "Tuned", "champion_values", "log_study", "plan",
    "present_values", "study_name", "tune_study",
]  # fmt: skip


TRAINING_CODE = (
    "informer.config", "informer.network", "informer.frequency", "informer.forecaster",
    "informer.storage", "informer.data", "informer.estimators", "informer.nn", "informer.ops",
    "informer.training",
)  # fmt: skip
TRAINING_LIBRARIES = ("lightning-fabric", "numpy", "pandas", "torch")


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


TUNE = Stage(
    "tune",
    Tuned,
    code=(
        *TRAINING_CODE, "tasks.fitting.tune", "tasks.fitting.trial", "tasks.fitting.queue",
        "tasks.fitting.failures",
    ),
    libraries=(*TRAINING_LIBRARIES, "optuna"),
    is_shared=True,
)  # fmt: skip


def tune_study(
    prepared: Prepared, config: RunConfig, parent_run_id: str, home: Home, fill: bool = True
) -> Tuned:
    """Search until the study has `tune.n_trials` finished trials, judged on validation alone.

    Any number of processes may do so at once, if one has called `plan` before, and they have not.

    Args:
        prepared: the rows.
        config: the pipeline's, its search space read.
        parent_run_id: the MLflow run that the trials' runs are nested under.
        home: where the stores are.
        fill: whether to begin with `plan`.

    Raises:
        PipelineError: no trial was completed.
        TimeoutError: it took longer than `workers.timeout_hours`.
    """
    inputs = (study_name(prepared, config), config.tune.n_trials, config.tune.timeout_minutes)
    return TUNE.run(
        home,
        inputs,
        lambda _: _search(prepared, config, parent_run_id, home, fill),
        timeout_s=3600 * config.workers.timeout_hours,
    )


def _search(
    prepared: Prepared, config: RunConfig, parent_run_id: str, home: Home, fill: bool
) -> Tuned:
    name = study_name(prepared, config)
    if not _is_wanted(config):
        return Tuned(name)
    if fill:
        plan(prepared, config, parent_run_id, home)
    queue = Queue(name, config.tune.seed, home)
    open_ = queue.trials(TrialState.WAITING, TrialState.RUNNING)
    get_run_logger().info("study %s: %d trials are waiting or running", name, len(open_))
    past = history(prepared, config.frame)
    with Progress("tune", len(open_) * config.tune.epochs) as progress:
        queue.work(
            config.tune.n_trials,
            Trials(past, prepared.split, config, name, parent_run_id, home, progress.advance),
            None if config.tune.timeout_minutes is None else 60 * config.tune.timeout_minutes,
        )
    create_table_artifact(_table(queue), key="trials", description=f"Trials of study {name}")
    if not queue.trials(TrialState.WAITING):
        shutil.rmtree(home.trials_dir(name), ignore_errors=True)
    if not queue.trials(TrialState.COMPLETE):
        raise PipelineError(
            f"no trial of study {name} completed{_commonest(queue)}. Correct tune.space or the "
            "configuration, and run this again."
        )
    for trial in queue.failed():
        get_run_logger().warning("trial %d failed: %s", trial.number, trial.user_attrs[FAILURE])
    best = queue.study.best_trial
    return Tuned(name, dict(best.params), best.value, len(queue.trials(*FINISHED)))


def plan(prepared: Prepared, config: RunConfig, run_id: str, home: Home) -> int:
    """Let the trials wait that the study is still to have; returns how many results are missing.

    The configuration's own values come first, then those of the champion of the run `run_id`.
    """
    if not _is_wanted(config):
        return 0
    space = config.tune.space
    assert isinstance(space, dict), "load_config reads the space"
    queue = Queue(study_name(prepared, config), config.tune.seed, home)
    first = [present_values(config, space)]
    if len(queue.trials(*FINISHED)) < config.tune.n_trials:
        version = champion_of_run(run_id, config.name, home)
        if version is not None:
            first.append(champion_values(load_version(config.name, version, home), space))
    return queue.fill(config.tune.n_trials, first)


def _is_wanted(config: RunConfig) -> bool:
    return config.tune.n_trials > 0 and bool(config.tune.space)


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


def _commonest(queue: Queue) -> str:
    """The reason that most failed trials have, less the numbers in which they differ."""
    reasons = [trial.user_attrs[FAILURE] for trial in queue.failed()]
    if not reasons:
        return ". The MLflow runs of its trials show why"
    kinds = Counter(re.sub(r"[\d.e+-]*\d", "#", reason) for reason in reasons)
    kind, count = kinds.most_common(1)[0]
    example = next(r for r in reasons if re.sub(r"[\d.e+-]*\d", "#", r) == kind)
    return f": {count} of {len(reasons)} failed alike, as this one: {example.rstrip('.')}"


def _table(queue: Queue) -> list[dict[str, Any]]:
    return [
        {"trial": trial.number, "state": trial.state.name, "val_loss": trial.value}
        | trial.params
        | {"reason": trial.user_attrs.get(FAILURE, "")}
        for trial in queue.trials()
    ]


def log_study(tuned: Tuned) -> None:
    """Say with the active MLflow run which study it used and what that found."""
    mlflow.set_tags({"study": tuned.study, "study_trials": str(tuned.n_trials)})
    mlflow.log_dict({"values": tuned.values, "val_loss": tuned.val_loss}, "tuned.json")
