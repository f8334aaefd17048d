"""Forecasts in chunks on a real Prefect server: the rows of all at once, whole or not there."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from flows.__main__ import main
from informer.errors import FrameError
from informer.forecaster import Forecaster
from tasks.forecasts import read_vintages
from tasks.forecasts.fanout import run_chunks
from tasks.forecasts.vintages import parts_of
from tasks.settings import ForecastConfig, StoreError
from tests.flows.conftest import answer as run, weather

pytestmark = pytest.mark.slow

END = pd.Timestamp("2024-01-25 23:00")
STATIONS = ("a", "b", "c", "d", "e")
IN_TWOS = "forecast.chunk_series=2"
KEYS = ["cutoff", "unique_id", "ds"]


def stations(names: tuple[str, ...] = STATIONS) -> pd.DataFrame:
    """The north station's rows under several names, each at another level."""
    north = weather().query("station == 'north'")
    parts = [north.assign(station=name, temp=north["temp"] + i) for i, name in enumerate(names)]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def trained(home) -> dict:
    stations().to_csv(home.root / "rows.csv", index=False)
    return run("retrain", "tiny", "tune.n_trials=0")


def forecast(folder: Path, *overrides: str) -> dict:
    return run("forecast", "tiny", *overrides, "--output", str(folder))


