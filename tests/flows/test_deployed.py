"""The deployments on a real server with a real worker: what runs for a year, in minutes."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import httpx
import mlflow
import optuna
import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.flows.conftest import make_home
from tests.servers import ENDLESS, REPOSITORY, SCHEDULER_S, Station, kill, prefect_station, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
IN_PROCESS = """\
workers: {training_pool: null}
schedule: {retrain: null, monitor: null}
monitor: {window: 4d}
"""
RUN_S = 300


@pytest.fixture(scope="module")
def station(tmp_path_factory, empty_store, server_database) -> Station:
    """A fresh server, and the home of one tiny pipeline."""
    home = make_home(tmp_path_factory.mktemp("home"), empty_store, IN_PROCESS).root
    folder = tmp_path_factory.mktemp("server")
    with prefect_station(folder, home, server=server_database) as made:
        yield made


@pytest.fixture(scope="module")
def deployed(station) -> Station:
    """The same, with everything deployed and set up by the documented commands."""
    written = station.informer("deployments", "--write")
    assert written["written"]
    before = station.informer("setup-automations")["changes"]
    assert {c["what"].split(":")[0] for c in before if c["kind"] == "automation"} == {"missing"}
    station.deploy()
    return station


@pytest.fixture(scope="module")
def worker(deployed, tmp_path_factory):
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    with deployed.worker("cpu", log) as process:
        deployed.pids["worker"] = process.pid
        yield log


def tracking(station: Station) -> mlflow.MlflowClient:
    uri = station.environment["MLFLOW_TRACKING_URI"]
    return mlflow.MlflowClient(uri, registry_uri=uri)


def tell(station: Station, event: str, pipeline: str = "tiny") -> None:
    """What tasks.events.tell sends."""
    resource = {"prefect.resource.id": f"informer.pipeline.{pipeline}"}
    body = {"event": event, "resource": resource, "payload": {}, "id": str(uuid4())}
    sent = [body | {"occurred": datetime.now(UTC).isoformat()}]
    httpx.post(f"{station.url}/events", json=sent, timeout=30).raise_for_status()


def forecasting(station: Station) -> list[dict]:
    """The forecasts under way, or due by now."""
    ended = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
    runs = [r for r in station.runs("forecast/tiny") if r["state_type"] not in ended]
    now = datetime.now(UTC)
    return [r for r in runs if datetime.fromisoformat(r["expected_start_time"]) <= now]


def shift(path: Path) -> None:
    """The wind and the warmth of the last days become what they never were."""
    rows = pd.read_csv(path, parse_dates=["ds"])
    late = rows["ds"] > rows["ds"].max() - pd.Timedelta(days=5)
    rows.loc[late, ["temp", "wind"]] += 20
    rows.to_csv(path, index=False)


def test_the_repository_s_own_deployments_go_to_a_fresh_server(station):
    pools = station.informer("setup-automations", home=REPOSITORY)["changes"]
    assert {c["name"]: c["what"] for c in pools if c["kind"] != "automation"} == {
        "cpu": "created", "gpu": "created", "training": "created",
    }  # fmt: skip
    done = station.command(
        "prefect", "--no-prompt", "deploy", "--all", cwd=REPOSITORY, INFORMER_HOME=str(REPOSITORY)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = station.call("POST", "/deployments/filter", limit=100)
    assert len(found) == 11
    one = station.deployment("retrain/nyc-weather")
    assert one["schedules"][0]["schedule"] == {
        "cron": "0 3 * * 1", "timezone": "UTC", "day_or": True,
    }  # fmt: skip
    assert set(one["tags"]) == {"informer", "nyc-weather", "retrain"}
    assert one["version"] not in ("", None, "{{ commit.stdout }}")
    assert one["global_concurrency_limit"]["limit"] == 1
    assert one["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert one["pull_steps"][0].popitem()[1] == {"directory": str(REPOSITORY)}
    assert one["parameters"]["config"]["tune"]["space"]["model.d_model"] == {"choices": [16, 32]}
    for deployment in found:  # their schedules are not for this worker
        station.call("DELETE", f"/deployments/{deployment['id']}")


def test_the_server_refuses_a_bad_value(deployed):
    one = deployed.deployment("retrain/tiny")
    for field, value in (("ensemble", 0), ("model", {"attn": "sparse"}), ("colour", "red")):
        config = one["parameters"]["config"] | {field: value}
        answer = httpx.post(
            f"{deployed.url}/deployments/{one['id']}/create_flow_run",
            json={"parameters": {"config": config}}, timeout=30,
        )  # fmt: skip
        assert answer.status_code == 409, (field, answer.text)


def test_setting_up_twice_changes_nothing(deployed):
    hook = "http://127.0.0.1:9/hook"
    first = deployed.informer("setup-automations", "--webhook", hook)["changes"]
    made = [c["name"] for c in first if c["what"] == "created"]
    assert sorted(made) == [
        "informer tiny: drift or degradation -> retrain", "informer tiny: promotion -> forecast",
        "informer-webhook", "informer: failed or crashed -> webhook",
        "informer: runs too long -> webhook",
    ]  # fmt: skip
    again = deployed.informer("setup-automations", "--webhook", hook)["changes"]
    assert {c["what"] for c in again} == {"unchanged"}
    moved = deployed.informer("setup-automations", "--webhook", f"{hook}2")["changes"]
    assert [c["name"] for c in moved if c["what"] != "unchanged"] == ["informer-webhook"]


def test_without_deployment_or_worker_a_submission_says_so(deployed):
    assert "prefect deploy --all" in deployed.error("retrain", "tiny", "name=lost", "--deployment")
    idle = deployed.informer("retrain", "tiny", "--deployment")
    assert Path(idle["url"]).name == idle["flow_run_id"]
    assert "informer worker --pool cpu" in idle["warning"]
    deployed.call("DELETE", f"/flow_runs/{idle['flow_run_id']}")


def test_a_submitted_retrain_makes_a_version_and_never_overlaps_itself(deployed, worker):
    first = deployed.informer("retrain", "tiny", "train.epochs=3", "--deployment")
    assert first["status"] == "submitted"
    assert first["warning"] == ""
    assert first["flow_run_id"] in first["url"]
    deployed.wait(first["flow_run_id"], RUN_S, "RUNNING", log=worker)
    refused = deployed.informer("retrain", "tiny", "--deployment")
    assert deployed.wait(refused["flow_run_id"], RUN_S, log=worker) == "CANCELLED"
    assert "concurrency limit" in deployed.run(refused["flow_run_id"])["state"]["message"]
    assert deployed.wait(first["flow_run_id"], RUN_S, log=worker) == "COMPLETED"
    versions = tracking(deployed).search_model_versions("name = 'tiny'")
    runs = {v.run_id: tracking(deployed).get_run(v.run_id) for v in versions if v.run_id}
    assert any(
        run.data.tags.get("prefect_flow_run_id") == first["flow_run_id"]
        and run.data.params["train.epochs"] == "3"
        for run in runs.values()
    )


@pytest.fixture
def webhook():
    """The address of a server, and what was posted to it."""
    told: list[dict] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: pytest shows what was posted where that matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", told
        server.shutdown()


def test_the_webhook_is_told_of_runs_that_fail_or_go_on_for_too_long(deployed, worker, webhook):
    url, told = webhook
    deployed.informer("setup-automations", "--webhook", url)

    def texts(run_id: str) -> list[str]:
        return [body["text"] for body in told if run_id in body["text"]]

    asked = deployed.informer("retrain", "tiny", "data.source=nowhere.csv", "--deployment")
    assert deployed.wait(asked["flow_run_id"], RUN_S, log=worker) == "FAILED"
    (text,) = until(lambda: texts(asked["flow_run_id"]), 60, "a post about a failure", worker)
    assert "Flow run retrain tiny of retrain is Failed: " in text
    assert "nowhere.csv" in text

    endless = "informer: runs too long -> webhook"
    with (
        temporary_settings({PREFECT_API_URL: deployed.url}),
        get_client(sync_client=True) as client,
    ):
        (found,) = client.read_automations_by_name(endless)
        shown = found.model_dump(mode="json", exclude={"owner_resource"})
        soon = AutomationCore.model_validate(shown)
        soon.trigger.within = timedelta(seconds=15)
        client.update_automation(found.id, soon)
    asked = deployed.informer("retrain", "tiny", *ENDLESS, "--deployment")
    (text,) = until(lambda: texts(asked["flow_run_id"]), RUN_S, "a post about its length", worker)
    assert "is Running" in text
    assert len([body for body in told if "is Running" not in body["text"]]) == 1
    assert len(texts(asked["flow_run_id"])) == 1
    deployed.cancel(asked["flow_run_id"])
    assert deployed.wait(asked["flow_run_id"], RUN_S, log=worker) == "CANCELLED"
    changes = deployed.informer("setup-automations", "--webhook", url)["changes"]
    assert [c["name"] for c in changes if c["what"] != "unchanged"] == [endless]


def test_a_scheduled_run_is_picked_up(deployed, worker):
    one = deployed.deployment("forecast/tiny")
    until(lambda: not forecasting(deployed), RUN_S, "an end of what promotions started", worker)
    schedule = {"interval": 15, "anchor_date": datetime.now(UTC).isoformat()}
    schedules = [{"schedule": schedule | {"timezone": "UTC"}, "active": True}]
    deployed.call("PATCH", f"/deployments/{one['id']}", schedules=schedules)

    def done() -> dict | None:
        runs = [r for r in deployed.runs("forecast/tiny") if r["auto_scheduled"]]
        ended = [r for r in runs if r["state_type"] in ("COMPLETED", "FAILED")]
        return ended[0] if ended else None

    try:
        run = until(done, RUN_S, "a scheduled forecast", worker)
    finally:
        deployed.unschedule("forecast/tiny")
        time.sleep(2 * SCHEDULER_S)  # a pass of the scheduler that began before adds its runs yet
        for left in deployed.runs("forecast/tiny"):
            if left["state_type"] == "SCHEDULED":
                deployed.call("DELETE", f"/flow_runs/{left['id']}")
    assert run["state_type"] == "COMPLETED"


def test_drift_retrains_once_a_day_and_a_promotion_forecasts(deployed, worker):
    before = {run["id"] for run in deployed.runs("retrain/tiny")}
    forecasts = {r["id"] for r in deployed.runs("forecast/tiny") if not r["auto_scheduled"]}
    tell(deployed, "informer.drift.detected", "another")
    shift(deployed.folder / "rows.csv")
    assert deployed.flow("monitor", "tiny")["drifted"]

    def new() -> list[dict]:
        return [run for run in deployed.runs("retrain/tiny") if run["id"] not in before]

    run = until(new, 60, "a retrain after drift", worker)[0]
    assert run["parameters"]["config"]["name"] == "tiny"
    tell(deployed, "informer.forecast.degraded")
    tell(deployed, "informer.model.promoted")

    def asked() -> list[dict]:
        found = [r for r in deployed.runs("forecast/tiny") if not r["auto_scheduled"]]
        return [r for r in found if r["id"] not in forecasts]

    until(asked, 60, "a forecast after a promotion", worker)
    assert deployed.wait(run["id"], RUN_S, log=worker) == "COMPLETED"
    assert len(new()) == 1  # the server has seen degradation, for it has seen the promotion since


def test_slots_that_nobody_holds_are_taken_back(deployed, worker):
    name = deployed.deployment("retrain/tiny")["global_concurrency_limit"]["name"]
    for limit in ("training", name):
        deployed.call("PATCH", f"/v2/concurrency_limits/{limit}", active_slots=1)
    done = deployed.flow("reconcile")
    assert {c["id"] for c in done["closed"] if c["kind"] == "slot"} == {"training", name}
    for limit in ("training", name):
        assert deployed.call("GET", f"/v2/concurrency_limits/{limit}")["active_slots"] == 0


def test_a_worker_reconciles_too(deployed, worker):
    deployed.call("PATCH", "/v2/concurrency_limits/training", active_slots=1)
    one = deployed.deployment("reconcile/all")
    run = deployed.call("POST", f"/deployments/{one['id']}/create_flow_run", parameters={})
    assert deployed.wait(run["id"], RUN_S, log=worker) == "COMPLETED"
    assert deployed.call("GET", "/v2/concurrency_limits/training")["active_slots"] == 0


def test_what_a_killed_worker_leaves_open_is_closed_and_run_again(deployed, worker, tmp_path):
    slow = ("tune.n_trials=1", "tune.epochs=30", "train.steps_per_epoch=60", "train.epochs=1")
    until(lambda: not forecasting(deployed), RUN_S, "an end of what promotions started", worker)
    run_id = deployed.informer("retrain", "tiny", *slow, "--deployment")["flow_run_id"]
    experiment = tracking(deployed).get_experiment_by_name("tiny").experiment_id

    def trials() -> list:
        wanted = f"status = 'RUNNING' and tags.prefect_flow_run_id = '{run_id}'"
        found = tracking(deployed).search_runs([experiment], wanted)
        return [r for r in found if "mlflow.parentRunId" in r.data.tags and r.data.metrics]

    trial = until(trials, RUN_S, "a trial", worker)[0]
    kill(deployed.pids["worker"])
    assert deployed.run(run_id)["state_type"] == "RUNNING"
    done = deployed.flow("reconcile")
    closed = {(c["kind"], c["id"]): c["reason"] for c in done["closed"]}
    assert "is gone" in closed["flow run", run_id]
    assert closed["MLflow run", trial.info.run_id].endswith("is Crashed")
    assert [c["kind"] for c in done["closed"]].count("MLflow run") == 2
    assert [c["reason"] for c in done["closed"] if c["kind"] == "trial"] == [
        "its MLflow run has ended"
    ]
    assert deployed.run(run_id)["state_type"] == "CRASHED"
    tasks = deployed.call("POST", "/task_runs/filter", flow_runs={"id": {"any_": [run_id]}})
    assert "tune" in {task["name"].split("-")[0] for task in tasks}
    assert not [task["name"] for task in tasks if task["state_type"] == "RUNNING"]
    ended = tracking(deployed).get_run(trial.info.run_id)
    assert ended.info.status == "KILLED"
    assert ended.data.tags["closed_reason"].endswith("is Crashed")
    storage = f"sqlite:///{deployed.folder / 'mlruns' / 'optuna.db'}"
    studies = [optuna.load_study(study_name=n, storage=storage)
               for n in optuna.get_all_study_names(storage)]  # fmt: skip
    assert not [t for s in studies for t in s.trials if t.state.name == "RUNNING"]
    assert [r["resumed_from"] for r in done["resumed"]] == [run_id]
    assert deployed.flow("reconcile") == {"closed": [], "resumed": []}
    with deployed.worker("cpu", tmp_path / "second.log"):
        again = done["resumed"][0]["flow_run_id"]
        assert deployed.wait(again, RUN_S, log=tmp_path / "second.log") == "COMPLETED"
    assert f"resumed-from:{run_id}" in deployed.run(again)["tags"]
