"""The model registry: versions of one model per pipeline, served by alias.

`champion` is what forecasts come from, `previous` what it was before, `challenger` the newest
candidate. A move is first written to the ledger, then `previous` moves, and `champion` last: that
is when the move is done, and one that was cut off before is finished by the same command.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.data.dataset_source_registry import get_dataset_source_from_json
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.pyfunc import log_model
from prefect import task
from prefect.artifacts import create_link_artifact

import informer
from informer.estimators import CLASSICAL, LIBRARY
from informer.forecaster import Forecaster
from tasks.models.ledger import Action, Facts, anchor, read_ledger, record, unfinished
from tasks.rows import Prepared, read_rows
from tasks.runs import (
    BACK_OFF_S,
    PROMOTED,
    connect,
    is_passing,
    resumed_run,
    stage_key,
    tell,
    ui_url,
)
from tasks.settings import Home, RegistryError, RunConfig

__all__ = [
    "CHALLENGER", "CHAMPION", "PREVIOUS", "Served", "alias_version", "champion", "facts_of",
    "load_version", "promote_version", "register", "require_champion", "rollback", "version_url",
]  # fmt: skip

ARTIFACT = "forecaster"
MODEL_CODE = Path(__file__).with_name("pyfunc_model.py")
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
REQUIREMENTS = ("torch", "numpy", "pandas", "lightning-fabric", "safetensors", "mlflow")


@dataclass(frozen=True)
class Served:
    """A registered version and the model that it holds."""

    version: str
    forecaster: Forecaster


def _by_alias(client: mlflow.MlflowClient, name: str, alias: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def alias_version(client: mlflow.MlflowClient, name: str, alias: str) -> str | None:
    """The version that bears an alias; None where none does."""
    found = _by_alias(client, name, alias)
    return None if found is None else str(found.version)


def champion(config: RunConfig, home: Home) -> Served | None:
    """The version that forecasts come from, loaded without a pickle; None before the first one.

    Raises:
        RegistryError: the version is there but its files are not.
    """
    client = connect(home)
    found = _by_alias(client, config.name, CHAMPION)
    return None if found is None else load_version(config.name, str(found.version), home)


def load_version(name: str, version: str, home: Home) -> Served:
    """Any registered version, loaded without a pickle.

    Raises:
        RegistryError: there is none of that number, or its files are gone.
    """
    connect(home)
    with tempfile.TemporaryDirectory() as folder:
        try:
            local = mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{name}/{version}", dst_path=folder
            )
        except (MlflowException, OSError) as error:
            raise RegistryError(
                f"version {version} of {name} cannot be loaded: {str(error).splitlines()[0]}. "
                "Restore its artifacts or promote another version."
            ) from error
        (model_dir,) = (Path(local) / "artifacts").iterdir()
        return Served(version, Forecaster.load(model_dir))


def require_champion(config: RunConfig, home: Home) -> Served:
    """The version that forecasts come from.

    Raises:
        RegistryError: there is none.
    """
    served = champion(config, home)
    if served is None:
        raise RegistryError(
            f"model {config.name} has no champion to forecast with. "
            f"Run: informer retrain {config.name}"
        )
    return served


def _key(_context: object, given: dict[str, Any]) -> str:
    names = ("name", "run_id", "model_dir", "alias")
    return stage_key("register", given["home"], *(given[name] for name in names))


@task(
    name="register",
    retries=len(BACK_OFF_S),
    retry_delay_seconds=BACK_OFF_S,
    retry_condition_fn=is_passing,
    cache_key_fn=_key,
    persist_result=True,
)
def register(
    model_dir: Path,
    prepared: Prepared,
    name: str,
    metrics: Mapping[str, float],
    run_id: str,
    home: Home,
    alias: str | None = CHALLENGER,
) -> str:
    """Log the model as a pyfunc without pickle and register it as a new version; returns that.

    The model carries the library's code, its weights as safetensors and its settings as JSON.

    Args:
        model_dir: where `Forecaster.load` finds the model.
        prepared: the rows that it was fitted to and judged on.
        name: of the registered model.
        metrics: logged with the version.
        run_id: the MLflow run that it belongs to.
        home: where the stores are.
        alias: the alias that it takes; None: it takes none.
    """
    forecaster = Forecaster.load(model_dir)
    rows = read_rows(prepared)
    example = _latest(rows, forecaster)
    forecast = forecaster.predict(example)
    with resumed_run(run_id, home), _importable_code() as code_paths:
        _log_lineage(prepared, rows, forecaster.config.frame.time_column, name)
        info = log_model(
            name="model",
            python_model=str(MODEL_CODE),
            artifacts={ARTIFACT: str(model_dir)},
            code_paths=code_paths,
            signature=infer_signature(example, forecast),
            input_example=example,
            pip_requirements=[f"{n}=={_version(n)}" for n in _needed(forecaster)],
            registered_model_name=name,
            metadata={"estimator": forecaster.estimator, "data_sha256": prepared.raw.sha256},
        )
        measured = {name: value for name, value in metrics.items() if not math.isnan(value)}
        mlflow.log_metrics(measured, model_id=info.model_id)
    version = str(info.registered_model_version)
    client = connect(home)
    tags = {
        "estimator": forecaster.estimator,
        "data_sha256": prepared.raw.sha256,
        "data_source": prepared.raw.source,
        "run_id": run_id,
    } | {f"test_{name}": f"{value:.6g}" for name, value in measured.items()}
    _tag_version(client, name, version, tags)
    if alias is not None:
        client.set_registered_model_alias(name, alias, version)
    create_link_artifact(
        version_url(name, version, home),
        key="model-version",
        link_text=f"{name} version {version} ({forecaster.estimator})",
        description="The registered model; open it in the MLflow UI under Models",
    )
    return version


def _tag_version(
    client: mlflow.MlflowClient, name: str, version: str, tags: Mapping[str, str]
) -> None:
    """Set the tags, and that of the commit which the version's run was made by."""
    commit = client.get_run(tags["run_id"]).data.tags.get("git_commit", "unknown")
    for key, value in {**tags, "git_commit": commit}.items():
        client.set_model_version_tag(name, version, key, value)