def same_rows(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """All but the time of making, and the hash of a file that has other row groups."""
    tables = [
        table.drop(columns=["created_at", "data_sha256"]).sort_values(KEYS, ignore_index=True)
        for table in (one, other)
    ]
    pd.testing.assert_frame_equal(*tables, rtol=1e-5)


def test_chunks_give_the_rows_of_all_series_at_once(trained, home, tmp_path):
    once = forecast(tmp_path / "once")
    made = forecast(tmp_path / "chunks", IN_TWOS)
    same_rows(read_vintages(tmp_path / "once"), read_vintages(tmp_path / "chunks"))
    for key in ("n_series", "n_rows", "cutoff", "model_version", "left_out", "vintages"):
        assert made[key] == once[key]
    assert made["n_series"] == 2 * len(STATIONS)  # two targets each
    path = Path(made["path"])
    assert [len(pd.read_parquet(part)) for part in parts_of(path)] == [24, 24, 12]
    assert list((tmp_path / "chunks").iterdir()) == [path]  # no CSV, no draft
    again = forecast(tmp_path / "chunks", IN_TWOS)
    assert (again["path"], again["vintages"]) == (made["path"], 0)


def test_every_chunk_is_a_task_run_of_the_flow(trained, tmp_path):
    from prefect.client.orchestration import get_client

    made = forecast(tmp_path, IN_TWOS)
    with get_client(sync_client=True) as client:
        names = {task_run.name for task_run in client.read_task_runs(limit=200)}
    assert {f"chunk {i} of 3" for i in (1, 2, 3)} <= names
    assert made["vintages"] == 1


def test_missed_cutoffs_are_caught_up_on_in_chunks(trained, tmp_path):
    overrides = (IN_TWOS, "forecast.every=1d")
    rows = stations()
    rows[rows["ds"] <= END - pd.Timedelta(days=3)].to_csv(tmp_path / "early.csv", index=False)
    forecast(tmp_path, *overrides, f"data.source={tmp_path / 'early.csv'}")
    made = forecast(tmp_path, *overrides)
    assert (made["vintages"], len(made["caught_up"])) == (3, 2)
    table = read_vintages(tmp_path)
    assert table.groupby("cutoff").size().tolist() == [60] * 4
    assert forecast(tmp_path, *overrides)["vintages"] == 0


def test_left_out_series_are_told_of_all_chunks(trained, home, tmp_path):
    rows = stations()
    ended = rows["station"].isin(["a", "d", "e"]) & (rows["ds"] > END - pd.Timedelta(days=2))
    rows[~ended].to_csv(tmp_path / "rows.csv", index=False)
    made = forecast(tmp_path / "store", IN_TWOS, f"data.source={tmp_path / 'rows.csv'}")
    assert set(made["left_out"]) == {"a", "d", "e"}
    assert made["n_series"] == 4
    assert len(parts_of(Path(made["path"]))) == 2  # nothing is left of the third chunk


def test_the_other_commands_read_vintages_of_several_parts(trained, home, tmp_path):
    folder = home.forecast_dir / "tiny"  # a file is there, which retrain wrote
    early = END - pd.Timedelta(hours=2)
    run("forecast", "tiny", IN_TWOS, "--as-of", early.isoformat())
    made = run("forecast", "tiny", IN_TWOS)
    assert {path.is_dir() for path in folder.glob("*.parquet")} == {True, False}
    known = run("forecasts", "as-of", "2100-01-01", "tiny", "--output", str(tmp_path / "k.parquet"))
    assert known["n_series"] == 10
    assert set(pd.read_parquet(known["path"])["cutoff"]) == {early, END}
    changed = run(
        "explain-change", "tiny", "--before", early.isoformat(), "--after", Path(made["path"]).name,
        "--output", str(tmp_path / "change"),
    )  # fmt: skip
    assert changed["n_rows"] == 4 * 10
    seen = run("monitor", "tiny", "--output", str(tmp_path / "monitor"))
    assert seen["status"]


def test_a_failure_in_one_chunk_leaves_no_vintage_and_no_draft(trained, tmp_path, monkeypatch):
    predict = Forecaster.predict_all

    def failing(self, frame):
        if "c" in set(frame["station"]):
            raise FrameError("series 'c' cannot be forecast.")
        return predict(self, frame)

    monkeypatch.setattr(Forecaster, "predict_all", failing)
    assert main(["forecast", "tiny", IN_TWOS, "--output", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert forecast(tmp_path, IN_TWOS)["n_rows"] == 60


KILLED = """
import os, signal, sys
from flows.__main__ import main
from informer.forecaster import Forecaster
calls, predict = 0, Forecaster.predict_all

def dying(self, frame):
    global calls
    calls += 1
    if calls == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return predict(self, frame)

Forecaster.predict_all = dying
main(sys.argv[1:])
"""


def environment() -> dict[str, str]:
    """Of a child process: the Prefect server and the stores of this test."""
    from prefect.settings import PREFECT_API_URL

    return os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}


def test_a_run_killed_between_two_parts_leaves_nothing_to_read(trained, tmp_path):
    argv = ["forecast", "tiny", IN_TWOS, "--output", str(tmp_path)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *argv], env=environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    draft, lock = sorted(tmp_path.iterdir())
    assert lock.name == f"{draft.name}.lock"
    assert len(list(draft.rglob("part-*.parquet"))) == 2
    assert read_vintages(tmp_path).empty
    made = forecast(tmp_path, IN_TWOS)
    assert (made["vintages"], made["n_rows"]) == (1, 60)
    assert list(tmp_path.iterdir()) == [Path(made["path"])]


def test_of_two_runs_at_once_the_first_vintage_stays(trained, tmp_path):
    command = [
        sys.executable, "-m", "flows", "forecast", "tiny", IN_TWOS, "--output", str(tmp_path),
        "--json",
    ]  # fmt: skip
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
        for _ in range(2)
    ]
    records = [json.loads(p.communicate()[0].splitlines()[-1]) for p in started]
    assert sum(record["vintages"] for record in records) == 1
    assert len(read_vintages(tmp_path)) == 60
    assert len(list(tmp_path.iterdir())) == 1


dask = pytest.mark.skipif(
    importlib.util.find_spec("prefect_dask") is None,
    reason="prefect-dask is not installed; run: pip install 'informer-pipeline[scale]'",
)


@dask
def test_a_dask_cluster_of_two_gives_the_same_rows(trained, tmp_path):
    forecast(tmp_path / "once")
    made = forecast(tmp_path / "dask", IN_TWOS, "forecast.dask=2")
    assert len(parts_of(Path(made["path"]))) == 3
    same_rows(read_vintages(tmp_path / "once"), read_vintages(tmp_path / "dask"))
    assert list((tmp_path / "dask").iterdir()) == [Path(made["path"])]


@dask
def test_a_cluster_that_is_there_is_used_and_stays(trained, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        named = (f"forecast.dask={cluster.scheduler_address}",)
        assert forecast(tmp_path, IN_TWOS, *named)["vintages"] == 1
        assert forecast(tmp_path, IN_TWOS, *named)["vintages"] == 0
    assert len(read_vintages(tmp_path)) == 60


@dask
def test_where_no_scheduler_answers_the_message_says_so(prefect_server):
    import dask

    config = ForecastConfig(dask="tcp://127.0.0.1:9")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(StoreError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
    ):
        run_chunks([None, None], config)
