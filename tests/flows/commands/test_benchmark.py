"""`informer benchmark` as a user runs it: every test window, one row a model, nothing lost."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tasks.benchmark
from flows.__main__ import main
from informer.errors import TrainingError
from informer.evaluation import summarize
from tasks.benchmark import run as run_module

N = 300  # hours: 180 train, 60 validate, 60 test
CONF = """\
data: {source: load.csv, contract: contracts/tiny.yaml}
frame: {time_column: date, id_column: null, columns: [heat, load], target: load, features: M}
split: {train: 0.6, val: 0.2, test: 0.2}
model: {seq_len: 24, label_len: 12, pred_len: 6, d_model: 8, n_heads: 2, d_ff: 16, e_layers: 1}
train: {learning_rate: 1.0e-2, epochs: 1, batch_size: 32, steps_per_epoch: 3}
tune:
  n_trials: 2
  epochs: 1
  space: {train.learning_rate: {low: 1.0e-3, high: 1.0e-1, log: true}}
baselines: {linear_look_back: 24}
benchmark: {horizons: [4, 6], seeds: 2, from_horizon: {6: {train.steps_per_epoch: 2}}}
"""
CONTRACT = """\
name: tiny
table: {freq: h, max_gap: 0, min_rows: 10}
columns: {date: {type: time}, heat: {type: number}, load: {type: number}}
"""
PUBLISHED = """\
- {data: load, features: M, model: Theirs, source: a paper, note: on a Monday,
   rows: {4: {mse: 0.5}}}
- {data: load, features: M, model: A model with a name that is as long as some are, source: another,
   rows: {6: {mse: 0.25, mae: 0.125}}}
