"""The store of studies: where it is, and what is said when it cannot be reached."""

from __future__ import annotations

import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import optuna
import pytest

from tasks.fitting.studies import open_storage
from tasks.operations import FAIL, examine
from tasks.operations.doctor import OK
from tasks.runs import ui_url
from tasks.settings import Home, StoreError, without_password
from tests.postgres import PASSWORD, postgres


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.delenv("INFORMER_STUDY_URL", raising=False)
    made = Home(tmp_path)
    made.store_dir.mkdir()
    return made


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg2://optuna:s3cret@db:5432/optuna", "postgresql+psycopg2://optuna@db:5432/optuna"),
        ("http://me:a:b@c@host:5000/x", "http://me@host:5000/x"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("sqlite:////srv/mlruns/mlflow.db", "sqlite:////srv/mlruns/mlflow.db"),
        ("http://me@host", "http://me@host"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_its_password(url, shown):
    assert without_password(url) == shown


def test_studies_are_kept_where_the_variable_says(home, monkeypatch, tmp_path):
    assert home.study_url == home.local_study_url
    assert not home.may_have_studies
    other = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("INFORMER_STUDY_URL", other)
    assert home.study_url == other
    assert home.may_have_studies
    optuna.create_study(study_name="one", storage=open_storage(home))
    assert optuna.get_all_study_names(other) == ["one"]
    assert not home.local_study_path.exists()


def test_of_two_processes_only_one_looks_at_a_trial_to_take_it(home):
    with open_storage(home).engine.begin() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM trials")
        other = sqlite3.connect(home.local_study_path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()


@pytest.mark.parametrize("address", ["127.0.0.1:{port}/optuna", "127.0.0.1:port/optuna"])
def test_a_database_that_does_not_answer_is_named_without_its_password(
    home, monkeypatch, closed_port, address
):
    place = address.format(port=closed_port)
    monkeypatch.setenv("INFORMER_STUDY_URL", f"postgresql+psycopg2://optuna:s3cret@{place}")
    with pytest.raises(StoreError, match="INFORMER_STUDY_URL") as caught:
        open_storage(home)
    assert f"optuna@{place}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_doctor_looks_at_the_store_of_studies(home, monkeypatch, closed_port):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.local_tracking_uri)
    found = {check.what: check for check in examine(home)}
    assert found["Optuna store"].state == OK
    monkeypatch.setenv(
        "INFORMER_STUDY_URL", f"postgresql+psycopg2://me:s3cret@127.0.0.1:{closed_port}/optuna"
    )
    checks = examine(home)
    (found,) = [check for check in checks if check.what == "Optuna store"]
    assert found.state == FAIL
    assert "s3cret" not in str(checks)


def test_links_lead_to_where_a_browser_finds_mlflow(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@mlflow:5000")
    assert ui_url("x", home) == "http://me@mlflow:5000/#/x"
    monkeypatch.setenv("INFORMER_MLFLOW_UI", "http://127.0.0.1:5000/")
    assert ui_url("x", home) == "http://127.0.0.1:5000/#/x"


def opened_at_once(home: Home, url: str, n: int = 8) -> None:
    """Open one new store from several threads that begin together."""
    begin = Barrier(n)

    def opened(_number: int) -> None:
        begin.wait()
        open_storage(home)

    with ThreadPoolExecutor(n) as pool:
        list(pool.map(opened, range(n)))
    assert optuna.get_all_study_names(url) == []


def test_several_may_open_a_new_store_at_once(home):
    for number in range(3):
        one = Home(home.root / str(number))
        one.store_dir.mkdir(parents=True)
        opened_at_once(one, one.study_url)


@pytest.mark.slow
def test_several_workers_may_open_a_new_database_at_once(home, monkeypatch):
    with postgres() as made:
        made.ask("postgres", f"CREATE USER optuna PASSWORD '{PASSWORD}'")
        for name in ("one", "two", "three"):
            made.ask("postgres", f"CREATE DATABASE {name} OWNER optuna")
            url = f"postgresql+psycopg2://optuna:{PASSWORD}@127.0.0.1:{made.port}/{name}"
            monkeypatch.setenv("INFORMER_STUDY_URL", url)
            opened_at_once(home, url)
