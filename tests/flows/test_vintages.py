"""Batch forecasts on a real Prefect server and MLflow store: kept once, never changed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from flows.__main__ import main
from informer.data import regular_frame
from tasks.forecasts import read_vintages
from tasks.forecasts.vintages import by_model, list_vintages, read_vintage
from tasks.models import require_champion
from tasks.settings import load_config
from tests.flows.conftest import answer as run

pytestmark = pytest.mark.slow

END = pd.Timestamp("2024-01-25 23:00")


def rows_of(home) -> pd.DataFrame:
    return pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])


def forecast(home, folder: Path, *overrides: str, until: pd.Timestamp | None = None) -> dict:
    """`informer forecast tiny` on the rows up to a time, as they would lie there at that time."""
    rows = rows_of(home)
    source = folder / "known.csv"
    folder.mkdir(exist_ok=True, parents=True)
    (rows if until is None else rows[rows["ds"] <= until]).to_csv(source, index=False)
    return run(
        "forecast", "tiny", f"data.source={source}", *overrides, "--output", str(folder / "store")
    )


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.fixture(scope="module")
def trained(home) -> dict:
    return run("retrain", "tiny", "tune.n_trials=0")


def test_every_row_says_by_what_from_when_when_and_from_which_data(trained, home, tmp_path):
    made = forecast(home, tmp_path)
    table = pd.read_parquet(made["path"])
    assert list(table.columns[:7]) == [
        "unique_id", "ds", "cutoff", "model_version", "created_at", "data_sha256", "y_hat",
    ]  # fmt: skip
    assert set(table["model_version"]) == {made["model_version"]}
    assert set(table["cutoff"]) == {END}
    now = pd.Timestamp.now("UTC").tz_localize(None)
    assert (now - table["created_at"]).max() < pd.Timedelta("5min")
    (sha,) = set(table["data_sha256"])
    seen = home.snapshot_dir / f"{sha[:16]}.parquet"
    assert hashlib.sha256(seen.read_bytes()).hexdigest() == sha
    assert (made["vintages"], made["caught_up"], made["left_out"]) == (1, [], {})


def test_the_same_cutoff_twice_gives_the_same_rows_once(trained, home, tmp_path):
    one = forecast(home, tmp_path)
    before = digests(tmp_path / "store")
    two = forecast(home, tmp_path)
    assert (two["path"], two["n_rows"], two["vintages"]) == (one["path"], one["n_rows"], 0)
    assert digests(tmp_path / "store") == before
    assert set(before) == {Path(one["path"]).name, Path(one["path"]).with_suffix(".csv").name}


def test_two_runs_at_the_same_time_leave_the_rows_once(trained, home, tmp_path):
    (tmp_path / "rows.csv").write_bytes((home.root / "rows.csv").read_bytes())
    command = [
        sys.executable, "-m", "flows", "forecast", "tiny", f"data.source={tmp_path}/rows.csv",
        "--output", str(tmp_path / "store"), "--json",
    ]  # fmt: skip
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
        for _ in range(2)
    ]
    records = [json.loads(p.communicate()[0].splitlines()[-1]) for p in started]
    assert [p.returncode for p in started] == [0, 0]
    assert records[0]["path"] == records[1]["path"]
    assert sum(record["vintages"] for record in records) == 1
    table = read_vintages(tmp_path / "store")
    assert len(table) == records[0]["n_rows"] == 24
    assert not table.duplicated(["unique_id", "ds"]).any()


def environment() -> dict[str, str]:
    """Of a child process: the Prefect server and the stores of this test."""
    from prefect.settings import PREFECT_API_URL

    return os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}


def test_missed_cutoffs_are_caught_up_on_as_each_day_would_have_forecast_them(
    trained, home, tmp_path
):
    days = [END - pd.Timedelta(days=n) for n in (4, 3, 2, 1, 0)]
    for day in days:
        made = forecast(home, tmp_path / "daily", until=day)
        assert made["caught_up"] == []
    forecast(home, tmp_path / "late", until=days[0])
    late = forecast(home, tmp_path / "late", "forecast.every=1d")
    assert late["caught_up"] == [day.isoformat() for day in days[1:-1]]
    assert late["vintages"] == 4
    daily, caught_up = (read_vintages(tmp_path / name / "store") for name in ("daily", "late"))
    pd.testing.assert_frame_equal(
        daily.drop(columns="created_at"), caught_up.drop(columns="created_at")
    )
    assert daily["cutoff"].nunique() == 5


def test_of_many_missed_cutoffs_the_latest_are_caught_up_on(trained, home, tmp_path):
    forecast(home, tmp_path, until=END - pd.Timedelta(days=6))
    late = forecast(home, tmp_path, "forecast.every=1d", "forecast.catch_up=2")
    wanted = [(END - pd.Timedelta(days=n)).isoformat() for n in (2, 1)]
    assert late["caught_up"] == wanted
    again = forecast(home, tmp_path, "forecast.every=1d", "forecast.catch_up=2")
    assert (again["caught_up"], again["vintages"]) == ([], 0)


def test_later_runs_add_rows_and_change_none(trained, home, tmp_path):
    forecast(home, tmp_path, until=END - pd.Timedelta(hours=2))
    before, known = digests(tmp_path / "store"), read_vintages(tmp_path / "store")
    forecast(home, tmp_path, until=END)
    revised = rows_of(home)
    revised.loc[revised["ds"] == END, "temp"] += 5
    revised.to_csv(tmp_path / "revised.csv", index=False)
    again = run(
        "forecast", "tiny", f"data.source={tmp_path / 'revised.csv'}",
        "--output", str(tmp_path / "store"),
    )  # fmt: skip
    assert again["vintages"] == 1  # the same cutoff from other data is another vintage
    after = digests(tmp_path / "store")
    assert len(after) == 3 * len(before)
    assert {name: after[name] for name in before} == before
    pd.testing.assert_frame_equal(read_vintages(tmp_path / "store").head(len(known)), known)
    target = known["ds"].max()
    assert (read_vintages(tmp_path / "store")["ds"] == target).sum() == 3 * 4


def test_rows_after_a_cutoff_are_not_seen(trained, home, tmp_path):
    cutoff = END - pd.Timedelta(days=1)
    one = run("forecast", "tiny", "--as-of", cutoff.isoformat(), "--output", str(tmp_path / "a"))
    changed = rows_of(home)
    changed.loc[changed["ds"] > cutoff, ["temp", "wind"]] = 3.0
    changed.to_csv(tmp_path / "changed.csv", index=False)
    two = run(
        "forecast", "tiny", f"data.source={tmp_path / 'changed.csv'}",
        "--as-of", cutoff.isoformat(), "--output", str(tmp_path / "b"),
    )  # fmt: skip
    assert Path(one["path"]).name == Path(two["path"]).name
    tables = [pd.read_parquet(made["path"]).drop(columns="created_at") for made in (one, two)]
    pd.testing.assert_frame_equal(*tables)


def test_stale_rows_are_a_clear_failure_and_no_rows(trained, home, tmp_path, capsys):
    store = tmp_path / "store"
    assert main(["forecast", "tiny", "forecast.max_age=36h", "--output", str(store)]) == 1
    text = capsys.readouterr().err
    assert f"the last row of rows.csv is from {END}" in text
    assert "forecast.max_age=36h is the limit" in text
    assert list(store.iterdir()) == []
    made = run(
        "forecast", "tiny", "forecast.max_age=36h", "--as-of", str(END), "--output", str(store)
    )
    assert made["cutoff"] == END.isoformat()


def test_a_retrain_on_stale_rows_fails_before_it_trains(trained, home, capsys):
    argv = ["retrain", "tiny", "name=stale", "forecast.max_age=36h", "tune.n_trials=0"]
    assert main(argv) == 1
    assert "forecast.max_age=36h is the limit" in capsys.readouterr().err
    client = mlflow.MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name("stale").experiment_id
    (failed,) = client.search_runs([experiment])
    assert failed.info.status == "FAILED"
    assert "val_loss" not in failed.data.metrics


def test_rows_of_today_are_not_stale(trained, home, tmp_path):
    rows = rows_of(home)
    rows["ds"] += pd.Timestamp.now("UTC").tz_localize(None).floor("h") - END
    rows.to_csv(tmp_path / "fresh.csv", index=False)
    made = run(
        "forecast", "tiny", f"data.source={tmp_path / 'fresh.csv'}", "forecast.max_age=36h",
        "--output", str(tmp_path / "store"),
    )  # fmt: skip
    assert made["n_rows"] == 24


def test_a_series_that_ended_or_just_began_is_left_out_and_told(trained, home, tmp_path):
    rows = rows_of(home)
    ended = END - pd.Timedelta(hours=6)  # the horizon of six steps has just passed
    young = rows[(rows["station"] == "south") & (rows["ds"] > END - pd.Timedelta(hours=20))]
    rows = pd.concat(
        [
            rows[(rows["station"] != "north") | (rows["ds"] <= ended)],
            young.assign(station="new"),
        ]
    )
    rows.to_csv(tmp_path / "rows.csv", index=False)
    made = run(
        "forecast", "tiny", f"data.source={tmp_path / 'rows.csv'}",
        "--output", str(tmp_path / "store"),
    )  # fmt: skip
    assert made["left_out"] == {
        "north": f"ended at {ended}",
        "new": "has 20 rows, a forecast reads 24",
    }
    table = pd.read_parquet(made["path"])
    names = {f"{station}/{name}" for station in ("south", "new") for name in ("temp", "wind")}
    assert set(table["unique_id"]) == names
    assert (table["fallback"].ne("") == table["unique_id"].str.startswith("new/")).all()


def test_no_champion_is_a_clear_failure_before_any_work(trained, home, tmp_path, capsys):
    store = tmp_path / "store"
    argv = ["forecast", "tiny", "name=nobody", "data.source=nowhere.csv", "--output", str(store)]
    assert main(argv) == 1
    assert "model nobody has no champion" in capsys.readouterr().err
    assert not store.exists()


def test_a_failure_in_the_middle_leaves_no_row(trained, home, tmp_path, capsys):
    """At the second of three cutoffs no series can be forecast: the first is not written either."""
    forecast(home, tmp_path, until=END - pd.Timedelta(days=3))
    before = digests(tmp_path / "store")
    assert main(gappy(home, tmp_path, ("north", "south"))) == 1
    error = capsys.readouterr().err
    assert "no series can be forecast: series 'north' has" in error
    assert "rows since its last long gap, a forecast reads 24" in error
    assert digests(tmp_path / "store") == before


def test_a_gap_leaves_its_series_out_of_the_cutoffs_whose_look_back_it_touches(
    trained, home, tmp_path
):
    forecast(home, tmp_path, until=END - pd.Timedelta(days=3))
    made = run(*gappy(home, tmp_path, ("north",)))
    assert len(made["caught_up"]) == 2
    assert set(made["left_out"]) == set()
    found = {
        vintage.cutoff: set(by_model(read_vintage(vintage.path))["unique_id"].str[:5])
        for vintage in list_vintages(tmp_path / "store")
    }
    assert [sorted(names) for _, names in sorted(found.items())] == [
        ["north", "south"], ["north", "south"], ["south"], ["north", "south"],
    ]  # fmt: skip


def gappy(home, tmp_path, stations: tuple[str, ...]) -> list[str]:
    """The forecast of rows that lack values of some stations before the second cutoff."""
    rows = rows_of(home)
    at = (rows["ds"] > END - pd.Timedelta(hours=40)) & (rows["ds"] < END - pd.Timedelta(hours=30))
    at &= rows["station"].isin(stations)
    rows.loc[at, ["temp", "wind"]] = float("nan")  # longer than max_gap
    rows.to_csv(tmp_path / "broken.csv", index=False)
    contract = (home.conf_dir / "contracts" / "tiny.yaml").read_text()
    lenient = home.conf_dir / "contracts" / "lenient.yaml"
    lenient.write_text(contract.replace("max_value_gap: 3", "max_value_gap: 30"))
    return [
        "forecast", "tiny", f"data.source={tmp_path / 'broken.csv'}", "forecast.every=1d",
        "data.contract=contracts/lenient.yaml", "--output", str(tmp_path / "store"),
    ]  # fmt: skip


KILLED = """
import os, signal, sys
from flows.__main__ import main
named, link = 0, os.link

