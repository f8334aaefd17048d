"""The servers and workers of docker/compose.yaml, as processes on this machine.

Commands, environments, secrets and the script that makes the databases are the containers' own;
only hosts, ports and folders are exchanged, and MLflow's artifacts lie in a folder instead of S3.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import mlflow
import optuna
import pandas as pd
import pytest

from tests.compose import DOCKER, environment, replaced, services
from tests.flows.conftest import CONTRACT, TINY, weather
from tests.postgres import Postgres, postgres
from tests.servers import Station, answers, free_port, prefect_station, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
UNSCHEDULED = "schedule: {retrain: null, forecast: null, monitor: null}\n"
RUN_S = 600


@pytest.fixture(scope="module")
def secrets(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    subprocess.run(["sh", DOCKER / "secrets.sh", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def database(secrets) -> Postgres:
    with postgres() as made:
        subprocess.run(
            ["sh", DOCKER / "postgres" / "databases.sh"], check=True,
            env=made.environment() | {"SECRETS_DIR": str(secrets)},
        )  # fmt: skip
        yield made


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "conf" / "contracts").mkdir(parents=True)
    (folder / "conf" / "tiny.yaml").write_text(TINY + UNSCHEDULED)
    (folder / "conf" / "contracts" / "tiny.yaml").write_text(CONTRACT)
    (folder / "mlruns").mkdir()
    weather().to_csv(folder / "rows.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory, secrets, database, home) -> dict[str, str]:
    """What stands in compose.yaml, and what it is on this machine."""
    folder = tmp_path_factory.mktemp("mlflow")
    mlflow_at, prefect_at = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    found = {
        "@postgres:5432": f"@127.0.0.1:{database.port}",
        "mlflow:5000": mlflow_at,
        "127.0.0.1:5000": mlflow_at,
        "prefect:4200": prefect_at,
        "127.0.0.1:4200": prefect_at,
        "s3://mlflow": (folder / "artifacts").as_uri(),
        "/run/secrets": str(secrets),
        "/etc/mlflow": str(folder),
        "/srv/informer": str(home),
    }
    accounts = replaced((DOCKER / "mlflow" / "basic_auth.ini").read_text(), found)
    (folder / "basic_auth.ini").write_text(accounts)
    return found


def exported(service: str, here: dict[str, str]) -> dict[str, str]:
    """A service's environment as its command gets it: the entrypoint has read the secrets."""
    given = environment(service, here)
    printed = subprocess.run(
        ["sh", DOCKER / "entrypoint.sh", "env", "-0"], env={"PATH": os.environ["PATH"]} | given,
        text=True, capture_output=True, check=True,
    ).stdout  # fmt: skip
    lines = [line.split("=", 1) for line in printed.split("\0") if line]
    return {name: value for name, value in lines if name != "PATH"}


@pytest.fixture(scope="module")
def tracking_server(tmp_path_factory, here) -> str:
    at = here["mlflow:5000"]
    port = {"0.0.0.0": "127.0.0.1", "5000": at.rpartition(":")[2]}
    command = [port.get(part, replaced(part, here)) for part in services()["mlflow"]["command"]]
    log = tmp_path_factory.mktemp("log") / "mlflow.log"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    given = dict(os.environ) | quiet | exported("mlflow", here)
    health = f"http://{at}/health"
    with running([sys.executable, "-m", *command], given, log, lambda: answers(health)):
        yield f"http://{at}"


@pytest.fixture(scope="module")
def station(tmp_path_factory, here, home, tracking_server) -> Station:
    """All servers, the deployments of one tiny pipeline, and a worker for either pool."""
    port = int(here["prefect:4200"].rpartition(":")[2])
    server, client = exported("prefect", here), exported("worker-cpu", here)
    folder = tmp_path_factory.mktemp("server")
    with prefect_station(folder, home, port, server, client) as made:
        made.deploy()
        with made.workers(("cpu", home / "cpu.log"), ("gpu", home / "gpu.log")):
            yield made


