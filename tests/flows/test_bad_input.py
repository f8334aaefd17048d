"""Bad input: one `error:` line, the right exit status, nothing registered, no champion moved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from flows.__main__ import main

from .conftest import weather


@pytest.fixture
def fails(home, capsys):
    """Run a command and return its exit status and its only error line."""
    mlflow.set_tracking_uri(home.tracking_uri)
    client = mlflow.MlflowClient()

    def registered() -> list:
        return [(m.name, m.aliases) for m in client.search_registered_models()]

    def call(*argv: str) -> tuple[int, str]:
        before = registered()
        try:
            status = main(list(argv))
        except SystemExit as stopped:
            status = int(stopped.code)
        captured = capsys.readouterr()
        errors = [line for line in captured.err.splitlines() if line.startswith("error:")]
        assert len(errors) == 1, captured.err
        assert "Traceback" not in captured.err + captured.out
        assert registered() == before
        return status, errors[0]

    return call


def broken(change) -> pd.DataFrame:
    frame = weather().reset_index(drop=True)
    return change(frame)


CASES = {
    "no rows": (lambda f: f.iloc[:0], "no rows"),
    "a missing column": (lambda f: f.drop(columns="wind"), "wind"),
    "text in a number column": (lambda f: f.assign(wind="much"), "wind"),
    "duplicate times": (lambda f: pd.concat([f, f.iloc[[5]]]), "2024-01-01 05"),
    "a series shorter than a window": (
        lambda f: f[f["ds"] < "2024-01-02"],
        "rows",
    ),
    "a column of nothing": (lambda f: f.assign(temp=np.nan), "temp"),
    "infinite values": (lambda f: f.assign(temp=f["temp"].where(f.index != 7, np.inf)), "temp"),
    "a value out of range": (lambda f: f.assign(temp=f["temp"].where(f.index != 7, 99.0)), "99"),
    "a long gap": (lambda f: f.drop(index=range(50, 60)), "gap"),
    "times that are none": (lambda f: f.assign(ds="soon"), "ds"),
}


@pytest.mark.parametrize("name", CASES)
def test_broken_data_fails_the_run_and_names_what_broke(fails, home, name):
    change, named = CASES[name]
    path = home.root / "broken.csv"
    broken(change).to_csv(path, index=False)
    status, line = fails("retrain", "tiny", f"data.source={path}", "name=broken")
    assert status == 1
    assert named in line


@pytest.mark.slow
def test_shuffled_rows_are_sorted_not_refused(home, capsys):
    path = home.root / "shuffled.csv"
    weather().sample(frac=1, random_state=3).to_csv(path, index=False)
    arguments = [f"data.source={path}", "name=shuffled", "tune.n_trials=0", "train.epochs=1"]
    assert main(["retrain", "tiny", *arguments]) == 0
    capsys.readouterr()


def test_a_missing_and_an_empty_file_fail(fails, home):
    stages = home.store_dir / "stages"
    before = set(stages.glob("load-*"))
    status, line = fails("retrain", "tiny", "data.source=nowhere.csv")
    assert (status, "nowhere.csv" in line) == (1, True)
    (home.root / "empty.csv").write_text("")
    assert set(stages.glob("load-*")) == before  # nothing is kept of what was never read
    status, line = fails("retrain", "tiny", "data.source=empty.csv")
    assert (status, "empty" in line) == (1, True)


def test_a_failed_run_is_closed_in_mlflow_and_keeps_its_validation(fails, home):
    path = home.root / "broken.csv"
    broken(lambda f: f.assign(temp=99.0)).to_csv(path, index=False)
    fails("retrain", "tiny", f"data.source={path}", "name=closed")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("closed").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FAILED"
    assert run.data.tags["validation"] == "failed"
    assert {item.path for item in client.list_artifacts(run.info.run_id)} >= {"validation"}


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["retrain", "tiny", "model.d_modl=8"], "d_model"),
        (["retrain", "tiny", "model.d_model=9"], "not divisible"),
        (["retrain", "nothing"], "no configuration 'nothing'"),
        (["retrain"], "CONF"),
        (["launch"], "launch"),
        (["forecast", "tiny", "--as-of", "soon"], "soon"),
        (["data", "fetch", "ETTh9"], "ETTh9"),
        (["retrain", "tiny", "data.contract=contracts/none.yaml"], "none.yaml"),
    ],
)
def test_a_mistake_in_the_command_or_configuration_is_exit_status_2(fails, argv, named):
    status, line = fails(*argv)
    assert status == 2
    assert named in line


def test_an_output_folder_that_cannot_be_written_fails_before_any_work(fails, home):
    (home.root / "a-file").write_text("")
    folder = home.root / "a-file" / "below"
    status, line = fails("retrain", "tiny", f"forecast.output={folder}")
    assert status == 1
    assert "cannot write" in line


def test_a_store_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "mlruns").write_text("a file, not a folder")
    found = subprocess.run(
        [sys.executable, "-m", "flows", "retrain", "anything"],
        env={k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW"))}
        | {"INFORMER_HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stderr.startswith("error: cannot write into")
    assert len(found.stderr.splitlines()) == 1


def test_a_forecast_without_a_champion_says_how_to_get_one(fails):
    status, line = fails("forecast", "tiny", "name=unknown")
    assert status == 1
    assert "informer retrain" in line


def test_debug_shows_where_a_failure_came_from(home, capsys):
    assert main(["data", "fetch", "no-such-set", "--debug"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert "ConfigError" in shown
    assert shown.splitlines()[-1].startswith("error: ")
