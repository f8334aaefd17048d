"""The command with the real stores: what it answers, what it leaves behind, what it keeps off."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from flows.__main__ import main
from tasks.settings import Home

TINY = (
    "tiny", "name=played", "split.train=null", "split.val=48", "split.test=60", "train.epochs=1",
    "model.highway=ridge", "forecast.every=12h", "monitor.window=3d",
    "monitor.min_forecasts=3", "promote.spread_seeds=1", "evaluate.stride=1",
)  # fmt: skip

pytestmark = pytest.mark.slow
START = "2024-01-16"
POLICIES = ("never", "3d", "drift")
KEYS = {
    "name", "mse", "mae", "mase", "coverage", "churn", "n_retrains", "n_promoted", "n_held",
    "n_fallbacks", "cpu_seconds", "wall_seconds",
}  # fmt: skip


def run(*argv: str) -> dict:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*argv, "--json"]) == 0
    record: dict = json.loads(out.getvalue().splitlines()[-1])
    return record


@pytest.fixture(scope="module")
def played(home) -> dict:
    return run("replay", *TINY, "--start", START, "--policies", *POLICIES)


@pytest.fixture
def client(home) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(home.tracking_uri)
    return mlflow.MlflowClient()


def test_the_answer_tells_each_policy_and_which_to_take(played):
    assert played["status"] == "completed"
    assert (played["start"], played["end"]) == ("2024-01-16T00:00:00", "2024-01-25T17:00:00")
    assert (played["n_days"], played["n_forecasts"]) == (9.75, 20)
    assert [policy["name"] for policy in played["policies"]] == list(POLICIES)
    for policy in played["policies"]:
        assert set(policy) == KEYS
        assert policy["churn"] is None
        judged = policy["n_promoted"] + policy["n_held"] + policy["n_fallbacks"]
        assert judged == policy["n_retrains"]
        assert (policy["cpu_seconds"] > 0) == (policy["n_retrains"] > 0)
    assert [policy["n_retrains"] for policy in played["policies"][:2]] == [0, 3]
    assert [reference["name"] for reference in played["references"]] == ["seasonal_naive", "linear"]
    assert played["recommended"] in POLICIES
    assert played["recommended"] in played["recommendation"]


def test_the_folder_holds_what_was_forecast_and_decided(played, home):
    folder = Path(played["path"])
    assert folder.parent == home.store_dir / "replay" / "played"
    assert {path.name for path in folder.iterdir()} == {
        "policies.csv", "cutoffs.csv", "months.csv", "retrainings.csv", "forecasts.parquet",
        "replay.png", "report.md",
    }  # fmt: skip
    table = pd.read_csv(folder / "policies.csv").set_index("name")
    forecasts = pd.read_parquet(folder / "forecasts.parquet")
    assert set(forecasts["policy"]) == {*POLICIES, "seasonal_naive", "linear"}
    assert forecasts.groupby("policy")["cutoff"].nunique().eq(20).all()
    for policy in played["policies"]:
        assert table.loc[policy["name"], "mae"] == pytest.approx(policy["mae"])
    retrained = pd.read_csv(folder / "retrainings.csv", parse_dates=["cutoff"])
    assert (retrained["policy"] == "3d").sum() == 3
    assert set(retrained["verdict"]) <= {"PROMOTE", "HOLD", "FALLBACK"}
    text = (folder / "report.md").read_text()
    assert played["recommendation"] in text
    assert "| 2024-01 |" in text


def test_each_policy_has_a_nested_run_with_its_errors_by_cutoff(played, client):
    parent = client.get_run(played["run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["recommended"] == played["recommended"]
    experiment = client.get_experiment(parent.info.experiment_id)
    assert experiment.name == "played-replay"
    found = client.search_runs(
        [experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{played['run_id']}'"
    )
    runs = {run.info.run_name: run for run in found}
    assert set(runs) == set(POLICIES)
    for policy in played["policies"]:
        own = runs[policy["name"]]
        assert own.info.status == "FINISHED"
        assert own.data.metrics["mae"] == pytest.approx(policy["mae"])
        history = client.get_metric_history(own.info.run_id, "mae_so_far_by_cutoff")
        assert len(history) == 20
        last = max(history, key=lambda metric: metric.step)
        assert last.value == pytest.approx(policy["mae"])
        assert pd.Timestamp(last.timestamp, unit="ms") == pd.Timestamp("2024-01-25 11:00")
        marks = client.get_metric_history(own.info.run_id, "retrained_by_cutoff")
        assert sum(mark.value for mark in marks) == policy["n_retrains"]


def test_no_registered_model_and_no_forecast_of_the_pipeline_is_touched(played, client, home):
    assert client.search_registered_models() == []
    assert not (home.store_dir / "forecasts").exists()
    assert [e.name for e in client.search_experiments() if e.name.startswith("played")] == [
        "played-replay"
    ]


def fault(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    return line


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--policies", "weekly"], "use never, drift, or a time such as 7d"),
        (["--policies", "6h"], "more often than it forecasts"),
        (["--start", "tomorrow night"], "--start 'tomorrow night' is not a time"),
        (["--start", "2024-01-25 20:00"], "no rows to play"),
        (["--start", "2024-01-04"], "too few for a model"),
    ],
)
def test_a_mistake_in_the_command_is_told_in_one_line(home: Home, capsys, argv, told):
    assert main(["replay", *TINY, *argv]) == 2
    assert told in fault(capsys)


def test_a_replay_that_was_not_told_where_to_begin_says_why_it_begins_there(home):
    shares = ("split.train=0.7", "split.val=0.1", "split.test=0.1", "tune.n_trials=0")
    record = run("replay", *TINY, *shares, "--policies", "never")
    assert record["start"] == "2024-01-23T12:00:00"
    assert "the 60 steps after it" in record["why"]
    assert record["recommended"] == "never"
