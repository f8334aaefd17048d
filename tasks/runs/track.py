"""MLflow: experiments, runs and what they log. Nothing else in the project starts or ends a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import RunStatus
from prefect.artifacts import create_link_artifact
from prefect.exceptions import ExternalSignal, Pause

from tasks.runs.code import git_commit
from tasks.runs.origin import FLOW_RUN_TAG, is_abandoned, origin_tags
from tasks.runs.store import connect, run_url
from tasks.settings import Home, RunConfig, replaced

__all__ = [
    "child_run", "flatten", "log_figure", "log_frame", "opened_run", "resumed_run",
    "tracked_run", "validation_logged",
]  # fmt: skip

STOPPED = ("FAILED", "KILLED")
UNFINISHED = {FLOW_RUN_TAG: (*STOPPED, "SCHEDULED", "RUNNING"), "identity": STOPPED}


def _experiment(client: mlflow.MlflowClient, name: str, home: Home) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    local = home.tracking_uri == home.local_tracking_uri
    location = (home.artifact_dir / name).as_uri() if local else None
    return str(client.create_experiment(name, artifact_location=location))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted names, as MLflow's parameters show them."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


@contextmanager
def opened_run(
    name: str, settings: Mapping[str, Any], home: Home, run_name: str, identity: str | None = None
) -> Iterator[str]:
    """Open a run of the experiment `name`, its settings logged as parameters; yields its id.

    However the block is left, the run is closed: FINISHED, FAILED, KILLED on an interruption, or
    SCHEDULED where the flow is suspended and comes back. A run that the same flow run, or an
    earlier one of the same identity, has left unfinished is gone on with.

    Args:
        name: of the experiment.
        settings: what the run depends on.
        home: where the stores are.
        run_name: shown by MLflow.
        identity: a digest of all that the run depends on; None: every run is a new one.
    """
    client = connect(home)
    experiment = _experiment(client, name, home)
    tags = {"git_commit": git_commit(), "pipeline": name} | origin_tags()
    if identity is not None:
        tags["identity"] = identity
    run_id = _unfinished(client, experiment, tags)
    if run_id is None:
        run_id = str(client.create_run(experiment, run_name=run_name, tags=tags).info.run_id)
    with _closed(client, run_id):
        with resumed_run(run_id, home):
            mlflow.set_tags(tags)
            mlflow.log_params(flatten(settings))
        yield run_id


def _unfinished(
    client: mlflow.MlflowClient, experiment: str, tags: Mapping[str, str]
) -> str | None:
    """The latest run that stopped on the way in this flow run, or with this identity."""
    for name, statuses in UNFINISHED.items():
        if name in tags:
            found = client.search_runs([experiment], f"tags.{name} = '{tags[name]}'", max_results=1)
            if found and (found[0].info.status in statuses or is_abandoned(found[0])):
                return str(found[0].info.run_id)
    return None


@contextmanager
def tracked_run(
    config: RunConfig, home: Home, run_name: str, identity: str | None = None
) -> Iterator[str]:
    """Open the run that everything of one flow run is logged to, as `opened_run` does."""
    whole = config.model_dump(mode="json")
    settings = config.model_dump(mode="json", exclude={"tune": {"space"}})
    with opened_run(config.name, settings, home, run_name, identity) as run_id:
        with resumed_run(run_id, home):
            mlflow.log_dict(whole, "config.json")
            space = whole["tune"]["space"]
            mlflow.log_dict(space if isinstance(space, dict) else {"file": space}, "space.json")
        create_link_artifact(
            run_url(run_id, home),
            key="mlflow-run",
            link_text=run_name,
            description="Curves, figures, tables and trials of this run, in MLflow",
        )
        yield run_id


@contextmanager
def _closed(client: mlflow.MlflowClient, run_id: str) -> Iterator[None]:
    """Close the run however the block is left, see `opened_run`."""
    status = RunStatus.FAILED
    try:
        yield
        status = RunStatus.FINISHED
    except Pause:
        status = RunStatus.SCHEDULED
        raise
    except (KeyboardInterrupt, SystemExit, ExternalSignal):
        status = RunStatus.KILLED
        raise
    finally:
        client.set_terminated(run_id, status=RunStatus.to_string(status))


@contextmanager
def resumed_run(run_id: str, home: Home, *, system_metrics: bool = False) -> Iterator[None]:
    """Make an open run the active one, perhaps watch the machine meanwhile, and leave it open."""
    client = connect(home)
    with mlflow.start_run(run_id=run_id, log_system_metrics=system_metrics):
        yield
    client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))


@contextmanager
def validation_logged(run_id: str, folder: Path, home: Home) -> Iterator[None]:
    """Keep what a validation leaves in `folder` with the run, whether it passes or raises."""
    passed = False
    try:
        yield
        passed = True
    finally:
        with resumed_run(run_id, home):
            mlflow.set_tag("validation", "passed" if passed else "failed")
            if folder.is_dir():
                mlflow.log_artifacts(str(folder), "validation")


@contextmanager
def child_run(parent_id: str, name: str, params: Mapping[str, Any], home: Home) -> Iterator[str]:
    """A nested run of its own, closed as `opened_run` is; yields its id.

    One of that name is gone on with, such as a run that comes back after a failure has.
    """
    client = connect(home)
    experiment = client.get_run(parent_id).info.experiment_id
    tags = origin_tags() | {"mlflow.parentRunId": parent_id}
    known = f"tags.mlflow.parentRunId = '{parent_id}' and attributes.run_name = '{name}'"
    found = client.search_runs([experiment], known, max_results=1)
    run = found[0] if found else client.create_run(experiment, run_name=name, tags=tags)
    run_id = str(run.info.run_id)
    with _closed(client, run_id):
        with resumed_run(run_id, home):
            mlflow.set_tags(tags)
            mlflow.log_params(dict(params))
        yield run_id


def log_figure(figure: Figure, name: str) -> None:
    """Keep a figure as PNG with the active run."""
    mlflow.log_figure(figure, f"figures/{name}.png")


def log_frame(frame: pd.DataFrame, name: str, folder: Path) -> None:
    """Keep a table as CSV in `folder` and with the active run."""
    path = folder / f"{name}.csv"
    with replaced(path) as draft:
        frame.to_csv(draft, index=False)
    mlflow.log_artifact(str(path), "tables")
