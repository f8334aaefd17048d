"""The doctor finds what is broken and says what to do."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.operations.doctor import FAIL, OK, WARN, examine
from tasks.settings import Home

CONF = Path(__file__).parents[3] / "conf"


@pytest.fixture
def home(tmp_path, monkeypatch):
    shutil.copytree(CONF, tmp_path / "conf")
    made = Home(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.local_tracking_uri)
    monkeypatch.delenv("INFORMER_DATA_DIR", raising=False)
    return made


def by_name(home: Home) -> dict:
    return {check.what: check for check in examine(home)}


def test_a_sound_installation_has_nothing_that_fails(home):
    checks = by_name(home)
    assert [c for c in checks.values() if c.state == FAIL] == []
    assert checks["conf/etth1.yaml"].state == OK
    assert checks["data set nyc-weather"].state == OK
    assert checks["data set ETTh1"].state == WARN
    assert "informer data fetch ETTh1" in checks["data set ETTh1"].mend
    assert "is faster" in checks["ProbSparse / dense attention"].mend


def test_a_broken_configuration_a_file_for_a_folder_and_a_dead_server_are_found(home, monkeypatch):
    (home.conf_dir / "etth1.yaml").write_text("modle: {}\n")
    (home.root / "mlruns").write_text("not a folder")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    checks = by_name(home)
    assert "did you mean model?" in checks["conf/etth1.yaml"].mend
    assert checks["store folder"].state == checks["MLflow store"].state == FAIL
    assert checks["Prefect API"].state == FAIL
    assert "unset PREFECT_API_URL" in checks["Prefect API"].mend


def test_a_store_of_mlflow_is_looked_into_and_none_is_made(home, empty_store):
    path = home.store_dir / "mlflow.db"
    assert by_name(home)["MLflow store"].state == OK
    assert not path.exists()
    shutil.copy(empty_store, path)
    assert by_name(home)["MLflow store"].state == OK
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '0a8213491aaa'")
    found = by_name(home)["MLflow store"]
    assert found.state == FAIL
    assert "found 0a8213491aaa" in found.mend
    assert f"mlflow db upgrade {home.tracking_uri}" in found.mend
    path.write_text("no database")
    assert "does not answer" in by_name(home)["MLflow store"].mend


def test_a_tracking_server_is_asked_for_its_health_and_no_password_is_told(home, monkeypatch):
    with served({"/health": b"OK"}) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url.replace("://", "://me:secret@"))
        assert by_name(home)["MLflow store"].state == OK
    found = by_name(home)["MLflow store"]
    assert found.state == FAIL
    assert "does not answer" in found.mend
    assert "secret" not in found.mend + found.found


@contextmanager
def served(answers: dict[str, bytes]) -> Iterator[str]:
    """A server on this machine that answers so, and with 404 to all else; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
