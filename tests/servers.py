"""Real servers for tests: a Prefect server of its own, its workers, and commands beside them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.__main__ import main

REPOSITORY = Path(__file__).resolve().parent.parent
ENDLESS = ("train.seed=9", "train.epochs=10000", "train.patience=10000", "tune.n_trials=0")
START_S = 240
SCHEDULER_S = 5  # between two passes of a test server's scheduler
STORES = {
    "INFORMER_STUDY_URL", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD",
}  # fmt: skip
Found = TypeVar("Found")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(look: Callable[[], Found], seconds: float, what: str, log: Path | None = None) -> Found:
    """The first true value that `look` gives; fails with the log's end after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.3)
    tail = log.read_text()[-6000:] if log and log.exists() else ""
    raise AssertionError(f"{what} did not happen in {seconds} s\n{tail}")


@dataclass(frozen=True)
class Station:
    """A Prefect server, and the environment of what works with it."""

    url: str
    environment: dict[str, str]
    folder: Path
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def auth(self) -> str | None:
        """The server's user and password, where it asks for them."""
        return self.environment.get("PREFECT_API_AUTH_STRING")

    def call(self, method: str, path: str, **body: Any) -> Any:
        """One request; one that finds SQLite locked by another is made again."""
        end = time.monotonic() + 30
        auth = httpx.BasicAuth(*self.auth.split(":", 1)) if self.auth else None
        while True:
            response = httpx.request(
                method, f"{self.url}{path}", json=body or None, timeout=120, auth=auth
            )
            if response.status_code != 503 or time.monotonic() > end:
                break
            time.sleep(1)
        response.raise_for_status()
        return response.json() if response.content else None

    def run(self, run_id: str) -> dict[str, Any]:
        return self.call("GET", f"/flow_runs/{run_id}")

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        """The runs of a deployment, the one that is due last first."""
        wanted = {"id": {"any_": [self.deployment(deployment)["id"]]}}
        return self.call(
            "POST", "/flow_runs/filter", deployments=wanted, sort="EXPECTED_START_TIME_DESC"
        )

    def deployment(self, name: str) -> dict[str, Any]:
        return self.call("GET", f"/deployments/name/{name}")

    def wait(self, run_id: str, seconds: float, *states: str, log: Path | None = None) -> str:
        """The state that a run comes to; `states` are those waited for, final ones by default."""
        wanted = states or ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

        def state() -> str | None:
            found = self.run(run_id)["state_type"]
            return found if found in wanted else None

        return until(state, seconds, f"run {run_id} in {wanted}", log)

    def cancel(self, run_id: str) -> None:
        """What the UI's button does."""
        state = {"type": "CANCELLING", "name": "Cancelling"}
        self.call("POST", f"/flow_runs/{run_id}/set_state", state=state)

    def command(
        self, *argv: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """`python -m ...` in this environment, run to its end."""
        return subprocess.run(
            [sys.executable, "-m", *argv], cwd=cwd or self.folder, text=True, capture_output=True,
            env=self.environment | environment, timeout=240,
        )  # fmt: skip

    def informer(self, *argv: str, home: Path | None = None) -> dict[str, Any]:
        """The JSON object of a command that must succeed; it runs in this process."""
        status, out, error = self._main([*argv, "--json"], home)
        assert status == 0, error + out
        return json.loads(out.splitlines()[-1])

    def flow(self, *argv: str) -> dict[str, Any]:
        """The JSON object of a command that runs a flow and must succeed.

        In a process of its own: Prefect sends all events of a process to the server that it met
        first, and waits at the end for that one.
        """
        done = self.command("flows", *argv, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def deploy(self) -> None:
        """Everything under the home's `conf/`, by the documented commands."""
        self.informer("deployments", "--write")
        self.informer("setup-automations")
        done = self.command("prefect", "--no-prompt", "deploy", "--all")
        assert done.returncode == 0, done.stdout + done.stderr
        self.unschedule("reconcile/all")  # it would come between a test's lines

    def unschedule(self, deployment: str) -> None:
        """Take its schedule from a deployment, and with it the runs that were not begun."""
        self.call("PATCH", f"/deployments/{self.deployment(deployment)['id']}", schedules=[])

    def error(self, *argv: str) -> str:
        """The sentence with which a command fails."""
        status, out, error = self._main([*argv], None)
        assert status == 1, out
        return error

    def _main(self, argv: list[str], home: Path | None) -> tuple[int, str, str]:
        out, error = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            temporary_settings({PREFECT_API_URL: self.url, PREFECT_API_AUTH_STRING: self.auth}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
        ):
            patch.setenv("INFORMER_HOME", str(home or self.folder))
            for name in STORES & self.environment.keys():
                patch.setenv(name, self.environment[name])
            status = main(argv)
        return status, out.getvalue(), error.getvalue()

    @contextmanager
    def worker(self, pool: str, log: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
        """`informer worker` beside the test, told to stop at the end; yields once it polls."""
        with self.workers((pool, log, *more)) as (process,):
            yield process

    @contextmanager
    def workers(self, *wanted: tuple[Any, ...]) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Several of them, started at once: pool, log and further arguments of each."""
        processes = []
        try:
            for pool, log, *more in wanted:
                command = [sys.executable, "-m", "flows", "worker", "--pool", pool, *more]
                with log.open("w") as out:
                    processes.append(
                        subprocess.Popen(
                            command, cwd=self.folder, env=self.environment, stdout=out, stderr=out
                        )
                    )
            for (pool, log, *_), process in zip(wanted, processes, strict=True):
                until(
                    lambda pool=pool, process=process: process.poll() is not None
                    or self._polls(pool, process.pid),
                    START_S, f"a worker of {pool}", log,
                )  # fmt: skip
                assert process.poll() is None, log.read_text()
            yield processes
        finally:
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(90)

    def _polls(self, pool: str, pid: int) -> bool:
        online = {"status": {"any_": ["ONLINE"]}}
        found = self.call("POST", f"/work_pools/{pool}/workers/filter", workers=online)
        return any(worker["name"].endswith(f" by {pid}") for worker in found)


@contextmanager
def prefect_station(
    folder: Path,
    home: Path,
    port: int | None = None,
    server: dict[str, str] | None = None,
    client: dict[str, str] | None = None,
) -> Iterator[Station]:
    """A Prefect server for the project home `home`; its database is in `folder` by default.

    `server` and `client` are what the environments of the server and of all others have besides.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = dict(os.environ) | {
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])
        ),
        "INFORMER_HOME": str(home),
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlruns' / 'mlflow.db'}",
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": url,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": str(SCHEDULER_S),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    with running(
        [*command, "--port", str(port), "--no-ui"],
        environment | (server or {}), folder / "server.log", lambda: answers(f"{url}/health"),
    ):  # fmt: skip
        yield Station(url, environment | (client or {}), home)


@contextmanager
def running(
    command: list[str], environment: dict[str, str], log: Path, works: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server beside the test, killed at its end with its children; yields once it works."""
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        until(lambda: works() or process.poll() is not None, START_S, "a server's start", log)
        assert process.poll() is None, log.read_text()[-6000:]
        yield process
    finally:
        if process.poll() is None:
            kill(process.pid)
        process.wait(30)


def kill(pid: int) -> None:
    """SIGKILL for a process and all that it started."""
    process = psutil.Process(pid)
    for one in [process, *process.children(recursive=True)]:
        if one.is_running():
            one.kill()


def answers(url: str) -> bool:
    """Whether a server says that it is well."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
