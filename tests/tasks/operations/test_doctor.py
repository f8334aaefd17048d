"""The doctor finds what is broken and says what to do."""

from __future__ import annotations

import shutil
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
    assert "is the faster one" in checks["ProbSparse / dense attention"].mend


def test_a_broken_configuration_a_file_for_a_folder_and_a_dead_server_are_found(home, monkeypatch):
    (home.conf_dir / "etth1.yaml").write_text("modle: {}\n")
    (home.root / "mlruns").write_text("not a folder")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    checks = by_name(home)
    assert "did you mean model?" in checks["conf/etth1.yaml"].mend
    assert checks["store folder"].state == checks["MLflow store"].state == FAIL
    assert checks["Prefect API"].state == FAIL
    assert "unset PREFECT_API_URL" in checks["Prefect API"].mend
