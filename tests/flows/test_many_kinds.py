"""Series of every kind through one pipeline: the others are forecast, and each is told of by name.

The data are days of a weekly rhythm, of which the truth is known. Of eight series one is large, one
young, one of a single row, one ended, one late, one new in the test rows, one with an outage.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.flows.conftest import answer, make_home
from tests.flows.test_not_finite import PIPELINE

CONTRACT = """\
name: kinds
table: {freq: d, max_gap: 60}
columns:
  ds: {type: time}
  id: {type: text}
  y: {type: number, max_missing: 0.2, max_value_gap: 60}
  known: {type: number, max_missing: 0.2}
"""
DAYS = pd.date_range("2024-01-01", periods=240)
RATIO = 1e6
REASONS = {
    "young": "has 10 rows, a forecast reads 24",
    "single": "has 1 rows, a forecast reads 24",
    "ended": "ended at 2024-05-29 00:00:00",
}


def truth(places: np.ndarray) -> np.ndarray:
    return 10 + 3 * np.sin(2 * np.pi * places / 7)


def kinds() -> pd.DataFrame:
    noise = np.random.default_rng(3).normal(0, 0.2, (8, 240))
    every = np.arange(240)
    kept = {
        "plain": every, "large": every, "young": every[-10:], "single": every[-1:],
        "ended": every[:150], "late": every[:-2], "born": every[-40:],
        "outage": every[(every < 80) | (every > 100)],
    }  # fmt: skip
    parts = []
    for row, (name, places) in enumerate(kept.items()):
        size = RATIO if name == "large" else 1.0
        y = size * (truth(places) + noise[row][places])
        parts.append(pd.DataFrame({"ds": DAYS[places], "id": name, "y": y, "known": places % 7}))
    ahead = pd.DataFrame(
        {"ds": pd.date_range("2024-08-28", periods=30), "id": "plain", "known": np.arange(30) % 7}
    )  # what is known of days to come, whose y is not
    return pd.concat([*parts, ahead], ignore_index=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory, prefect_server, empty_store):
    made = make_home(tmp_path_factory.mktemp("home"), empty_store)
    frame = PIPELINE["frame"] | {"id_column": "id", "columns": ["known", "y"], "features": "MS"}
    config = PIPELINE | {"frame": frame, "forecast": {"chunk_series": 3}}
    config["data"] = {"source": "kinds.csv", "contract": "contracts/kinds.yaml"}
    (made.conf_dir / "kinds.yaml").write_text(yaml.safe_dump(config))
    (made.conf_dir / "contracts" / "kinds.yaml").write_text(CONTRACT)
    kinds().to_csv(made.root / "kinds.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFORMER_HOME", str(made.root))
        patch.setenv("MLFLOW_TRACKING_URI", made.local_tracking_uri)
        yield made


@pytest.fixture(scope="module")
def found(home) -> dict:
    return answer("retrain", "kinds")


def vintage(path: str) -> pd.DataFrame:
    return pd.read_parquet(path)


def test_no_series_stops_the_others_and_each_is_named(found):
    left_out = found["left_out"]
    assert {name: left_out[name] for name in REASONS} == REASONS
    assert left_out["outage"].startswith("has a gap: 'known' is missing for 21 steps")
    assert set(left_out) == {*REASONS, "outage"}
    table = vintage(found["forecast_path"])
    assert set(table["unique_id"]) == {"plain", "large", "young", "late", "born", "outage"}
    naive = table[table["fallback"] != ""]
    assert set(naive["unique_id"]) == {"young"}


def test_each_horizon_begins_after_the_last_value_of_its_own_series(found):
    cutoffs = vintage(found["forecast_path"]).groupby("unique_id")["cutoff"].agg(["min", "max"])
    assert (cutoffs["min"] == cutoffs["max"]).all()
    assert (cutoffs["min"].drop("late") == DAYS[-1]).all()  # not where the known days end
    assert cutoffs.loc["late", "min"] == DAYS[-3]


def test_forecasts_are_near_the_truth_in_the_units_of_each_series(found):
    table = vintage(found["forecast_path"])
    table = table[table["fallback"] == ""]
    size = table["unique_id"].map({"large": RATIO}).fillna(1.0)
    came = truth((table["ds"] - DAYS[0]).dt.days.to_numpy())
    assert ((table["y_hat"] / size - came).abs() < 1.0).all()
    assert ((table["y_hat_q90"] - table["y_hat_q10"]) / size < 3.0).all()
    assert table["y_hat"].between(table["y_hat_q10"], table["y_hat_q90"]).all()
    assert found["metrics"]["mae_worst"] >= found["metrics"]["mae"]


def test_what_follows_goes_on_too(home, found):
    again = answer("forecast", "kinds")
    assert again["left_out"] == REASONS
    assert again["n_series"] == 6
    assert set(again["unseen"]) == {"born", "outage"}
    assert again["cutoff"] == "2024-08-27T00:00:00"
    backtest = answer("backtest", "kinds")
    assert backtest["n_windows"] > 0
    monitored = answer("monitor", "kinds")
    assert monitored["n_forecasts"] == 1
