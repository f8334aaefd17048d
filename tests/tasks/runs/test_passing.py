"""Which failures are worth another try."""

from __future__ import annotations

import errno
import http.server
import sqlite3
import threading
import urllib.error
from types import SimpleNamespace

import httpx
import mlflow
import pytest
import requests
import sqlalchemy
from mlflow.exceptions import MlflowException
from prefect.exceptions import PrefectHTTPStatusError
from prefect.task_engine import TaskRunTimeoutError

from tasks.runs.passing import is_passing
from tasks.settings import SourceError, StoreError


def passes(error: BaseException) -> bool:
    return is_passing(None, None, SimpleNamespace(data=error))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def answer(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "http://127.0.0.1:4200/api/health")
    response = httpx.Response(status, request=request, text="{}")
    return httpx.HTTPStatusError(f"{status}", request=request, response=response)


def locked(text: str) -> sqlalchemy.exc.OperationalError:
    return sqlalchemy.exc.OperationalError("INSERT", {}, sqlite3.OperationalError(text))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (caused(SourceError("no answer"), urllib.error.URLError("refused")), True),
        (urllib.error.HTTPError("http://x", 503, "busy", {}, None), True),
        (urllib.error.HTTPError("http://x", 404, "missing", {}, None), False),
        (caused(StoreError("busy"), OSError(errno.EBUSY, "busy")), True),
        (requests.exceptions.ConnectionError("reset"), True),
        (requests.exceptions.ReadTimeout("slow"), True),
        (requests.exceptions.InvalidURL("no address"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.ConnectError("refused"), True),
        (PrefectHTTPStatusError.from_httpx_error(answer(503)), True),
        (PrefectHTTPStatusError.from_httpx_error(answer(422)), False),
        (locked("database is locked"), True),
        (locked("no such table: runs"), False),
        (caused(MlflowException("x", error_code=4), locked("database is locked")), True),
        (caused(MlflowException("x", error_code=4), locked("no such table: runs")), False),
        (caused(StoreError("busy"), sqlite3.OperationalError("database is locked")), True),
        (TimeoutError("slow"), True),
        (TaskRunTimeoutError("the task took longer than it may"), False),
        (caused(StoreError("full"), OSError(errno.ENOSPC, "full")), False),
        (SourceError("there is no file"), False),
        (ValueError("wrong"), False),
    ],
)
def test_only_what_may_pass_by_itself_is_tried_again(error, expected):
    assert passes(error) is expected


@pytest.fixture
def busy_server():
    """A server that answers as a tracking server that restarts does."""

    class Busy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("retries", ["0", "1"])
def test_a_tracking_server_that_is_busy_may_pass(busy_server, monkeypatch, retries):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries)
    with pytest.raises(MlflowException) as caught:
        mlflow.MlflowClient(busy_server).get_run("0" * 32)
    assert passes(caught.value)


def test_a_tracking_server_that_is_away_may_pass(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(MlflowException) as caught:
        mlflow.MlflowClient("http://127.0.0.1:9").get_run("0" * 32)
    assert passes(caught.value)
