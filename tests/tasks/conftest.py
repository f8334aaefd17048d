"""A registry of its own for a test: MLflow's real store, and versions without a model.

And the quickest forecaster there is.
"""

from __future__ import annotations

import shutil

import mlflow
import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig
from tasks.runs import connect
from tasks.settings import Home

NAME = "tiny"


class Registry:
    """The store of one test."""

    def __init__(self, home: Home, client: mlflow.MlflowClient) -> None:
        self.home, self.client = home, client
        client.create_registered_model(NAME)

    def add(self, n: int, alias: str | None = "challenger") -> None:
        """Add `n` versions with the tags that a registered model has."""
        for _ in range(n):
            tags = {"data_sha256": "d" * 64, "git_commit": "c0ffee", "estimator": "informer"}
            made = self.client.create_model_version(
                NAME, "file:///nowhere", tags=tags, await_creation_for=0
            )
            if alias is not None:
                self.client.set_registered_model_alias(NAME, alias, made.version)

    @property
    def aliases(self) -> dict[str, str]:
        """Alias to version."""
        found = self.client.get_registered_model(NAME).aliases
        return {alias: str(version) for alias, version in found.items()}


@pytest.fixture
def registry(tmp_path, empty_store, monkeypatch) -> Registry:
    """Three versions, none of them serving, the last one the challenger."""
    home = Home(tmp_path)
    home.store_dir.mkdir()
    shutil.copy(empty_store, home.store_dir)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.local_tracking_uri)
    made = Registry(home, connect(home))
    made.add(3)
    return made


@pytest.fixture(scope="session")
def forecaster() -> Forecaster:
    """A seasonal naive one of hourly series in a column `y`: reads 24 rows, forecasts 6 steps."""
    config = ForecasterConfig(
        frame=FrameConfig(columns=("y",), freq="h", max_gap=3),
        model=InformerConfig(seq_len=24, label_len=12, pred_len=6),
        linear_look_back=24,
        val=24,
    )
    times = pd.date_range("2024-01-01", periods=120, freq="h")
    rows = pd.DataFrame({"unique_id": "a", "ds": times, "y": np.sin(np.arange(120) / 4.0)})
    return Forecaster.fit(rows, config, estimator="seasonal_naive")
