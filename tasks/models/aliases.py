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
    "CHALLENGER", "CHAMPION", "PREVIOUS", "alias_version", "by_alias", "champion_version",
]  # fmt: skip

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


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
