"""A run that stopped is gone on with: finished stages are taken over, nothing stays open."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import optuna
import pandas as pd
import psutil
import pytest

import flows.retrain as retrain_module
from flows.__main__ import main
from tasks.runs import FLOW_RUN_TAG
from tasks.settings import StoreError

ROOT = Path(__file__).parents[2]
STOP_S = 15


def finished(capsys, *overrides: str) -> dict:
    assert main(["retrain", "tiny", *overrides, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def failed_at_evaluation(monkeypatch, *overrides: str) -> None:
    def fails(*_args: object) -> None:
        raise StoreError("the disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(retrain_module, "evaluate_model", fails)
        assert main(["retrain", "tiny", *overrides]) == 1


def stages_of(client: mlflow.MlflowClient, run_id: str) -> dict[str, str]:
    """Stage to the name of its state, in the flow run that an MLflow run belongs to."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter

    flow_run_id = client.get_run(run_id).data.tags[FLOW_RUN_TAG]
    with get_client(sync_client=True) as prefect:
        wanted = FlowRunFilter.model_validate({"id": {"any_": [flow_run_id]}})
        found = prefect.read_task_runs(flow_run_filter=wanted)
    return {run.name.split("-")[0].split(" ")[0]: run.state.name for run in found}


@pytest.fixture
def client(home) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(home.tracking_uri)
    return mlflow.MlflowClient()


def test_a_run_that_failed_at_evaluation_neither_loads_tunes_nor_trains_again(
    home, client, capsys, monkeypatch
):
    failed_at_evaluation(monkeypatch, "name=failing", "train.seed=1")
    experiment = client.get_experiment_by_name("failing").experiment_id
    (failed,) = client.search_runs([experiment], "tags.identity LIKE '%'")
    assert failed.info.status == "FAILED"
    done = finished(capsys, "name=failing", "train.seed=1")
    assert done["run_id"] == failed.info.run_id  # gone on with
    assert client.get_run(done["run_id"]).info.status == "FINISHED"
    states = stages_of(client, done["run_id"])
    cached = {stage for stage, state in states.items() if state == "Cached"}
    assert cached == {"load", "features", "tune", "train"}
    assert len(client.get_metric_history(done["run_id"], "val_loss")) == 2  # nothing logged twice


def test_a_training_that_takes_too_long_is_given_up_with_one_error(home, client, capsys):
    long = ("train.seed=8", "train.epochs=10000", "train.patience=10000", "tune.n_trials=0")
    assert main(["retrain", "tiny", "name=long", *long, "workers.timeout_hours=0.001"]) == 1
    error = capsys.readouterr().err
    assert "error: the search or the training of long did not finish within" in error
    experiment = client.get_experiment_by_name("long").experiment_id
    assert {run.info.status for run in client.search_runs([experiment])} == {"FAILED"}


@pytest.mark.slow
def test_a_changed_evaluation_takes_the_training_over_with_its_curves(home, client, capsys):
    first = finished(capsys, "name=taken", "train.seed=2")
    second = finished(capsys, "name=taken", "train.seed=2", "evaluate.stride=6")
    assert second["run_id"] != first["run_id"]
    assert stages_of(client, second["run_id"])["train"] == "Cached"
    assert client.get_run(second["run_id"]).data.tags["trained_in_run"] == first["run_id"]
    one, two = (client.get_metric_history(d["run_id"], "val_loss") for d in (first, second))
    assert [m.value for m in two] == [m.value for m in one]
    assert second["n_windows"] != first["n_windows"]


@pytest.mark.slow
def test_other_data_or_another_network_trains_again(home, client, capsys):
    finished(capsys, "name=changing", "train.seed=3")
    wider = finished(capsys, "name=changing", "train.seed=3", "model.d_model=16")
    assert stages_of(client, wider["run_id"])["train"] == "Completed"
    rows = pd.read_csv(home.root / "rows.csv")
    rows.loc[5, "temp"] += 1
    rows.to_csv(home.root / "other.csv", index=False)
    other = finished(capsys, "name=changing", "train.seed=3", "data.source=other.csv")
    assert set(stages_of(client, other["run_id"]).values()) == {"Completed"}


@pytest.mark.slow
def test_a_model_whose_files_are_gone_is_trained_again(home, client, capsys):
    finished(capsys, "name=gone", "train.seed=4")
    shutil.rmtree(home.store_dir / "stages")
    again = finished(capsys, "name=gone", "train.seed=4")
    assert again["status"] == "completed"
    assert (home.store_dir / "stages").is_dir()


@pytest.mark.slow
def test_a_run_that_is_told_to_stop_ends_in_seconds_and_leaves_nothing_running(home, client):
    long = ["name=stopped", "train.epochs=10000", "train.patience=10000", "tune.epochs=10000"]
    command = [sys.executable, "-m", "flows", "retrain", "tiny", *long]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"INFORMER_HOME": str(home.root)}
    )
    try:
        running = _wait_for(lambda: _running(client, "stopped"), 120)
        assert len(running) == 2  # the run and its trial
        started = psutil.Process(process.pid).children(recursive=True)
        assert started  # its temporary Prefect server
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 128 + signal.SIGTERM
        assert psutil.wait_procs(started, timeout=STOP_S)[1] == []
    finally:
        process.kill()
    experiment = client.get_experiment_by_name("stopped").experiment_id
    statuses = {run.info.status for run in client.search_runs([experiment])}
    assert statuses == {"KILLED"}
    (study,) = [
        s for s in optuna.get_all_study_summaries(home.study_url) if "stopped" in s.study_name
    ]
    trials = optuna.load_study(study_name=study.study_name, storage=home.study_url).trials
    assert [trial.state.name for trial in trials if trial.state.name == "RUNNING"] == []


def _running(client: mlflow.MlflowClient, name: str) -> list[str]:
    found = client.get_experiment_by_name(name)
    runs = client.search_runs([found.experiment_id]) if found else []
    trained = [run for run in runs if "val_loss" in run.data.metrics]
    return [run.info.run_id for run in runs] if trained else []


def _wait_for(condition, seconds: float):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.5)
    return found
