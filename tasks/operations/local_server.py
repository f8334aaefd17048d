"""The temporary Prefect server of a local run, as a fork of the process that wants it.

Prefect starts one where no server is named, in a new interpreter: of the five seconds of processor
time that this takes, four go into importing the server, which the client has imported just before
to start it. A fork has all that already. It also ends with the process that it serves, however that
ends: a server that is started anew outlives one that is killed.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Protocol

__all__ = ["CancelledAtTheEnd", "start_local_server"]

SWITCHES = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}
PR_SET_PDEATHSIG = 1
NOT_STARTED = 3  # the status by which Prefect knows that the port was taken, as uvicorn.run ends
POOL_LOGGER = "sqlalchemy.pool.impl.AsyncAdaptedQueuePool"


class _Ending(Protocol):
    should_exit: bool


class CancelledAtTheEnd(logging.Filter):
    """Drops what the pool of connections says of the tasks that a server's end cancels.

    The server cancels its services when it ends. A service that is about to give its connection
    back is cancelled while the pool rolls back, and SQLAlchemy logs that as an error with a
    traceback. What was to be written has been committed before, and SQLite takes the lock back with
    the connection, so nothing is wrong. It happened at the end of one run in thirty.
    """

    def __init__(self, server: _Ending) -> None:
        super().__init__()
        self._server = server

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show a record: any but a cancellation after the server began to end."""
        kind = record.exc_info[0] if record.exc_info else None
        is_cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
        return not (is_cancelled and self._server.should_exit)


class _Fork:
    """A forked process, as Prefect uses the one that it would have started."""

    stdout = stderr = None

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid
        self.terminate, self.kill = process.terminate, process.kill

    @property
    def returncode(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end.

        Raises:
            TimeoutExpired: it has not come in `timeout` seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("the temporary Prefect server", timeout or 0)
        return self._process.exitcode


def start_local_server() -> None:
    """Start the temporary server where one will be needed and a fork is safe; else do nothing.

    A fork is safe on Linux, from a process that has one thread. Elsewhere Prefect starts the server
    itself, with the first flow.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED

    if PREFECT_API_URL.value() or not PREFECT_SERVER_EPHEMERAL_ENABLED.value():
        return
    if sys.platform != "linux" or threading.active_count() > 1:
        return
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()  # the one of this process, which its clients will ask for
    server._run_uvicorn_command = partial(_forked, server)  # type: ignore[assignment]
    server.start()


def _forked(server: object) -> _Fork:
    port = server.port  # type: ignore[attr-defined]
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(port, os.getpid()))
    process.start()
    return _Fork(process)


def _serve(port: int, parent: int) -> None:
    """What Prefect's own command does, in this process; ends when `parent` does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    contextvars.Context().run(_run, port)


def _run(port: int) -> None:
    import uvicorn
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    os.environ.update(get_current_settings().to_environment_variables(exclude_unset=True))
    os.environ.update(SWITCHES)
    refresh_global_settings_context()
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True, host="127.0.0.1", port=port, log_level="error", lifespan="on",
    )  # fmt: skip
    server = uvicorn.Server(config)
    logging.getLogger(POOL_LOGGER).addFilter(CancelledAtTheEnd(server))
    server.run()
    if not server.started:
        sys.exit(NOT_STARTED)
