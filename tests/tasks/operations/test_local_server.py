"""The temporary server of a local run: a fork that serves it and ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.operations.local_server import start_local_server
from tests.servers import until

ROOT = Path(__file__).parents[3]
CODE = """
import sys
from pathlib import Path
from tasks.settings import Home, enter
enter(Home(Path(sys.argv[1])))
from tasks.operations import start_local_server
start_local_server()
import os, psutil
from prefect import flow
from prefect.client.base import ServerType
from prefect.client.orchestration import get_client

(server,) = psutil.Process().children()
assert server.cmdline() == psutil.Process().cmdline()  # a fork, no new interpreter

@flow
def add(a: int, b: int) -> int:
    return a + b

assert add(1, 2) == 3
with get_client(sync_client=True) as client:
    assert client.server_type == ServerType.EPHEMERAL
    (run,) = client.read_flow_runs()
    assert run.state.is_completed()
assert psutil.Process().children() == [server]  # Prefect started none of its own
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def local_run(tmp_path):
    """A process that has run a flow on its own server and waits; and that server."""
    left_out = ("INFORMER_", "PREFECT_", "MLFLOW_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    with subprocess.Popen(
        [sys.executable, "-c", CODE, str(tmp_path)], cwd=ROOT, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        line = process.stdout.readline()
        assert line.strip(), process.stderr.read()
        yield process, psutil.Process(int(line))
        process.kill()


@pytest.mark.slow
def test_it_serves_the_flows_of_its_process_and_ends_with_it(local_run):
    process, server = local_run
    process.stdin.close()
    assert process.wait(60) == 0, process.stderr.read()
    assert not server.is_running()


@pytest.mark.slow
def test_it_ends_with_a_process_that_is_killed(local_run):
    process, server = local_run
    process.kill()
    until(lambda: not server.is_running(), 30, "the end of the server")


CANCELLED = """
import asyncio, logging, sys
from contextlib import suppress
from types import SimpleNamespace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tasks.operations.local_server import POOL_LOGGER, CancelledAtTheEnd

async def cancelled_while_the_pool_rolls_back():
    engine = create_async_engine("sqlite+aiosqlite:///" + sys.argv[1])

    async def service():
        connection = await engine.connect()
        await connection.execute(text("SELECT 1"))
        await connection.commit()
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        await connection.close()

    with suppress(asyncio.CancelledError):
        await asyncio.create_task(service())
    await engine.dispose()

logging.basicConfig()
logger = logging.getLogger(POOL_LOGGER)
logger.addFilter(CancelledAtTheEnd(SimpleNamespace(should_exit=sys.argv[2] == "ends")))
asyncio.run(cancelled_while_the_pool_rolls_back())
logger.error("the disk is full")
"""


@pytest.mark.parametrize(("when", "is_told"), [("ends", False), ("goes on", True)])
def test_a_service_that_is_cancelled_at_the_end_leaves_no_traceback(tmp_path, when, is_told):
    """In a process of its own: other tests leave event loops and loggers of another kind."""
    argv = [sys.executable, "-c", CANCELLED, str(tmp_path / "a.db"), when]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stderr
    assert ("CancelledError" in said) == is_told
    assert "the disk is full" in said  # what is no cancellation is told at any time


def test_none_is_started_where_a_server_is_named():
    children = psutil.Process().children()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        start_local_server()
    assert psutil.Process().children() == children


def test_none_is_forked_from_a_process_with_threads():
    children, done = psutil.Process().children(), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with temporary_settings(restore_defaults={PREFECT_API_URL}):
            start_local_server()
        assert psutil.Process().children() == children
    finally:
        done.set()
        thread.join()
