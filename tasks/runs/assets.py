"""The pipeline's Prefect assets: what a data set, a model and its forecasts are called there.

informer://<pipeline>/data -> informer://<pipeline>/model -> informer://<pipeline>/forecast
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.assets import add_asset_metadata, materialize

__all__ = ["data_asset", "forecast_asset", "materialized", "model_asset"]


def data_asset(pipeline: str) -> str:
    """Key of the rows that a pipeline reads."""
    return f"informer://{pipeline}/data"


def model_asset(pipeline: str) -> str:
    """Key of a pipeline's registered model; the version is told in the asset's metadata."""
    return f"informer://{pipeline}/model"


def forecast_asset(pipeline: str) -> str:
    """Key of a pipeline's forecasts, all vintages."""
    return f"informer://{pipeline}/forecast"


def materialized(key: str, sources: Sequence[str], metadata: Mapping[str, Any]) -> None:
    """Tell Prefect that the running flow has made an asset, whether anew or by taking it over.

    Args:
        key: of the asset.
        sources: keys of what it was made from.
        metadata: plain values that the UI shows beside it.
    """

    def tell() -> None:
        add_asset_metadata(key, dict(metadata))

    kind = key.rpartition("/")[2]
    materialize(key, asset_deps=list(sources), name=f"asset {kind}")(tell)()
