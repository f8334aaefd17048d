"""Trials and training on the workers of another pool, and what a cancelled run leaves behind."""

from __future__ import annotations

import mlflow
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.operations import close_flow_runs
from tests.flows.conftest import make_home
from tests.servers import ENDLESS, Station, prefect_station, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
UNSCHEDULED = "schedule: {retrain: null, forecast: null, monitor: null}\n"
STRONG = ("train.epochs=4", "train.steps_per_epoch=40", "baselines.models=[naive]")
RUN_S, STOP_S = 300, 60


@pytest.fixture(scope="module")
def station(tmp_path_factory, empty_store, server_database) -> Station:
    """A server with the deployments of one tiny pipeline, and a worker for either pool."""
    home = make_home(tmp_path_factory.mktemp("home"), empty_store, UNSCHEDULED).root
    folder = tmp_path_factory.mktemp("server")
    with prefect_station(folder, home, server=server_database) as made:
        made.deploy()
        with made.workers(("cpu", home / "cpu.log"), ("gpu", home / "gpu.log")):
            yield made


@pytest.fixture
def client(station) -> mlflow.MlflowClient:
    uri = station.environment["MLFLOW_TRACKING_URI"]
    return mlflow.MlflowClient(uri, registry_uri=uri)


def runs_of(client: mlflow.MlflowClient) -> list[mlflow.entities.Run]:
    return client.search_runs([client.get_experiment_by_name("tiny").experiment_id])


def test_training_runs_on_the_pool_for_it_and_the_rest_on_the_other(station, client):
    asked = station.informer("retrain", "tiny", "--deployment")
    log = station.folder / "cpu.log"
    assert station.wait(asked["flow_run_id"], RUN_S, log=log) == "COMPLETED"
    (trained,) = station.runs("train/tiny")
    assert trained["state_type"] == "COMPLETED"
    assert trained["work_pool_name"] == "gpu"
    assert station.run(asked["flow_run_id"])["work_pool_name"] == "cpu"
    stages = station.call("POST", "/task_runs/filter", flow_runs={"id": {"any_": [trained["id"]]}})
    assert {"tune", "train"} <= {stage["name"].rpartition("-")[0] for stage in stages}
    flow_run_id = f"tags.prefect_flow_run_id = '{asked['flow_run_id']}'"
    experiment = client.get_experiment_by_name("tiny").experiment_id
    (run,) = client.search_runs([experiment], flow_run_id)
    assert run.info.status == "FINISHED"
    assert len(client.get_metric_history(run.info.run_id, "val_loss")) == 2
    assert client.get_registered_model("tiny").aliases["challenger"]


def test_a_cancelled_run_stops_its_training_in_seconds_and_leaves_nothing_open(station, client):
    asked = station.informer("retrain", "tiny", *ENDLESS, "--deployment")

    def training() -> list[str]:
        running = [run for run in runs_of(client) if run.info.status == "RUNNING"]
        return [run.info.run_id for run in running if "val_loss" in run.data.metrics]

    (run_id,) = until(training, RUN_S, "a training", station.folder / "gpu.log")
    assert station.call("GET", "/v2/concurrency_limits/training")["active_slots"] == 1
    station.cancel(asked["flow_run_id"])
    log = station.folder / "cpu.log"
    assert station.wait(asked["flow_run_id"], STOP_S, log=log) == "CANCELLED"
    sent = station.runs("train/tiny")[0]
    assert station.wait(sent["id"], STOP_S, log=station.folder / "gpu.log") == "CANCELLED"
    assert {run.info.status for run in runs_of(client)} <= {"FINISHED", "KILLED", "FAILED"}
    assert client.get_run(run_id).info.status != "FINISHED"

    def free() -> bool:
        limit = station.call("GET", "/v2/concurrency_limits/training")
        return limit["active_slots"] == 0

    until(free, STOP_S, "the slot's return")


@pytest.fixture
def ask(station, client):
    """Start a run that would promote, and wait until it asks; gives its id and its MLflow run."""
    if "champion" in client.get_registered_model("tiny").aliases:
        client.delete_registered_model_alias("tiny", "champion")  # so that baselines are judges

    def asked(*options: str) -> tuple[str, mlflow.entities.Run]:
        sent = station.informer(
            "retrain", "tiny", "promote.approval=true", *STRONG, *options, "--deployment"
        )
        run_id, log = sent["flow_run_id"], station.folder / "cpu.log"
        assert station.wait(run_id, RUN_S, "PAUSED", "FAILED", "COMPLETED", log=log) == "PAUSED"
        assert station.run(run_id)["state_name"] == "Suspended"
        (run,) = client.search_runs(
            [client.get_experiment_by_name("tiny").experiment_id],
            f"tags.prefect_flow_run_id = '{run_id}'",
        )
        known = run.info.run_id  # the flow run is suspended a moment before its process says so
        until(lambda: client.get_run(known).info.status == "SCHEDULED", STOP_S, "the MLflow run")
        return run_id, client.get_run(known)

    return asked


def test_without_an_answer_in_time_the_run_fails_and_nobody_is_promoted(station, client, ask):
    run_id, run = ask("promote.approval_hours=0.005")
    assert station.wait(run_id, STOP_S) == "FAILED"
    assert "never resumed" in station.run(run_id)["state"]["message"]
    closed = {one["id"]: one["reason"] for one in station.flow("reconcile")["closed"]}
    assert closed[run.info.run_id].endswith("is Failed")
    assert client.get_run(run.info.run_id).info.status == "KILLED"
    assert "champion" not in client.get_registered_model("tiny").aliases
    last = station.informer("models", "history", "tiny")["entries"][-1]
    assert last["action"] == "hold"
    assert "Without an answer it is then rejected" in last["reason"]


def test_a_promotion_waits_for_a_person_and_the_run_comes_back_to_where_it_was(
    station, client, ask
):
    run_id, run = ask()
    log = station.folder / "cpu.log"
    versions = len(client.search_model_versions("name = 'tiny'"))
    answer = {"approve": True, "reason": "looks right", "name": "Ada"}
    station.call("POST", f"/flow_runs/{run_id}/resume", run_input=answer)
    assert station.wait(run_id, RUN_S, "RUNNING", "CRASHED", log=log) == "RUNNING"
    with temporary_settings({PREFECT_API_URL: station.url}):
        assert close_flow_runs() == ([], [])  # its first process is gone, it is not
    assert station.wait(run_id, RUN_S, log=log) == "COMPLETED"
    assert client.get_run(run.info.run_id).info.status == "FINISHED"
    assert len(client.search_model_versions("name = 'tiny'")) == versions
    history = station.informer("models", "history", "tiny")["entries"]
    assert "approved by Ada: looks right" in history[-1]["reason"]
