"""The pipeline's Prefect assets: what a data set, a model and its forecasts are called there.

    informer://<pipeline>/data -> informer://<pipeline>/model -> informer://<pipeline>/forecast

A task that makes one is made by `prefect.assets.materialize`, the ones before it as `asset_deps`.
"""

from __future__ import annotations

__all__ = ["data_asset", "forecast_asset", "model_asset"]


def data_asset(pipeline: str) -> str:
    """Key of the rows that a pipeline reads."""
    return f"informer://{pipeline}/data"


def model_asset(pipeline: str) -> str:
    """Key of a pipeline's registered model; the version is told in the asset's metadata."""
    return f"informer://{pipeline}/model"


def forecast_asset(pipeline: str) -> str:
    """Key of a pipeline's forecasts, all vintages."""
    return f"informer://{pipeline}/forecast"
