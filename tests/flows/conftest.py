"""A home of its own for the flows under test, and Prefect's real server on a temporary database."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.settings import Home
from tests.postgres import has_postgres, postgres, prefect_database

TINY = """\
data: {source: rows.csv, contract: contracts/tiny.yaml}
frame:
  time_column: ds
  id_column: station
  columns: [temp, wind]
  target: temp
  features: M
  max_gap: 3
split: {train: 0.6, val: 0.2, test: 0.2}
model: {seq_len: 24, label_len: 12, pred_len: 6, d_model: 8, n_heads: 2, d_ff: 16, e_layers: 1}
train: {learning_rate: 1.0e-2, epochs: 2, batch_size: 32, steps_per_epoch: 5}
tune:
  n_trials: 2
  epochs: 1
  space: {train.learning_rate: {low: 1.0e-3, high: 1.0e-1, log: true}}
baselines: {linear_look_back: 24}
evaluate: {stride: 4}
"""
CONTRACT = """\
name: tiny
table: {freq: h, max_gap: 3, min_rows: 100}
columns:
  station: {type: text}
  ds: {type: time}
  temp: {type: number, min: -50, max: 60, max_missing: 0.05, max_value_gap: 3}
  wind: {type: number, min: 0, max: 90, max_missing: 0.05, max_value_gap: 3}
"""


def weather(n_rows: int = 600) -> pd.DataFrame:
    """Two stations with a daily rhythm and noise, a few values missing."""
    rng = np.random.default_rng(0)
    hours = np.arange(n_rows)
    parts = [
        pd.DataFrame(
            {
                "station": name,
                "ds": pd.date_range("2024-01-01", periods=n_rows, freq="h"),
                "temp": level + 8 * np.sin(hours * 2 * np.pi / 24) + rng.normal(0, 1, n_rows),
                "wind": 10 + 3 * np.cos(hours * 2 * np.pi / 24) + rng.normal(0, 1, n_rows),
            }
        )
        for name, level in (("north", 5.0), ("south", 15.0))
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[[40, 41, 700], "temp"] = np.nan
    return frame.drop(index=[100, 101])


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """Prefect's own server process for all flows of the session."""
    from prefect.logging.configuration import setup_logging
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    setup_logging()  # else the first flow does, and keeps the stream that its test captures
    # A sync flow would otherwise wait a second for its heartbeat thread.
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


def make_home(root: Path, empty_store: Path, more: str = "") -> Home:
    """A folder with `conf/tiny.yaml` (and `more` in it), its contract, its rows, and a store."""
    (root / "conf" / "contracts").mkdir(parents=True)
    (root / "conf" / "tiny.yaml").write_text(TINY + more)
    (root / "conf" / "contracts" / "tiny.yaml").write_text(CONTRACT)
    weather().to_csv(root / "rows.csv", index=False)
    made = Home(root)
    made.store_dir.mkdir()
    shutil.copy(empty_store, made.store_dir)
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory, prefect_server, empty_store) -> Home:
    """A home of the tiny pipeline; the environment points to it."""
    made = make_home(tmp_path_factory.mktemp("home"), empty_store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFORMER_HOME", str(made.root))
        patch.setenv("MLFLOW_TRACKING_URI", made.local_tracking_uri)
        yield made


@pytest.fixture(scope="module")
def server_database() -> dict[str, str]:
    """A database of its own for a module's Prefect server: PostgreSQL, as servers in use have.

    SQLite, which locks under several workers, stays where PostgreSQL is not installed.
    """
    if not has_postgres():
        yield {}
        return
    with postgres() as made:
        yield prefect_database(made)


def answer(*argv: str) -> dict:
    """The JSON object of a command that must succeed."""
    from flows.__main__ import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*argv, "--json"]) == 0
    return json.loads(out.getvalue().splitlines()[-1])


def latest_artifact(prefect, key: str, flow_run_id: str | None = None):
    """The newest artifact of a key, of one flow run or of all."""
    from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter
    from prefect.client.schemas.sorting import ArtifactSort

    run = {"id": {"any_": [flow_run_id]}}
    return prefect.read_artifacts(
        artifact_filter=ArtifactFilter.model_validate({"key": {"any_": [key]}}),
        flow_run_filter=FlowRunFilter.model_validate(run) if flow_run_id else None,
        sort=ArtifactSort.CREATED_DESC,
        limit=1,
    )[0]
