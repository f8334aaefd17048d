"""A version that was registered before `tasks/` had rooms is loaded, served and displaced."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.models import load_version
from tasks.settings import Home
from tests.flows.conftest import answer, make_home

pytestmark = pytest.mark.slow
STORE = Path(__file__).parents[1] / "registered" / "store.zip"
ROOT_THEN = "/home/informer/project"
PLACES = {
    "experiments": "artifact_location", "runs": "artifact_uri", "datasets": "dataset_source",
    "logged_models": "artifact_location", "model_versions": "storage_location",
}  # fmt: skip
BETTER = ("baselines.models=[naive]", "model.highway=ridge", "frame.scale=global")


@pytest.fixture(scope="module")
def home(tmp_path_factory, prefect_server, empty_store) -> Home:
    """The home of then, moved to another folder."""
    made = make_home(tmp_path_factory.mktemp("before"), empty_store)
    with zipfile.ZipFile(STORE) as store:
        store.extractall(made.store_dir)
    with closing(sqlite3.connect(made.store_dir / "mlflow.db")) as store, store:
        for table, column in PLACES.items():
            moved = store.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                (ROOT_THEN, str(made.root)),
            )
            assert moved.rowcount > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFORMER_HOME", str(made.root))
        patch.setenv("MLFLOW_TRACKING_URI", made.local_tracking_uri)
        patch.setenv("PREFECT_RESULTS_LOCAL_STORAGE_PATH", str(made.store_dir / "prefect/storage"))
        yield made


@pytest.fixture(scope="module")
def vintage(home) -> pd.DataFrame:
    """What the version forecast then."""
    (path,) = (home.forecast_dir / "tiny").glob("*.parquet")
    return pd.read_parquet(path)


@pytest.fixture(scope="module")
def rows(home) -> pd.DataFrame:
    """The rows that it forecast from, as a person has them."""
    rows = pd.read_csv(home.root / "rows.csv")
    return rows.assign(ds=pd.to_datetime(rows["ds"]))


def quantiles(forecast: pd.DataFrame) -> np.ndarray:
    ordered = forecast.sort_values(["unique_id", "ds"])
    return ordered.filter(like="y_hat").to_numpy()


def test_it_is_loaded_and_forecasts_what_it_forecast_then(home, vintage, rows):
    served = load_version("tiny", "1", home)
    forecast = served.forecaster.predict(rows.dropna())
    assert len(forecast) == len(vintage) == 24
    np.testing.assert_allclose(quantiles(forecast), quantiles(vintage), rtol=1e-5, atol=1e-5)


def test_mlflow_serves_it_with_the_code_that_it_was_registered_with(home, vintage, rows):
    rows.dropna().to_parquet(home.root / "given.parquet")
    code = (
        "import mlflow, pandas as pd, sys\n"
        "model = mlflow.pyfunc.load_model('models:/tiny@champion')\n"
        "given = pd.read_parquet('given.parquet').astype({'station': object})\n"
        "model.predict(given).to_json('made.json', orient='records', date_format='iso')\n"
        "import informer\n"
        "assert '/code/' in informer.__file__, informer.__file__\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=home.root, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    made = pd.DataFrame(json.loads((home.root / "made.json").read_text()))
    np.testing.assert_allclose(quantiles(made), quantiles(vintage), rtol=1e-5, atol=1e-5)


def test_the_commands_know_it(home, vintage):
    (version,) = answer("models", "list", "tiny")["versions"]
    assert version["version"] == "1"
    assert version["aliases"] == ["challenger", "champion"]
    history = answer("models", "history", "tiny")
    assert history["verified"]
    assert [entry["action"] for entry in history["entries"]] == ["promote"]
    known = answer("forecasts", "as-of", "2100-01-01", "tiny")
    assert known["n_rows"] == len(vintage)


def test_it_forecasts_for_the_pipeline_and_changes_no_vintage(home, vintage):
    made = answer("forecast", "tiny")
    assert made["model_version"] == "1"
    assert made["n_rows"] == len(vintage)
    pd.testing.assert_frame_equal(
        pd.read_parquet(next((home.forecast_dir / "tiny").glob("*.parquet"))), vintage
    )


def test_it_is_displaced_by_a_better_one_and_comes_back_by_a_rollback(home):
    done = answer("retrain", "tiny", *BETTER)
    assert done["verdict"] == "PROMOTE", done["reason"]
    assert done["champion"]["version"] == "1"  # it was judged on the same windows
    assert done["champion"]["mse"] > done["metrics"]["mse"]
    assert done["champion_version"] == done["model_version"] == "2"
    history = answer("models", "history", "tiny")
    assert history["verified"]
    assert [entry["to_version"] for entry in history["entries"]] == ["1", "2"]
    back = answer("models", "rollback", "tiny", "--reason", "to see it serve again")
    assert back["champion_version"] == "1"
    assert answer("forecast", "tiny")["model_version"] == "1"
