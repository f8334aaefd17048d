"""Monitoring the tiny pipeline: a real champion, real forecasts, a real Prefect server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.events.schemas.events import Event

from flows.__main__ import main
from tasks.models import require_champion
from tasks.runs import DEGRADED, DRIFTED, resource_id
from tasks.settings import load_config
from tests.flows.conftest import answer as run

pytestmark = pytest.mark.slow

TINY = ("tiny", "name=watched", "monitor.window=4d", "monitor.min_forecasts=3")
CUTOFFS = ("2024-01-22T00:00", "2024-01-22T12:00", "2024-01-23T00:00", "2024-01-23T02:00")
LAST = pd.Timestamp("2024-01-25 23:00")
TARGETS = ["north/temp", "north/wind", "south/temp", "south/wind"]


@pytest.fixture(scope="module")
def trained(home) -> dict:
    return run("retrain", *TINY, "tune.n_trials=0", "train.epochs=1")


@pytest.fixture(scope="module")
def before(trained, home) -> dict:
    """The monitor when no forecast has an actual yet: only the one after the last row is there."""
    return run("monitor", *TINY, "--output", str(home.root / "before"))


@pytest.fixture(scope="module")
def found(before) -> dict:
    for cutoff in CUTOFFS:
        run("forecast", *TINY, "--as-of", cutoff)
    return run("monitor", *TINY)


def hand_join(home) -> pd.DataFrame:
    """Forecast rows of all files with their actuals, from the CSV file itself."""
    folder = home.forecast_dir / "watched"
    parts = [pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))]
    came = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
    long = pd.concat(
        pd.DataFrame({"unique_id": came["station"] + "/" + t, "ds": came["ds"], "y": came[t]})
        for t in ("temp", "wind")
    )
    return pd.concat(parts).merge(long.dropna(), on=["unique_id", "ds"])


def test_before_any_actual_it_says_so_and_still_looks_for_drift(before, home):
    assert (before["n_forecasts"], before["n_scored"]) == (1, 0)
    assert before["metrics"] == dict.fromkeys(
        ["mae", "mae_units", "mase", "coverage", "churn"], None
    )
    assert before["degraded"] is False
    assert "0 cutoffs of version" in before["reasons"][0]
    assert set(before["drift"]) == set(TARGETS)
    assert all(value is not None for value in before["drift"].values())
    assert Path(before["path"]) == home.root / "before" / "20240125T230000"


def test_the_metrics_are_those_of_a_join_by_hand(found, home):
    rows = hand_join(home)
    served = require_champion(load_config("tiny", TINY[1:], conf_dir=home.conf_dir), home)
    scales = served.forecaster.scales
    names = [f"{series}/{name}" for series in scales.ids for name in ("temp", "wind")]
    std = dict(zip(names, scales.deviation.ravel(), strict=True))
    error = (rows["y_hat"] - rows["y"]).abs()
    scaled = error / rows["unique_id"].map(std)
    inside = (rows["y"] >= rows["y_hat_q10"]) & (rows["y"] <= rows["y_hat_q90"])
    assert len(rows) == 4 * len(CUTOFFS) * 6
    assert (found["n_forecasts"], found["n_scored"]) == (len(CUTOFFS) + 1, len(CUTOFFS))
    assert found["metrics"]["mae_units"] == pytest.approx(error.mean())
    assert found["metrics"]["mae"] == pytest.approx(scaled.mean())
    assert found["metrics"]["coverage"] == pytest.approx(inside.mean())
    both = rows[rows["cutoff"] >= "2024-01-23"].pivot(
        index=["unique_id", "ds"], columns="cutoff", values="y_hat"
    )
    moved = both.dropna().diff(axis=1).iloc[:, 1].abs()
    of = moved.index.get_level_values("unique_id").map(std)
    assert len(moved) == 4 * 4
    assert found["metrics"]["churn"] == pytest.approx((moved / of.to_numpy()).mean())


def test_mase_divides_by_the_seasonal_difference_of_the_train_rows(found, home):
    rows = hand_join(home)
    came = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"]).set_index("ds")
    train_end = pd.Timestamp("2024-01-16 00:00")
    scales = {}
    for name in TARGETS:
        station, target = name.split("/")
        grid = pd.date_range(came.index.min(), train_end, freq="h", inclusive="left")
        values = came.loc[came["station"] == station, target].reindex(grid)
        scales[name] = (values - values.shift(24)).abs().mean()
    mase = (rows["y_hat"] - rows["y"]).abs() / rows["unique_id"].map(scales)
    assert found["metrics"]["mase"] == pytest.approx(mase.mean(), rel=1e-6)


def test_it_is_held_to_what_the_backtest_of_the_champion_said(found, trained, home):
    assert found["status"] == "completed"
    assert found["model_version"] == trained["champion_version"]
    tags = (
        mlflow.MlflowClient(home.tracking_uri)
        .get_model_version("watched", found["model_version"])
        .tags
    )
    for name in ("mae", "mase", "coverage"):
        assert found["promised"][name] == pytest.approx(float(tags[f"test_{name}"]))
    assert f"promised {found['promised']['mae']:.4f}" in found["reasons"][0]
    assert found["drifted"] is False


def test_the_report_holds_tables_figures_and_data_docs(found, home):
    folder = Path(found["path"])
    assert folder == home.store_dir / "monitor" / "watched" / "20240125T230000"
    assert {path.name for path in folder.iterdir()} == {
        "errors.csv", "by-series.csv", "by-version.csv", "by-day.csv", "drift.csv", "report.md",
        "monitor.json", "errors-over-time.png", "forecast-against-actual.png", "drift.png",
        "data-docs",
    }  # fmt: skip
    assert (folder / "data-docs" / "index.html").is_file()
    by_series = pd.read_csv(folder / "by-series.csv").set_index("unique_id")
    assert by_series["n"].to_dict() == dict.fromkeys(TARGETS, len(CUTOFFS) * 6)
    assert by_series["churn"].notna().all()
    by_day = pd.read_csv(folder / "by-day.csv", parse_dates=["day"])
    assert by_day["n"].tolist() == [4 * 2 * 6] * 2
    assert by_day["rolling_mae"].iloc[-1] == pytest.approx(found["metrics"]["mae"])
    told = json.loads((folder / "monitor.json").read_text())
    assert told["metrics"] == found["metrics"]
    for sentence in found["reasons"]:
        assert sentence in (folder / "report.md").read_text()


def test_mlflow_has_a_finished_run_of_its_own(found, home):
    client = mlflow.MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name("watched").experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'monitor'")
    assert len(runs) == 2
    run_ = runs[0]
    assert run_.info.status == "FINISHED"
    assert run_.info.run_name == "monitor watched 2024-01-25"
    assert run_.data.metrics["monitor_mae"] == pytest.approx(found["metrics"]["mae"])
    assert run_.data.tags["model_version"] == found["model_version"]
    names = {item.path for item in client.list_artifacts(run_.info.run_id)}
    assert names == {"figures", "tables", "report.md", "drift"}


def test_as_of_forgets_what_came_later(found, home, tmp_path):
    earlier = run("monitor", *TINY, "--as-of", "2024-01-22T05:00", "--output", str(tmp_path))
    assert (earlier["n_forecasts"], earlier["n_scored"]) == (1, 1)
    assert Path(earlier["path"]).name == "20240122T050000"
    errors = pd.read_csv(Path(earlier["path"]) / "errors.csv", parse_dates=["ds"])
    assert len(errors) == 4 * 5
    assert errors["ds"].max() == pd.Timestamp("2024-01-22 05:00")


SHIFT_FROM = pd.Timestamp("2024-01-21 12:00")


def changed(home, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> str:
    """A file in which the rows of late are others; the override that reads it."""
    rows = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
    is_late = rows["ds"] >= SHIFT_FROM
    rows[is_late] = change(rows[is_late].copy())
    rows.to_csv(home.root / name, index=False)
    return f"data.source={name}"


def events_of(pipeline: str, n_expected: int) -> list[Event]:
    """What the server holds of a pipeline's alarms, waited for until there are so many."""
    with get_client(sync_client=True) as client:
        for _ in range(120):
            wanted = EventFilter(  # it ends now: one made earlier would miss what came since
                event=EventNameFilter(name=[DRIFTED, DEGRADED]),
                resource=EventResourceFilter(id=[resource_id(pipeline)]),
            )
            found = client.read_events(filter=wanted, limit=50).events
            if len(found) >= n_expected:
                break
            time.sleep(0.5)
    return list(found)