"""


def load_table(n_rows: int = N, freq: str = "h") -> pd.DataFrame:
    """Two columns with a rhythm of 24 steps, and noise."""
    steps, rng = np.arange(n_rows), np.random.default_rng(0)
    load = 50 + 5 * np.sin(steps / 24 * 2 * np.pi) + rng.normal(size=n_rows)
    times = pd.date_range("2024-01-01", periods=n_rows, freq=freq)
    return pd.DataFrame({"date": times, "heat": 3 + rng.normal(size=n_rows), "load": load})


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A home with a small configuration, also under the name etth1, and a folder for data sets."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFORMER_HOME", str(tmp_path))
    monkeypatch.setenv("INFORMER_DATA_DIR", str(tmp_path / "sets"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///nowhere.db")
    for name in ("conf/contracts", "conf/published", "sets"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("load", "etth1"):
        (tmp_path / "conf" / f"{name}.yaml").write_text(CONF)
    (tmp_path / "conf" / "contracts" / "tiny.yaml").write_text(CONTRACT)
    (tmp_path / "conf" / "published" / "ett.yaml").write_text(PUBLISHED)
    load_table().to_csv("load.csv", index=False)
    return tmp_path


@pytest.fixture
def runs(folder, capsys):
    """Run the command; its rows, and what it wrote on stdout and stderr."""

    def call(*argv: str) -> tuple[list[dict], str, str]:
        assert main(["benchmark", *argv, "--json"]) == 0
        captured = capsys.readouterr()
        return json.loads(captured.out.splitlines()[-1])["rows"], captured.out, captured.err

    return call


@pytest.fixture
def fails(folder, capsys):
    """Run the command and return its exit status and its only error line."""

    def call(*argv: str) -> tuple[int, str]:
        try:
            status = main(["benchmark", *argv])
        except SystemExit as stopped:
            status = int(stopped.code)
        captured = capsys.readouterr()
        errors = [line for line in captured.err.splitlines() if line.startswith("error:")]
        assert len(errors) == 1, captured.err
        assert "Traceback" not in captured.err + captured.out
        return status, errors[0]

    return call


def by_hand(horizon: int, season: int) -> tuple[float, float]:
    """MSE and MAE of the forecast that repeats the last `season` rows, in numpy alone."""
    values = load_table()[["heat", "load"]].to_numpy()
    train = values[: int(N * 0.6)]
    scaled = (values - train.mean(axis=0)) / train.std(axis=0)
    first = N - int(N * 0.2)
    errors = []
    for origin in range(first, N - horizon + 1):
        ahead = np.arange(horizon)
        errors.append(scaled[origin + ahead] - scaled[origin - season + ahead % season])
    return float(np.mean(np.square(errors))), float(np.mean(np.abs(errors)))


def test_every_horizon_and_model_has_a_row_of_all_test_windows(runs):
    rows, out, err = runs("load")
    assert [(r["horizon"], r["model"]) for r in rows] == [
        (horizon, model)
        for horizon in (4, 6)
        for model in ("informer", "seasonal_naive", "linear", "naive")
    ]
    for row in rows:
        assert row["n_windows"] == 60 - row["horizon"] + 1
        assert (row["conf"], row["data"], row["features"]) == ("load", "load", "M")
        assert row["seeds"] == (2 if row["model"] == "informer" else 1)
        assert (row["mse_std"] > 0) == (row["model"] == "informer")
        assert row["seconds"] > 0
        assert 0.5 < row["coverage"] < 1
        assert row["width"] > 0
    assert any({"Theirs", "0.500", "published"} <= set(line.split()) for line in out.splitlines())
    assert "Theirs: a paper; on a Monday" in out
    assert "…" not in out  # a long name takes two lines, the numbers stay whole
    assert "benchmark" in err  # the bar


def test_the_quantile_loss_is_that_of_the_evaluation(runs, monkeypatch):
    from informer import backtest

    seen = []
    fit = run_module.Forecaster.fit

    def spy(frame, config, **options):
        seen.append(fit(frame, config, **options))
        return seen[-1]

    monkeypatch.setattr(run_module.Forecaster, "fit", spy)
    (row,), _, _ = runs("load", "--models", "seasonal_naive", "--horizon", "4")
    start, step = load_table()["date"].iloc[240], pd.Timedelta(hours=1)
    whole = backtest({"it": seen[0]}, load_table(), (start, start + 60 * step))
    expected = summarize(whole.scores, ["model"]).iloc[0]
    for name in ("coverage", "width", "wql"):
        assert row[name] == pytest.approx(expected[name])


@pytest.mark.parametrize(("model", "season"), [("naive", 1), ("seasonal_naive", 24)])
def test_the_errors_are_those_of_the_definition(runs, model, season):
    rows, _, _ = runs("load", "--models", model)
    for row in rows:
        assert (row["mse"], row["mae"]) == pytest.approx(by_hand(row["horizon"], season), rel=1e-5)


def test_options_and_overrides_stand_in_any_order_and_win(runs):
    order = ["load", "--horizon", "6", "--models", "informer", "model.d_model=4", "--seeds", "1"]
    (row,), _, _ = runs(*order, "frame.features=S", "train.steps_per_epoch=1")
    assert (row["horizon"], row["features"], row["seeds"]) == (6, "S", 1)
    assert row["mse_std"] is None
    (again,), _, _ = runs(*order, "--features", "S", "train.steps_per_epoch=1")
    assert again["mse"] == row["mse"]  # one seed, one result
    (other,), _, _ = runs(*order, "--features", "S")
    assert other["mse"] != row["mse"]  # two steps, as the horizon's own value says


def test_nothing_is_fitted_to_a_test_row(folder, runs, monkeypatch):
    seen = []
    fit = run_module.Forecaster.fit

    def spy(frame, config, **options):
        seen.append(frame["date"].max())
        return fit(frame, config, **options)

    monkeypatch.setattr(run_module.Forecaster, "fit", spy)
    runs("load", "--horizon", "4", "--tune")
    assert len(seen) == 2 + 2 + 3  # trials, seeds, baselines
    assert set(seen) == {load_table()["date"].iloc[239]}


def test_a_search_says_what_it_found(runs):
    rows, _, _ = runs("load", "--horizon", "4", "--tune", "--models", "informer", "naive")
    assert 1e-3 <= rows[0]["tuned"]["train.learning_rate"] <= 1e-1
    assert "tuned" not in rows[1]


def test_rows_are_added_to_the_file_and_replace_their_own(folder, runs):
    path = folder / "out" / "rows.json"
    runs("load", "--models", "naive", "--output", "out/rows.json")
    runs("load", "--models", "naive", "linear", "--horizon", "6", "--output", "out/rows.json")
    rows = json.loads(path.read_text())["rows"]
    assert [(r["horizon"], r["model"]) for r in rows] == [(4, "naive"), (6, "naive"), (6, "linear")]


@pytest.mark.parametrize("cause", [KeyboardInterrupt, TrainingError("loss is not finite")])
def test_what_is_finished_is_kept_where_the_rest_is_cut_off(folder, capsys, monkeypatch, cause):
    whole = tasks.benchmark.run_horizon

    def cut_off(setting, horizon, tick):
        if horizon == 6:
            raise cause
        return whole(setting, horizon, tick)

    monkeypatch.setattr(tasks.benchmark, "run_horizon", cut_off)
    status = main(["benchmark", "load", "--models", "naive", "--output", "rows.json"])
    assert status == (130 if cause is KeyboardInterrupt else 1)
    assert [r["horizon"] for r in json.loads((folder / "rows.json").read_text())["rows"]] == [4]
    assert [p.name for p in folder.glob(".rows*")] == []
    assert "4 steps ahead" in capsys.readouterr().out


def test_other_data_with_the_same_columns_keep_columns_and_split(runs):
    moved = load_table(400).assign(load=lambda t: t["load"] + 100, more=1.0)
    moved.to_csv("other.csv", index=False)
    rows, _, err = runs("load", "--data", "other.csv", "--models", "naive", "--horizon", "4")
    assert (rows[0]["data"], rows[0]["n_windows"]) == ("other", 80 - 4 + 1)
    assert "warning" not in err


def test_the_target_alone_is_enough_for_a_univariate_row(runs):
    load_table(400)[["date", "load"]].to_csv("other.csv", index=False)
    counts = ["split.train=180", "split.val=60", "split.test=60", "--features", "S"]
    options = ["--data", "other.csv", "--models", "naive", "--horizon", "4"]
    rows, _, err = runs("load", *options, *counts)
    assert (rows[0]["n_windows"], rows[0]["features"]) == (57, "S")
    assert "warning" not in err


def test_a_split_that_other_data_cannot_have_gives_way_to_shares(runs):
    load_table(200).to_csv("short.csv", index=False)
    counts = "split: {train: 180, val: 60, test: 60}"
    conf = Path("conf/load.yaml")
    conf.write_text(CONF.replace("split: {train: 0.6, val: 0.2, test: 0.2}", counts))
    rows, _, err = runs("load", "--data", "short.csv", "--models", "naive", "--horizon", "4")
    assert rows[0]["n_windows"] == 40 - 4 + 1
    assert "the shares 0.7, 0.1 and 0.2 replace the split" in " ".join(err.split())


def test_daily_data_of_another_field_need_no_configuration(runs):
    days = load_table(400, "D").rename(columns={"date": "day", "load": "sales", "heat": "visits"})
    days.assign(shop="x").to_csv("shop.csv", index=False)
    rows, _, err = runs("load", "--data", "shop.csv", "--models", "seasonal_naive", "linear")
    assert [r["n_windows"] for r in rows] == [77, 77, 75, 75]
    assert "left out, because they hold no numbers: 'shop'" in err
    values = days[["visits", "sales"]].to_numpy()
    scaled = (values - values[:280].mean(axis=0)) / values[:280].std(axis=0)
    errors = [scaled[o : o + 4] - scaled[o - 7 : o - 3] for o in range(320, 397)]
    assert rows[0]["mse"] == pytest.approx(np.mean(np.square(errors)), rel=1e-5)  # a week's season


def test_a_known_data_set_without_a_configuration_is_run_by_etth1_s(folder, runs):
    load_table(600, "15min").to_csv("sets/ETTm1.csv", index=False)
    rows, _, err = runs("ettm1", "--models", "seasonal_naive", "--horizon", "4")
    assert (rows[0]["data"], rows[0]["conf"], rows[0]["n_windows"]) == ("ETTm1", "ettm1", 117)
    assert "train=34560" in " ".join(err.split())  # twelve months in steps of 15 minutes


def test_a_copy_of_a_published_file_goes_by_its_name(etth1_path, tmp_path):
    from tasks.benchmark.source import name_of
    from tasks.settings import Home

    copy = tmp_path / "copy.csv"
    copy.write_bytes(etth1_path.read_bytes())
    assert name_of(str(copy), Home(tmp_path)) == "ETTh1"


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (["nowhere"], 2, "there is no configuration 'nowhere'"),
        (["load", "--horizon", "0"], 2, "--horizon is 0; it must be at least 1"),
        (["load", "--horizon", "four"], 2, "invalid int value"),
        (["load", "--seeds", "0"], 2, "--seeds is 0"),
        (["load", "--models", "arima"], 2, "use one of informer, naive, seasonal_naive, linear"),
        (["load", "--tune", "tune.n_trials=0"], 2, "add tune.n_trials=8"),
        (["load", "model.d_modl=3"], 2, "did you mean d_model"),
        (["load", "--output", "load.csv"], 2, "has no benchmark results"),
        (["load", "--horizon", "90", "--models", "naive"], 1, "have no window of"),
        (["load", "--data", "nowhere.csv"], 1, "there is no file 'nowhere.csv'"),
        (["load", "benchmark.from_horizon={4: {model.d_model: 3}}"], 2, "d_model"),
        (["load", "benchmark.horizons=[0]"], 2, "a horizon is below 1"),
        (["load", "baselines.models=[naive, naive]"], 2, "names a baseline more than once"),
    ],
)
def test_a_mistake_is_told_in_one_line(fails, argv, status, message):
    found, line = fails(*argv)
    assert found == status
    assert message in line


def test_the_baselines_on_etth1_are_what_the_table_of_the_issue_says(etth1_path, capsys):
    models = ["--models", "seasonal_naive", "linear", "--data", str(etth1_path)]
    assert main(["benchmark", "etth1", "--horizon", "24", *models, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    found = {r["model"]: (round(r["mse"], 3), round(r["mae"], 3)) for r in rows}
    assert found == {"seasonal_naive": (0.424, 0.389), "linear": (0.318, 0.361)}
    assert {r["n_windows"] for r in rows} == {2857}
    assert {r["data"] for r in rows} == {"ETTh1"}


def test_a_seed_without_a_finite_error_is_shown_and_has_no_deviation():
    from tasks.benchmark.run import _spread

    for wild in (math.nan, math.inf):
        assert math.isnan(_spread([0.4, wild, 0.5], "informer"))
    assert _spread([0.4, 0.5], "informer") == pytest.approx(0.0707, abs=1e-3)
