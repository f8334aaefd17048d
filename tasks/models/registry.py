"""The model registry: versions of one model per pipeline, each with all that serving takes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.data.dataset_source_registry import get_dataset_source_from_json
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import log_model
from prefect import task
from prefect.artifacts import create_link_artifact
from prefect.cache_policies import NO_CACHE

import informer
from informer.config import FrameConfig
from informer.data import as_kept, as_written, for_regular, frame_times, until_last_target
from informer.estimators import CLASSICAL, LIBRARY
from informer.forecaster import Forecaster
from tasks.models.aliases import CHALLENGER, champion_version
from tasks.models.soundness import require_finite
from tasks.rows import Prepared, read_rows
from tasks.runs import (
    RETRIES,
    connect,
    resumed_run,
    ui_url,
)
from tasks.settings import Home, RegistryError, RunConfig

__all__ = ["Served", "load_version", "register", "require_champion", "version_url"]

ARTIFACT = "forecaster"
MODEL_CODE = Path(__file__).with_name("pyfunc_model.py")
REQUIREMENTS = (
    "torch", "numpy", "pandas", "lightning-fabric", "safetensors", "lazy-loader", "mlflow",
)  # fmt: skip


@dataclass(frozen=True)
class Served:
    """A registered version and the model that it holds."""

    version: str
    forecaster: Forecaster


def load_version(name: str, version: str, home: Home) -> Served:
    """Any registered version, loaded without a pickle, to forecast from regular rows.

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
        loaded = Forecaster.load(model_dir)
    frame = for_regular(loaded.config.frame)
    return Served(version, replace(loaded, config=replace(loaded.config, frame=frame)))


def require_champion(config: RunConfig, home: Home) -> Served:
    """The version that forecasts come from, loaded without a pickle.

    Raises:
        RegistryError: there is none, or its files are not there.
    """
    return load_version(config.name, champion_version(config.name, home), home)


@task(
    name="register",
    **RETRIES,
    cache_policy=NO_CACHE,
    persist_result=False,
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
    """Log the model as a pyfunc without pickle and register it as a version; returns that.

    The model carries the library's code, its weights as safetensors and its settings as JSON. A run
    registers a model once: a version of the same files that it has made before is taken.

    Args:
        model_dir: where `Forecaster.load` finds the model.
        prepared: the rows that it was fitted to and judged on.
        name: of the registered model.
        metrics: logged with the version.
        run_id: the MLflow run that it belongs to.
        home: where the stores are.
        alias: the alias that it takes; None: it takes none.

    Raises:
        RegistryError: a weight, or a forecast of the example, is no finite number.
    """
    forecaster = Forecaster.load(model_dir)
    measured = {key: value for key, value in metrics.items() if math.isfinite(value)}
    content = _content(model_dir)
    client = connect(home)
    version = _registered(client, name, run_id, content)
    if version is None:
        version = _logged(forecaster, model_dir, content, prepared, name, measured, run_id, home)
    tags = {
        "estimator": forecaster.estimator,
        "data_sha256": prepared.raw.sha256,
        "data_source": prepared.raw.source,
        "run_id": run_id,
    } | {f"test_{key}": f"{value:.6g}" for key, value in measured.items()}
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


def _content(model_dir: Path) -> str:
    """A digest of a model's files."""
    files = sorted(path for path in model_dir.rglob("*") if path.is_file())
    found = hashlib.sha256()
    for path in files:
        found.update(path.relative_to(model_dir).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def _registered(client: mlflow.MlflowClient, name: str, run_id: str, content: str) -> str | None:
    """The version that a run has registered of a model before; None where there is none."""
    known = client.search_model_versions(f"name='{name}' and run_id='{run_id}'")
    for version in known:
        metadata = mlflow.models.get_model_info(f"models:/{name}/{version.version}").metadata or {}
        if metadata.get("content") == content:
            return str(version.version)
    return None


def _logged(
    forecaster: Forecaster,
    model_dir: Path,
    content: str,
    prepared: Prepared,
    name: str,
    metrics: Mapping[str, float],
    run_id: str,
    home: Home,
) -> str:
    """A new version: the model, what it gives, an example, the data it came from.

    The signature says nothing of the inputs: MLflow would refuse int64 where it says double, as
    soon as a column holds no fraction. Which columns there are stands in the metadata.
    """
    rows = read_rows(prepared)
    example = as_written(_latest(rows, forecaster), forecaster.config.frame)
    forecast = as_kept(forecaster.predict_all(example))
    require_finite(model_dir, forecast, name)
    about = {"estimator": forecaster.estimator, "data_sha256": prepared.raw.sha256}
    with resumed_run(run_id, home), _importable_code() as code_paths:
        _log_lineage(prepared, rows, forecaster.config.frame, name)
        info = log_model(
            name="model",
            python_model=str(MODEL_CODE),
            artifacts={ARTIFACT: str(model_dir)},
            code_paths=code_paths,
            signature=ModelSignature(outputs=infer_signature(example, forecast).outputs),
            model_config=_model_config(rows, forecaster.config.frame),
            input_example=example,
            pip_requirements=[f"{n}=={_version(n)}" for n in _needed(forecaster)],
            registered_model_name=name,
            metadata=about | {"content": content, "inputs": _inputs(forecaster.config.frame)},
        )
        mlflow.log_metrics(dict(metrics), model_id=info.model_id)
    return str(info.registered_model_version)


def _inputs(frame: FrameConfig) -> dict[str, str]:
    """What each column of the input holds, for a person who looks at the version."""
    ids = {} if frame.id_column is None else {frame.id_column: "names of series, text"}
    numbers = dict.fromkeys(frame.columns, "numbers, missing ones allowed")
    return ids | {frame.time_column: "times, or text such as 2024-01-31T06:00:00"} | numbers


def _model_config(rows: pd.DataFrame, frame: FrameConfig) -> dict[str, str]:
    """See `text_name` in `pyfunc_model`."""
    if frame.id_column is None:
        return {}
    name = changed_name(rows[frame.id_column])
    return {} if name is None else {"text_name": name}


def changed_name(ids: pd.Series[str]) -> str | None:
    """The first name that is another one once a reader has taken it for a number, such as 007."""
    names = pd.Series(ids.unique(), dtype="str")
    values = pd.to_numeric(names, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    whole = np.isfinite(values) & (values == np.round(values))  # of others `predict` tells
    found = names[whole][[f"{value:.0f}" for value in values[whole]] != names[whole]]
    flags = names.str.strip().str.lower().isin(["true", "false"]) & ~names.isin(["True", "False"])
    found = pd.concat([found, names[flags]])
    return None if found.empty else str(found.iloc[0])


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
    known = until_last_target(rows, frame)
    series = known if frame.id_column is None else known.groupby(frame.id_column)
    return series.tail(n_rows).reset_index(drop=True)


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


def _log_lineage(prepared: Prepared, rows: pd.DataFrame, frame: FrameConfig, name: str) -> None:
    """Which data the active run trained on and was judged by."""
    times, rows = frame_times(rows, frame), as_written(rows, frame)
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