@pytest.fixture
def as_admin(station, monkeypatch) -> mlflow.MlflowClient:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD"):
        monkeypatch.setenv(name, station.environment[name])
    uri = station.environment["MLFLOW_TRACKING_URI"]
    return mlflow.MlflowClient(uri, registry_uri=uri)


def test_each_database_lets_only_its_own_user_in(database, secrets):
    for user in ("prefect", "mlflow", "optuna"):
        password = (secrets / f"{user}_database_password").read_text()
        for other in ("prefect", "mlflow", "optuna"):
            done = subprocess.run(
                ["psql", "-h", "127.0.0.1", "-U", user, "-d", other, "-c", "SELECT 1"],
                env=database.environment() | {"PGPASSWORD": password}, capture_output=True,
            )  # fmt: skip
            assert (done.returncode == 0) == (user == other), done.stderr
    none = database.environment() | {"PGPASSWORD": "wrong"}
    done = subprocess.run(["psql", "-h", "127.0.0.1", "-U", "optuna", "optuna"], env=none,
                          capture_output=True)  # fmt: skip
    assert done.returncode != 0


def test_neither_server_lets_in_who_has_no_password(station, tracking_server):
    assert httpx.post(f"{station.url}/flows/filter", json={}).status_code == 401
    search = f"{tracking_server}/api/2.0/mlflow/experiments/search"
    assert httpx.post(search, json={"max_results": 1}).status_code == 401


def test_a_retrain_on_the_servers_registers_a_model_keeps_its_study_and_forecasts(
    station, as_admin, database
):
    asked = station.informer("retrain", "tiny", "--deployment")
    log = station.folder / "cpu.log"
    assert station.wait(asked["flow_run_id"], RUN_S, log=log) == "COMPLETED", log.read_text()
    (sent,) = station.runs("train/tiny")
    assert sent["work_pool_name"] == "gpu"
    assert list((station.folder / "mlruns" / "prefect" / "storage").iterdir())
    version = as_admin.get_model_version_by_alias("tiny", "challenger")
    run = as_admin.get_run(version.run_id)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert not (station.folder / "mlruns" / "mlflow.db").exists()
    assert not (station.folder / "mlruns" / "optuna.db").exists()
    trials = "SELECT state, count(*) FROM trials GROUP BY state"
    assert database.ask("optuna", trials) == "COMPLETE|2"
    url = station.environment["INFORMER_STUDY_URL"]
    assert optuna.get_all_study_names(url) == [run.data.tags["study"]]
    assert database.ask("mlflow", "SELECT name FROM registered_models") == "tiny"
    completed = "SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'"
    assert int(database.ask("prefect", completed)) >= 2
    made = station.flow("forecast", "tiny")
    rows = pd.read_parquet(made["path"])
    assert len(rows) == made["n_rows"] > 0
    assert set(rows["model_version"].astype(str)) == {str(made["model_version"])}


def test_no_password_is_in_a_log_or_a_run(station, secrets):
    values = [path.read_text() for path in secrets.iterdir() if path.name.endswith("password")]
    logs = [*station.folder.glob("*.log"), *station.folder.parent.glob("*/*.log")]
    assert len(logs) >= 3
    for log in logs:
        assert not [value for value in values if value in log.read_text()], log


def test_the_doctor_finds_all_three_stores(station):
    done = station.command("flows", "doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(done.stdout.splitlines()[-1])["checks"]
    found = {check["what"]: check for check in checks}
    for what in ("MLflow store", "Optuna store", "Prefect API"):
        assert found[what]["state"] == "ok"
        assert "127.0.0.1" in found[what]["found"]


def test_the_server_takes_the_job_template_for_kubernetes(station):
    template = DOCKER / "kubernetes" / "base-job-template-gpu.json"
    done = station.command(
        "prefect", "--no-prompt", "work-pool", "create", "gpu-kubernetes", "--type", "kubernetes",
        "--base-job-template", str(template),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert station.call("GET", "/work_pools/gpu-kubernetes")["type"] == "kubernetes"