def dying(source, target, **options):
    global named
    if "store" in str(target):
        named += 1
        if named == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    return link(source, target, **options)

os.link = dying
main(sys.argv[1:])
"""


def test_a_run_killed_between_two_vintages_leaves_whole_ones_only(trained, home, tmp_path):
    forecast(home, tmp_path, until=END - pd.Timedelta(days=3))
    store = tmp_path / "store"
    (tmp_path / "known.csv").write_bytes((home.root / "rows.csv").read_bytes())
    argv = [
        "forecast", "tiny", f"data.source={tmp_path / 'known.csv'}", "forecast.every=1d",
        "--output", str(store),
    ]  # fmt: skip
    killed = subprocess.run([sys.executable, "-c", KILLED, *argv], env=environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert read_vintages(store)["cutoff"].nunique() == 2  # the old one, and the first of three
    late = forecast(home, tmp_path, "forecast.every=1d")
    assert late["caught_up"] == [(END - pd.Timedelta(days=1)).isoformat()]
    table = read_vintages(store)
    assert table["cutoff"].nunique() == 4
    assert not table.duplicated(["unique_id", "ds", "cutoff"]).any()


def test_the_run_shows_its_vintages_and_the_lineage_of_the_asset(trained, home, tmp_path):
    from prefect.client.orchestration import get_client

    from tests.flows.conftest import latest_artifact

    forecast(home, tmp_path, until=END - pd.Timedelta(days=1))
    made = forecast(home, tmp_path, "forecast.every=12h")
    assert len(made["caught_up"]) == 1
    with get_client(sync_client=True) as client:
        newest = latest_artifact(client, "forecast")
        assert made["path"] in newest.data
        assert newest.data.count("| new |") == 2
        event = materialized(client, made["path"])
    assert event["resource"]["prefect.resource.id"] == "informer://tiny/forecast"
    above = {
        r["prefect.resource.id"] for r in event["related"] if r["prefect.resource.role"] == "asset"
    }
    assert above == {"informer://tiny/model", "informer://tiny/data"}
    assert event["payload"]["model_version"] == made["model_version"]


def materialized(client, path: str) -> dict:
    """The event that says that the forecast asset was made; events arrive a moment later."""
    wanted = {"event": {"name": ["prefect.asset.materialization.succeeded"]}}
    wanted["resource"] = {"id": ["informer://tiny/forecast"]}
    body = {"filter": wanted, "limit": 50}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = client.request("POST", "/events/filter", json=body).json()["events"]
        for event in found:
            if event["payload"].get("path") == path:
                return event
        time.sleep(0.5)
    raise AssertionError(f"no materialization event for {path} within 30 s")


def test_all_vintages_are_what_the_champion_forecasts_from_their_rows(trained, home, tmp_path):
    made = forecast(home, tmp_path)
    config = load_config("tiny", conf_dir=home.conf_dir)
    served = require_champion(config, home)
    rows = regular_frame(rows_of(home), config.frame)
    stored = pd.read_parquet(made["path"])
    own = served.forecaster.predict(rows)
    assert stored["y_hat"].tolist() == own["y_hat"].tolist()
