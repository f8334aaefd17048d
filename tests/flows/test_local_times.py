"""A source on the clock of a zone, from retrain to monitor: the same as its twin in UTC."""

from __future__ import annotations

import mlflow
import pandas as pd
import pytest

from tests.flows.conftest import answer as run

from .conftest import weather

pytestmark = pytest.mark.slow

ZONE = "Europe/Berlin"
SHORT = ("tune.n_trials=0", "train.epochs=1", "monitor.window=4d", "monitor.min_forecasts=1")
TINY = ("tiny", f"frame.time_zone={ZONE}", *SHORT)
CUTOFF = "2024-11-05T06:00"  # in UTC
ROOM = pd.Timedelta(hours=1)


def rows() -> pd.DataFrame:
    """Both stations from October 12 on, in UTC; the second begins later. 02:00 comes twice."""
    frame = weather()
    frame["ds"] = (frame["ds"] + pd.Timedelta(days=285)).dt.tz_localize("UTC")
    return frame[(frame["station"] == "north") | (frame["ds"] > frame["ds"].min() + 30 * ROOM)]


def pipeline(home, name: str) -> dict:
    """Retrain, forecast a past cutoff, monitor and backtest; the table of each vintage."""
    arguments = (*TINY, f"name={name}", f"data.source={name}.csv")
    arguments += ("frame.naive=local",) if name == "local" else ()
    trained = run("retrain", *arguments)
    past = run("forecast", *arguments, "--as-of", CUTOFF)
    monitored = run("monitor", *arguments)
    tested = run("backtest", *arguments)
    tables = [pd.read_parquet(made["forecast_path"]) for made in (trained,)]
    return {
        "retrain": trained, "monitor": monitored, "backtest": tested,
        "vintages": [*tables, pd.read_parquet(past["path"])],
    }  # fmt: skip


@pytest.fixture(scope="module")
def both(home) -> dict[str, dict]:
    frame = rows()
    frame.to_csv(home.root / "utc.csv", index=False)
    walls = frame["ds"].dt.tz_convert(ZONE).dt.tz_localize(None)
    assert walls[frame["station"] == "north"].duplicated().sum() == 1
    frame.assign(ds=walls).to_csv(home.root / "local.csv", index=False)
    return {name: pipeline(home, name) for name in ("utc", "local")}


def test_local_times_give_the_forecasts_scores_and_verdicts_of_their_twin_in_utc(both):
    ours, twin = both["local"], both["utc"]
    dropped = ["created_at", "data_sha256"]
    for own, other in zip(ours["vintages"], twin["vintages"], strict=True):
        pd.testing.assert_frame_equal(own.drop(columns=dropped), other.drop(columns=dropped))
    assert ours["retrain"]["metrics"] == twin["retrain"]["metrics"]
    assert ours["backtest"]["metrics"] == twin["backtest"]["metrics"]
    assert ours["monitor"]["metrics"] == twin["monitor"]["metrics"]
    assert ours["monitor"]["metrics"]["mae"] is not None


def test_vintages_stay_in_utc_and_say_the_local_time_beside(both):
    table = both["local"]["vintages"][1]
    assert table["cutoff"].unique().tolist() == [pd.Timestamp(CUTOFF)]
    assert table["ds"].iloc[0] == pd.Timestamp(CUTOFF) + ROOM
    assert table["ds_local"].iloc[0] == "2024-11-05T08:00:00+01:00"
    assert list(pd.to_datetime(table["ds_local"], utc=True).dt.tz_localize(None)) == list(
        table["ds"]
    )


def test_the_served_model_reads_local_times_and_answers_on_their_clock(both, home):
    mlflow.set_tracking_uri(home.tracking_uri)
    version = both["local"]["retrain"]["champion_version"]
    model = mlflow.pyfunc.load_model(f"models:/local/{version}")
    frame = pd.read_csv(home.root / "local.csv")
    made = model.predict(frame)
    kept = both["local"]["vintages"][0]
    assert str(made["ds"].dtype.tz) == ZONE
    assert list(made["ds"].dt.tz_convert("UTC").dt.tz_localize(None)) == list(kept["ds"])
    assert list(made["y_hat"]) == pytest.approx(list(kept["y_hat"]))