def version_url(name: str, version: str, home: Home) -> str:
    """Where the MLflow UI shows a version."""
    return ui_url(f"models/{name}/versions/{version}", home)


def _latest(rows: pd.DataFrame, forecaster: Forecaster) -> pd.DataFrame:
    """The least history of each series that a forecast can be made from.

    A window may begin in a gap, whose rows are left out: so the longest gap allowed comes on top.
    """
    frame = forecaster.config.frame
    n_rows = forecaster.look_back + frame.max_gap
    series = rows if frame.id_column is None else rows.groupby(frame.id_column)
    return series.tail(n_rows).reset_index(drop=True)


def facts_of(version: ModelVersion) -> Facts:
    """What the ledger says of a version, from its tags."""
    tags = version.tags
    return Facts(
        windows=json.loads(tags.get("windows", "{}")),
        data_sha256=tags.get("data_sha256", ""),
        git_commit=tags.get("git_commit", ""),
        run_id=version.run_id or "",
    )


def promote_version(
    name: str,
    version: str,
    home: Home,
    *,
    reason: str = "no reason was given",
    action: Action = "promote",
) -> str | None:
    """Serve `version` from now on; returns the version that was served before, now `previous`.

    A version that serves already is left as it is, and the ledger too.

    Raises:
        RegistryError: there is no such version.
    """
    client = connect(home)
    before = alias_version(client, name, CHAMPION)
    if before != version:
        _move(client, name, (before, version), action, reason)
    return before


def rollback(name: str, home: Home, *, reason: str = "no reason was given") -> tuple[str, str]:
    """Serve the version that served before; returns it and the one that it takes the place of.

    Raises:
        RegistryError: nothing serves, or nothing served before.
    """
    client = connect(home)
    serving = alias_version(client, name, CHAMPION)
    if serving is None:
        raise RegistryError(
            f"model {name} has no champion to roll back. Run: informer retrain {name}"
        )
    target = _served_before(client, name, serving)
    if target is None:
        raise RegistryError(
            f"version {serving} of model {name} is the first that serves: there is no previous one "
            f"to roll back to. See: informer models list {name}"
        )
    _move(client, name, (serving, target), "rollback", reason)
    return target, serving


def _served_before(client: mlflow.MlflowClient, name: str, serving: str) -> str | None:
    """What a rollback goes to; after one that was cut off, the same again.

    A move that was cut off may have put `previous` onto the champion itself; the ledger then knows.
    """
    entries = read_ledger(client, name)
    begun = unfinished(entries, serving)
    if begun is not None and begun.action == "rollback":
        return begun.to_version
    previous = alias_version(client, name, PREVIOUS)
    if previous != serving:
        return previous
    arrivals = (e for e in reversed(entries) if e.action != "hold" and e.to_version == serving)
    return next((entry.from_version for entry in arrivals), None)


def _move(
    client: mlflow.MlflowClient,
    name: str,
    between: tuple[str | None, str],
    action: Action,
    reason: str,
) -> None:
    before, version = between
    try:
        facts = facts_of(client.get_model_version(name, version))
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RegistryError(
            f"model {name} has no version {version}. See: informer models list {name}"
        ) from error
    begun = unfinished(read_ledger(client, name), before)
    if begun is not None and (begun.action, begun.to_version) == (action, version):
        anchor(client, name, begun)
    else:
        record(client, name, action, version, between, reason, facts)
    if before is not None:
        client.set_registered_model_alias(name, PREVIOUS, before)
    client.set_registered_model_alias(name, CHAMPION, version)
    moved = {"version": version, "from_version": before, "reason": reason, "action": action}
    tell(PROMOTED, name, moved)


def _needed(forecaster: Forecaster) -> tuple[str, ...]:
    """The distributions without which the model cannot be served."""
    return (*REQUIREMENTS, LIBRARY) if forecaster.estimator in CLASSICAL else REQUIREMENTS


def _version(distribution: str) -> str:
    """The installed version less a local label such as +cpu, which no index knows."""
    return importlib.metadata.version(distribution).partition("+")[0]


@contextmanager
def _importable_code() -> Iterator[list[str]]:
    """The library's own folder, as MLflow wants it: without caches."""
    package = Path(informer.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / package.name
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        yield [str(copy)]


def _log_lineage(prepared: Prepared, rows: pd.DataFrame, time_column: str, name: str) -> None:
    """Which data the active run trained on and was judged by."""
    times = rows[time_column]
    parts = {
        "training": rows[times < prepared.split.val_start],
        "validation": rows[
            (times >= prepared.split.val_start) & (times < prepared.split.test_start)
        ],
        "test": rows[(times >= prepared.split.test_start) & (times < prepared.split.test_end)],
    }
    # Given as a path, MLflow 3.17 would warn that two sources of its own can read it.
    source = get_dataset_source_from_json(json.dumps({"uri": str(prepared.raw.path)}), "local")
    for context, part in parts.items():
        dataset = mlflow.data.from_pandas(part, source=source, name=f"{name}-{context}")
        mlflow.log_input(dataset, context=context, tags={"sha256": prepared.raw.sha256})
