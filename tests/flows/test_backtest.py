"""The champion judged again, and rolled over rows that came since, with the real stores."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from flows.__main__ import main
from tasks.judging.evaluate import METRICS
from tasks.models import require_champion
from tasks.settings import load_config
from tests.flows.conftest import answer as run

from .conftest import weather

N_ROWS, N_MORE = 600, 40
TINY = ("tiny", "name=judged")


def later() -> pd.DataFrame:
    """What came after the rows of the pipeline, two values and an hour of it missing."""
    whole = weather(N_ROWS + N_MORE).drop(columns=["temp", "wind"])
    hours = (whole["ds"] - whole["ds"].min()) / pd.Timedelta("1h")
    level = np.where(whole["station"] == "north", 5.0, 15.0)
    frame = whole.assign(temp=level + 8 * np.sin(hours * 2 * np.pi / 24), wind=10.0)
    frame = frame[hours >= N_ROWS].reset_index(drop=True)
    frame.loc[[7, 8], "temp"] = np.nan
    return frame.drop(index=20)


@pytest.fixture(scope="module")
def trained(home) -> dict:
    return run("retrain", *TINY, "tune.n_trials=0", "train.epochs=1")


@pytest.fixture(scope="module")
def rolled(trained, home) -> dict:
    later().to_csv(home.root / "later.csv", index=False)
    return run("backtest", *TINY, "--roll", str(home.root / "later.csv"))


@pytest.fixture
def client(home) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(home.tracking_uri)
    return mlflow.MlflowClient()


def test_the_champion_is_scored_as_it_was_when_it_was_promoted(trained, rolled):
    assert rolled["status"] == "completed"
    assert rolled["model_version"] == trained["champion_version"]
    assert rolled["n_windows"] == trained["n_windows"]
    assert set(rolled["metrics"]) == set(METRICS)
    judged = trained["baselines"] | {"informer": trained["metrics"]}
    assert rolled["metrics"]["mse"] == pytest.approx(min(e["mse"] for e in judged.values()))
    for name, errors in trained["baselines"].items():
        assert rolled["baselines"][name] == pytest.approx(errors)


def test_it_rolls_from_the_end_of_the_source_to_the_end_of_the_file(rolled, home):
    assert (rolled["n_cutoffs"], rolled["n_refits"], rolled["is_test"]) == (7, 0, True)
    table = pd.read_csv(rolled["rolling_path"], parse_dates=["cutoff", "ds"])
    assert table.columns[:4].tolist() == ["cutoff", "ds", "step", "north/temp"]
    assert table["cutoff"].min() == pd.Timestamp("2024-01-25 23:00")
    assert len(table) == 7 * 6
    came = later()
    north = came[came["station"] == "north"].set_index("ds")["temp"]
    actual = table.set_index("ds")["north/temp"].reindex(north.index)
    np.testing.assert_allclose(actual, north, rtol=1e-6)
    served = require_champion(
        load_config("tiny", TINY[1:], conf_dir=home.conf_dir), home
    ).forecaster
    known = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
    ahead = served.predict(known).query("unique_id == 'south/wind'")
    first = table[table["cutoff"] == table["cutoff"].min()]
    np.testing.assert_allclose(first["south/wind_forecast"], ahead["y_hat"], rtol=1e-5)
    np.testing.assert_allclose(first["south/wind_q90"], ahead["y_hat_q90"], rtol=1e-5)


def test_the_folder_and_the_run_hold_tables_and_charts(rolled, client, home):
    folder = Path(rolled["path"])
    assert folder == home.store_dir / "backtests" / "judged" / rolled["run_id"]
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "scores.csv", "by-model.csv", "by-series.csv", "by-step.csv", "by-cutoff.csv",
        "rolling_forecast.csv", "rolling_forecast.parquet", "rolling_forecast.png",
        "rolling_metrics.csv", "rolling_error.png",
    }  # fmt: skip
    found = client.get_run(rolled["run_id"])
    assert found.info.status == "FINISHED"
    assert found.data.tags["model_version"] == rolled["model_version"]
    assert found.data.metrics["rolling_mse"] == pytest.approx(rolled["rolling_metrics"]["mse"])
    assert found.data.metrics["test_mse"] == pytest.approx(rolled["metrics"]["mse"])
    kept = {Path(item.path).name for item in client.list_artifacts(rolled["run_id"], "rolling")}
    assert kept == {name for name in names if name.startswith("rolling_")}


@pytest.mark.slow
def test_refits_and_an_overlap_are_asked_for_by_name(trained, home, tmp_path):
    known = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
    both = pd.concat([known[known["ds"] >= "2024-01-24"], later()])
    both.to_parquet(home.root / "both.parquet")
    again = run(
        "backtest", *TINY, "--roll", str(home.root / "both.parquet"), "--allow-overlap",
        "--refit-every", "8", "--output", str(tmp_path / "out"),
    )  # fmt: skip
    assert (again["n_cutoffs"], again["n_refits"], again["is_test"]) == (15, 1, False)
    assert again["path"] == str(tmp_path / "out")
    assert not pd.read_csv(again["rolling_path"])["is_test"].any()


FAULTS = {
    "an overlap": (lambda f: f.assign(ds=f["ds"] - pd.Timedelta("30h")), "begin at 2024-01-24 18"),
    "a gap before": (lambda f: f[f["ds"] > "2024-01-26 05:00"], "rows in between"),
    "a missing column": (lambda f: f.drop(columns="wind"), "wind"),
    "a stranger": (lambda f: f.replace("south", "west"), "west"),
    "a value out of range": (lambda f: f.assign(wind=99.0), "99"),
    "a long gap": (lambda f: f[~f["ds"].between("2024-01-26 03:00", "2024-01-26 09:00")], "gap"),
}
QUICK_FAULTS = ("a missing column",)


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK_FAULTS else pytest.param(n, marks=pytest.mark.slow) for n in FAULTS],
)
def test_a_file_that_cannot_be_rolled_over_fails_and_names_what_is_wrong(
    trained, home, capsys, name
):
    change, named = FAULTS[name]
    change(later()).to_csv(home.root / "bad.csv", index=False)
    assert main(["backtest", *TINY, "--roll", str(home.root / "bad.csv")]) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert named in line


@pytest.mark.parametrize(
    ("argv", "status", "named"),
    [
        (["name=unknown"], 1, "informer retrain"),
        (["model.pred_len=12"], 1, "horizon is 6 steps, not 12"),
        (["split.train=0.2", "split.val=0.1", "split.test=0.7"], 1, "trained"),
        (["--refit-every", "2"], 2, "--roll FILE"),
        (["--roll", "x.csv", "--refit-every", "0"], 2, "--refit-every is 0"),
        (["--roll", "nowhere.csv"], 1, "nowhere.csv"),
    ],
)
def test_what_cannot_be_judged_is_refused(trained, capsys, argv, status, named):
    assert main(["backtest", *TINY, *argv]) == status
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert named in line
