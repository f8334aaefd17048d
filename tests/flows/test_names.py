"""Odd names go through a whole run: series such as 007 and NA, columns such as `50% load`."""

from __future__ import annotations

import mlflow
import numpy as np
import pandas as pd
import pytest

from tasks.forecasts import read_vintages
from tests.flows.conftest import answer

pytestmark = pytest.mark.slow

IDS = ("007", "010", "0110", "1E3", "NA")
COLUMNS = ("load (kW)", "50% load", 'a"b', "Temp. °C, out", "{x}", "x=1")
PIPELINE = """\
data: {source: odd.csv, contract: contracts/odd.yaml}
frame: {id_column: store, columns: COLUMNS, target: load (kW), features: M, freq: d}
model: {seq_len: 14, label_len: 7, pred_len: 3, d_model: 8, n_heads: 2, d_ff: 16, e_layers: 1}
train: {epochs: 1, steps_per_epoch: 2}
tune: {n_trials: 0, space: {train.learning_rate: {low: 1.0e-3, high: 1.0e-1, log: true}}}
promote: {spread_seeds: 0}
baselines: {models: [naive], linear_look_back: 14}
evaluate: {stride: 7}
"""


def rows() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=90)
    wave = 10 + 3 * np.sin(np.arange(90) * 2 * np.pi / 7)
    parts = [
        pd.DataFrame(
            {"store": name, "ds": days}
            | {column: wave + 100 * place + i for i, column in enumerate(COLUMNS)}
        )
        for place, name in enumerate(IDS)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def trained(home) -> dict:
    quoted = "[" + ", ".join(f"'{name}'" for name in COLUMNS) + "]"
    (home.conf_dir / "odd.yaml").write_text(PIPELINE.replace("COLUMNS", quoted))
    kinds = {"store": "text", "ds": "time"} | dict.fromkeys(COLUMNS, "number")
    lines = [f"  '{name}': {{type: {kind}}}" for name, kind in kinds.items()]
    head = "name: odd\ntable: {freq: d}\nformat: {separator: ';', decimal: ','}\ncolumns:\n"
    (home.conf_dir / "contracts" / "odd.yaml").write_text(head + "\n".join(lines) + "\n")
    rows().to_csv(home.root / "odd.csv", index=False, sep=";", decimal=",", float_format="%.4f")
    return answer("retrain", "odd")


def test_forecasts_bear_the_names_of_the_file_and_its_numbers(trained, home):
    vintage = read_vintages(home.forecast_dir / "odd")
    names = {f"{name}/{column}" for name in IDS for column in COLUMNS}
    assert set(vintage["unique_id"]) == names
    made = vintage.set_index("unique_id")["y_hat"].groupby(level=0).mean()
    for place, name in enumerate(IDS):  # 100 apart: no two series were taken for one
        assert abs(made[f"{name}/load (kW)"] - (10 + 100 * place)) < 60
    (csv,) = (home.forecast_dir / "odd").glob("*.csv")
    assert set(pd.read_csv(csv, dtype="str", keep_default_na=False)["unique_id"]) == names


def test_the_served_version_knows_the_names_too(trained):
    model = mlflow.pyfunc.load_model("models:/odd@champion")
    assert len(model.predict(rows())) == len(IDS) * len(COLUMNS) * 3


def test_the_forecasts_are_matched_with_later_rows(trained, home):
    later = rows().assign(ds=lambda table: table["ds"] + pd.Timedelta(days=10))
    later = pd.concat([rows(), later[later["ds"] > rows()["ds"].max()]])
    later.to_csv(home.root / "odd.csv", index=False, sep=";", decimal=",", float_format="%.4f")
    assert answer("monitor", "odd", "monitor.min_forecasts=1")["n_scored"] > 0