@pytest.fixture(scope="module")
def moved(found, home) -> dict:
    """A level that no train row had: inputs drift, and the forecasts no longer fit."""
    source = changed(
        home, "moved.csv", lambda f: f.assign(temp=f["temp"] + 15, wind=f["wind"] + 30)
    )
    return run("monitor", *TINY, source, "--output", str(home.root / "moved"))


def test_a_shift_of_the_inputs_is_drift_and_the_event_arrives_at_the_server(moved):
    assert moved["drifted"] is True
    assert "4 of 4 channels drifted by psi" in moved["reasons"][1]
    assert min(moved["drift"].values()) > 0.25
    (event,) = [e for e in events_of("watched", 2) if e.event == DRIFTED]
    assert event.resource.id == "informer.pipeline.watched"
    assert event.payload["config"] == "watched"
    assert event.payload["sentence"] == moved["reasons"][1]
    assert event.payload["statistics"] == pytest.approx(moved["drift"], abs=1e-5)
    assert event.payload["limits"] == {"drift": 0.25, "min_drifted": 0.5}


def test_forecasts_that_miss_are_degraded_and_the_event_arrives_at_the_server(moved):
    assert moved["degraded"] is True
    assert moved["metrics"]["mae"] > moved["promised"]["mae"] * 1.25
    (event,) = [e for e in events_of("watched", 2) if e.event == DEGRADED]
    assert event.payload["sentence"] == moved["reasons"][0]
    assert event.payload["metrics"] == pytest.approx(moved["metrics"])
    assert event.payload["promised"] == pytest.approx(moved["promised"])


def test_forecasts_can_get_worse_without_drift(moved, home):
    def mirrored(frame: pd.DataFrame) -> pd.DataFrame:
        """Day and night change places: the values are as usual, their times are not."""
        level = frame["station"].map({"north": 5.0, "south": 15.0})
        return frame.assign(temp=2 * level - frame["temp"], wind=20 - frame["wind"])

    source = changed(home, "mirrored.csv", mirrored)
    found = run("monitor", *TINY, source, "--output", str(home.root / "mirrored"))
    assert (found["degraded"], found["drifted"]) == (True, False)
    names = [event.event for event in events_of("watched", 3)]
    assert sorted(names) == sorted([DEGRADED, DEGRADED, DRIFTED])


def test_a_pipeline_without_a_champion_is_refused(home, capsys):
    assert main(["monitor", "tiny", "name=nobody"]) == 1
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
    assert "informer retrain nobody" in line


@pytest.mark.parametrize("argv", [["--as-of", "yesterday-ish"], ["monitor.window=1fortnight"]])
def test_what_cannot_be_asked_is_a_mistake(home, argv):
    assert main(["monitor", *TINY, *argv]) == 2
