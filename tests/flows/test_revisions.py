"""Forecasts from an earlier time see the values that were read by then, where these are kept."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tasks.forecasts import read_vintages
from tasks.rows import reads
from tests.flows.conftest import answer as run

pytestmark = pytest.mark.slow

END = pd.Timestamp("2024-01-25 23:00")
DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def trained(home) -> dict:
    return run("retrain", "tiny", "tune.n_trials=0")


@pytest.fixture
def source(home, tmp_path, monkeypatch):
    """Write the rows up to a time, perhaps revised, as the next command will read them then."""

    def at(read_at: pd.Timestamp, until: pd.Timestamp = END, revised: float = 0.0) -> str:
        rows = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
        rows = rows[rows["ds"] <= until]
        rows["temp"] += revised
        rows.to_csv(tmp_path / "known.csv", index=False)
        monkeypatch.setattr(reads, "utc_now", lambda: read_at)
        return f"data.source={tmp_path / 'known.csv'}"

    return at


def forecast(source: str, store: Path, *argv: str) -> dict:
    return run("forecast", "tiny", source, *argv, "--output", str(store))


def values_of(store: Path, cutoff: pd.Timestamp) -> list[float]:
    table = read_vintages(store)
    return table.loc[table["cutoff"] == cutoff, "y_hat"].tolist()


def test_as_of_a_time_is_made_from_what_was_read_by_then(trained, source, tmp_path):
    before = END - 2 * DAY
    early = source(before + DAY / 4, until=before)
    forecast(early, tmp_path / "on_the_day")
    late = source(END + DAY, revised=9.0)
    forecast(late, tmp_path / "today")
    made = forecast(late, tmp_path / "as_of", "--as-of", (before + DAY / 2).isoformat())
    assert made["cutoff"] == before.isoformat()
    (told,) = made["values"]
    assert told["read_at"] == (before + DAY / 4).isoformat()
    assert len(told["snapshot"]) == 16
    wanted = values_of(tmp_path / "on_the_day", before)
    assert values_of(tmp_path / "as_of", before) == wanted
    older = forecast(late, tmp_path / "older", "--as-of", before.isoformat())  # read later
    assert older["values"] == [{"cutoff": before.isoformat(), "read_at": None, "snapshot": None}]
    assert values_of(tmp_path / "older", before) != wanted


def test_a_missed_cutoff_is_made_from_what_its_run_would_have_read(trained, source, tmp_path):
    first, missed, other = END - 4 * DAY, END - 3 * DAY, END - 2 * DAY
    store, every = tmp_path / "store", "forecast.every=1d"
    forecast(source(first + DAY / 4, until=first), store, every)
    on_the_day = source(missed + DAY / 4, until=missed, revised=0.5)
    forecast(on_the_day, tmp_path / "on_the_day")  # the source was read; the store knows nothing
    late = forecast(source(END + DAY / 4, revised=9.0), store, every)
    assert late["caught_up"] == [(END - n * DAY).isoformat() for n in (3, 2, 1)]
    told = {one["cutoff"]: one["read_at"] for one in late["values"]}
    assert told[missed.isoformat()] == (missed + DAY / 4).isoformat()
    assert told[other.isoformat()] is None  # what was read before holds no such row
    assert values_of(store, missed) == values_of(tmp_path / "on_the_day", missed)


def test_what_as_of_asked_for_hides_no_missed_cutoff(trained, source, tmp_path):
    store, every = tmp_path / "store", "forecast.every=1d"
    forecast(source(END + DAY, until=END - 4 * DAY), store, every)
    late = source(END + DAY)
    odd = (END - DAY - pd.Timedelta(hours=5)).isoformat()
    asked = forecast(late, store, every, "--as-of", odd)
    assert (asked["cutoff"], asked["caught_up"], asked["vintages"]) == (odd, [], 1)
    made = forecast(late, store, every)
    assert made["caught_up"] == [(END - n * DAY).isoformat() for n in (3, 2, 1)]
    again = forecast(late, store, every)
    assert (again["caught_up"], again["vintages"]) == ([], 0)


def test_a_forecast_is_known_from_when_it_was_complete(trained, source, tmp_path, monkeypatch):
    from informer.forecaster import Forecaster

    ended: list[pd.Timestamp] = []
    predict = Forecaster.predict_all

    def slow(self, frame):
        made = predict(self, frame)
        ended.append(pd.Timestamp.now("UTC").tz_localize(None))
        return made

    monkeypatch.setattr(Forecaster, "predict_all", slow)
    chunks = "forecast.chunk_series=1"
    made = forecast(source(END + DAY), tmp_path / "store", chunks)
    assert Path(made["path"]).is_dir()
    table = read_vintages(tmp_path / "store")
    assert table["created_at"].nunique() == 1
    assert len(ended) == 2
    assert table["created_at"].iloc[0] >= max(ended)
