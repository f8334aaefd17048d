"""Cases of one extreme cell, and of trials that diverge, through the whole pipeline.

The data are 240 days of 10 +- 3 with a weekly rhythm. One cell of the train rows is what a data
base or a file format writes where nothing was read.
"""

from __future__ import annotations

import contextlib
import io
import json

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from flows.__main__ import main
from tests.flows.conftest import make_home

PIPELINE = {
    "data": {"source": "days.csv", "contract": "contracts/days.yaml"},
    "frame": {
        "time_column": "ds", "id_column": None, "columns": ["y"], "target": "y", "features": "S",
        "freq": "d", "season": 7,
    },
    "model": {
        "seq_len": 24, "label_len": 12, "pred_len": 6, "d_model": 8, "n_heads": 2, "d_ff": 16,
        "e_layers": 1, "d_layers": 1,
    },
    "train": {"epochs": 1, "accelerator": "cpu"},
    "tune": {
        "n_trials": 0, "epochs": 1, "space": {"train.learning_rate": {"low": 1e-3, "high": 1e-2}},
    },
    "promote": {"spread_seeds": 0},
    "baselines": {"linear_look_back": 24},
}  # fmt: skip
CONTRACT = """\
name: days
table: {freq: d}
columns:
  ds: {type: time}
  y: {type: number}
"""


def days(value: float | None = None) -> pd.DataFrame:
    noise = np.random.default_rng(7).normal(size=240)
    y = 10 + 3 * np.sin(2 * np.pi * np.arange(240) / 7) + 0.3 * noise
    if value is not None:
        y[60] = value
    times = pd.date_range("2024-01-01", periods=240)
    return pd.DataFrame({"ds": times, "y": y, "x": np.arange(240) % 7})


@pytest.fixture(scope="module")
def home(tmp_path_factory, prefect_server, empty_store):
    made = make_home(tmp_path_factory.mktemp("home"), empty_store)
    (made.conf_dir / "days.yaml").write_text(yaml.safe_dump(PIPELINE))
    (made.conf_dir / "contracts" / "days.yaml").write_text(CONTRACT)
    days().to_csv(made.root / "days.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFORMER_HOME", str(made.root))
        patch.setenv("MLFLOW_TRACKING_URI", made.local_tracking_uri)
        yield made


