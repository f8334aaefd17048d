"""The aliases of a pipeline's model.

`champion` forecasts, `previous` did before it, `challenger` is the newest candidate.
"""

from __future__ import annotations

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

__all__ = ["CHALLENGER", "CHAMPION", "PREVIOUS", "alias_version", "by_alias"]

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
