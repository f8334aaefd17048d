"""The MLflow store: the one place that connects to it, and addresses of what it shows."""

from __future__ import annotations

import logging
import os

import mlflow
from mlflow.exceptions import MlflowException

from tasks.settings import Home, StoreError, give_locks_back, without_password

__all__ = ["connect", "run_url", "ui_url"]

UI_VARIABLE = "INFORMER_MLFLOW_UI"
LOCAL_UI = "http://127.0.0.1:5000"  # where `make ui` opens MLflow over the local store


def connect(home: Home) -> mlflow.MlflowClient:
    """Point MLflow to this home's store and say so clearly if that fails.

    Raises:
        StoreError: the store cannot be written or the server cannot be reached.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    give_locks_back()
    uri = home.tracking_uri
    if uri == home.local_tracking_uri:
        try:
            home.store_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot write {home.store_dir}: {error.strerror}. Make it writable, or point "
                "INFORMER_HOME to another folder."
            ) from error
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    try:
        client.search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0].replace(uri, without_password(uri))
        raise StoreError(
            f"the MLflow store {without_password(uri)} does not answer: {reason}. "
            "Start the server, or correct or unset MLFLOW_TRACKING_URI."
        ) from error
    return client


def ui_url(path: str, home: Home) -> str:
    """Where the MLflow UI shows something.

    `INFORMER_MLFLOW_UI` says where a browser finds it, if that is not where the runs do; else it is
    on the tracking server, or where `make ui` opens it.
    """
    server = without_password(home.tracking_uri)
    if not server.startswith("http"):
        server = LOCAL_UI
    server = os.environ.get(UI_VARIABLE) or server
    return f"{server.rstrip('/')}/#/{path}"


def run_url(run_id: str, home: Home) -> str:
    """Where the MLflow UI shows a run."""
    experiment = connect(home).get_run(run_id).info.experiment_id
    return ui_url(f"experiments/{experiment}/runs/{run_id}", home)