@pytest.fixture(scope="module")
def good(home) -> dict:
    """The record of a retrain on good data, after which a champion serves."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["retrain", "days", "--json"]) == 0
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.fixture
def state(home):
    """What a run that stops must leave as it is: versions, aliases and forecasts."""

    def seen() -> tuple:
        mlflow.set_tracking_uri(home.tracking_uri)
        client = mlflow.MlflowClient()
        models = [(m.name, m.aliases) for m in client.search_registered_models()]
        versions = [(v.name, v.version) for v in client.search_model_versions()]
        forecasts = sorted(path.name for path in home.forecast_dir.rglob("*.parquet"))
        return models, versions, forecasts

    return seen


def stopped(capsys, *argv: str) -> str:
    """The only error line of a command that must end with exit status 1."""
    assert main(list(argv)) == 1
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if line.startswith("error:")]
    assert "Traceback" not in captured.out + captured.err
    return line


def finite_everywhere(record: dict) -> bool:
    table = pd.read_parquet(record["forecast_path"])
    values = table[[name for name in table if name.startswith("y_hat")]].to_numpy()
    return bool(np.isfinite(values).all() and (np.abs(values) < 100).all())


def test_good_data_are_served(good):
    assert good["status"] == "completed"
    assert good["champion_version"] is not None
    assert finite_everywhere(good)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1.7976931348623157e308, "no value beyond 1e+150"),
        (-1.7976931348623157e308, "no value beyond 1e+150"),
        (9.969209968386869e36, "9.969209968e+36 (once) cannot be measurements"),
        (-9999.0, "-9999 (once) cannot be measurements"),
        (1e20, "1e+20 (once) cannot be measurements"),
    ],
)
def test_one_extreme_cell_stops_the_run_and_the_champion_stays(
    home, good, state, capsys, value, told
):
    path = home.root / "bad.csv"
    days(value).to_csv(path, index=False)
    before = state()
    line = stopped(capsys, "retrain", "days", f"data.source={path}")
    assert told in line
    assert "2024-03-01" in line
    assert "sentinels to missing" in line
    assert state() == before


def test_without_a_champion_it_stops_too_and_nothing_is_registered(home, state, capsys):
    path = home.root / "bad.csv"
    days(1.7976931348623157e308).to_csv(path, index=False)
    before = state()
    line = stopped(capsys, "retrain", "days", f"data.source={path}", "name=other")
    assert "no value beyond 1e+150" in line
    assert state() == before


@pytest.mark.slow
def test_a_cell_that_the_contract_makes_missing_is_trained_around(home, good, capsys):
    path = home.root / "bad.csv"
    days(-9999.0).to_csv(path, index=False)
    masked = CONTRACT.replace("{type: number}", "{type: number, sentinels: missing}")
    (home.conf_dir / "contracts" / "masked.yaml").write_text(masked)
    changes = [f"data.source={path}", "data.contract=contracts/masked.yaml", "name=masked"]
    assert main(["retrain", "days", *changes, "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert finite_everywhere(record)
    assert record["metrics"]["mae_units"] < 10


SPACE = "tune.space={train.learning_rate: {choices: [%s]}}"


@pytest.mark.slow
def test_a_search_goes_on_after_trials_that_diverge(home, capsys):
    changes = ["name=mixed", "tune.n_trials=4", SPACE % "1.0e-3, 1.0e+21", "tune.seed=1"]
    assert main(["retrain", "days", *changes, "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    client = mlflow.MlflowClient(home.tracking_uri)
    tuned = client.get_run(record["run_id"]).data
    assert tuned.params["tuned.train.learning_rate"] == "0.001"
    assert 1 <= int(tuned.tags["study_trials"]) <= 4  # of the draws, up to twice as many


def test_a_search_in_which_every_trial_diverges_ends_with_one_line(home, state, capsys):
    before = state()
    changes = ["name=never", "tune.n_trials=2", SPACE % "1.0e+21, 1.0e+22"]
    line = stopped(capsys, "retrain", "days", *changes)
    assert "no trial of study never-" in line
    assert "failed alike" in line
    assert "lower learning_rate" in line
    assert state() == before


def test_a_training_that_diverges_ends_with_one_line(home, state, capsys):
    before = state()
    line = stopped(capsys, "retrain", "days", "name=wild", "train.learning_rate=1e21")
    assert "loss became" in line
    assert state() == before


@pytest.mark.slow
def test_a_constant_is_forecast_as_it_is(home, capsys):
    path = home.root / "constant.csv"
    days().assign(y=5.0).to_csv(path, index=False)
    assert main(["retrain", "days", f"data.source={path}", "name=constant", "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert pd.read_parquet(record["forecast_path"])["y_hat"].to_numpy() == pytest.approx(5, abs=1)


@pytest.mark.slow
def test_a_champion_of_other_columns_is_compared_and_one_of_another_horizon_only_gives_way_by_word(
    home, good, capsys
):
    contract = CONTRACT + "  x: {type: number}\n"
    (home.conf_dir / "contracts" / "days.yaml").write_text(contract)

    def verdict(*changes: str) -> dict:
        assert main(["retrain", "days", *changes, "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    columns = verdict("frame.columns=[x,y]", "frame.target=y", "frame.features=MS")
    assert "mse" in columns["champion"]
    assert "cannot be compared" not in columns["reason"]
    held = verdict("model.pred_len=5")
    assert held["verdict"] == "HOLD"
    assert "its horizon is 6 steps, not 5" in held["reason"]
    assert "promote.on_new_schema: replace" in held["reason"]
    assert held["champion_version"] == columns["champion_version"]
    replaced = verdict("model.pred_len=5", "promote.on_new_schema=replace")
    assert replaced["verdict"] in ("PROMOTE", "FALLBACK")
    assert "it gives way" in replaced["reason"]
    assert replaced["champion_version"] != held["champion_version"]
    assert len(pd.read_parquet(replaced["forecast_path"])) == 5
