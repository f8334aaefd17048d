"""The aliases of a pipeline's model.

`champion` forecasts, `previous` did before it, `challenger` is the newest candidate.
"""

from __future__ import annotations

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from tasks.runs import connect
from tasks.settings import Home, RegistryError

__all__ = [
    "CHALLENGER", "CHAMPION", "PREVIOUS", "alias_version", "by_alias", "champion_of_run",
    "champion_version",
]  # fmt: skip

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
CHAMPION_TAG = "champion_at_start"  # of an MLflow run; empty where nothing served


def by_alias(client: mlflow.MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """What MLflow knows of the version that bears an alias; None where none does."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def alias_version(client: mlflow.MlflowClient, name: str, alias: str) -> str | None:
    """The version that bears an alias; None where none does."""
    found = by_alias(client, name, alias)
    return None if found is None else str(found.version)


def champion_version(name: str, home: Home) -> str:
    """The version that forecasts come from.

    Raises:
        RegistryError: there is none.
    """
    version = alias_version(connect(home), name, CHAMPION)
    if version is None:
        raise RegistryError(
            f"model {name} has no champion to forecast with. Run: informer retrain {name}"
        )
    return version


def champion_of_run(run_id: str, name: str, home: Home) -> str | None:
    """The version that served when an MLflow run began; None where none did.

    The first call writes it down with the run. From then on, whoever works for the run sees the
    same champion, also when the run itself has moved the alias, or somebody else has.
    """
    client = connect(home)
    known = client.get_run(run_id).data.tags.get(CHAMPION_TAG)
    if known is None:
        known = alias_version(client, name, CHAMPION) or ""
        client.set_tag(run_id, CHAMPION_TAG, known)
    return known or None
