"""`make ui` opens both UIs over the stores of a run, and stops them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
START_S, STOP_S = 120, 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read()
    except (urllib.error.URLError, OSError):
        return None


def wait_for(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.5)
    return False


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".venv" / ".demo").exists(), reason="make has not set up .venv")
def test_both_uis_answer_know_their_own_address_and_stop_together(tmp_path):
    prefect, mlflow = free_port(), free_port()
    stores = {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
    }
    command = ["make", "ui", f"PREFECT_PORT={prefect}", f"MLFLOW_PORT={mlflow}"]
    with (tmp_path / "log").open("w") as log:
        ui = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | stores, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        urls = [f"http://127.0.0.1:{prefect}/api/health", f"http://127.0.0.1:{mlflow}/health"]
        assert wait_for(lambda: all(get(url) for url in urls), START_S), (
            tmp_path / "log"
        ).read_text()
        settings = json.loads(get(f"http://127.0.0.1:{prefect}/ui-settings") or b"{}")
        assert settings["api_url"] == f"http://127.0.0.1:{prefect}/api"
    finally:
        os.killpg(ui.pid, signal.SIGTERM)
        ui.wait(STOP_S)
    assert wait_for(lambda: not any(get(url) for url in urls), STOP_S)
