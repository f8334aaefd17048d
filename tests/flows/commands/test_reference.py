"""`informer reference` as a user runs it: every file that it leaves, every way to fail."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import torch

from flows.__main__ import main
from informer.data import StandardScaler
from informer.data.calendar import calendar_features
from informer.interop import load_reference_checkpoint
from tasks.reference import run

N, L, P = 240, 24, 6
DATA = ["--data", "custom", "--root_path", "data", "--data_path", "load.csv", "--target", "load"]
SIZES = ["--seq_len", str(L), "--label_len", "12", "--pred_len", str(P), "--d_model", "8",
         "--n_heads", "2", "--d_ff", "16", "--batch_size", "64", "--train_epochs", "1"]  # fmt: skip
SETTING = "informer_custom_ft{}_sl24_ll12_pl6_dm8_nh2_el2_dl1_df16_atprob_fc5_ebtimeF_dtTrue_mxTrue"
ROLLING = ["--is_rolling_predict", "True", "--rolling_data_path", "next.csv"]
FILES = ["checkpoint.pth", "config.json", "forecast.csv", "forecast.png", "metrics.npy", "pred.npy",
         "true.npy"]  # fmt: skip


def load_table(n_rows: int = N) -> pd.DataFrame:
    """Hourly, the target in the middle, a text column beside."""
    hours, rng = np.arange(n_rows), np.random.default_rng(0)
    times = pd.date_range("2024-01-22", periods=n_rows, freq="h")
    load = 50 + 5 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(size=n_rows)
    heat, wind = 3 + rng.normal(size=n_rows), rng.normal(size=n_rows)
    return pd.DataFrame({"date": times, "heat": heat, "load": load, "wind": wind})


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder with data/load.csv."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFORMER_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///nowhere.db")
    (tmp_path / "data").mkdir()
    load_table().to_csv("data/load.csv", index=False)
    return tmp_path


@pytest.fixture
def runs(folder, capsys):
    """Run the command with small sizes; its JSON record and what it wrote on stderr."""

    def call(*argv: str) -> tuple[dict, str]:
        assert main(["reference", *DATA, *SIZES, "--itr", "1", "--json", *argv]) == 0
        captured = capsys.readouterr()
        return json.loads(captured.out.splitlines()[-1]), captured.err

    return call


@pytest.fixture
def fails(folder, capsys):
    """Run the command and return its exit status and its only error line."""

    def call(*argv: str) -> tuple[int, str]:
        try:
            status = main(["reference", *DATA, *SIZES, "--itr", "1", *argv])
        except SystemExit as stopped:
            status = int(stopped.code)
        captured = capsys.readouterr()
        errors = [line for line in captured.err.splitlines() if line.startswith("error:")]
        assert len(errors) == 1, captured.err
        assert "Traceback" not in captured.err + captured.out
        assert sorted(p.name for p in folder.glob("results/*")) == []
        return status, errors[0]

    return call


def by_hand(folder: Path, features: str) -> tuple[np.ndarray, np.ndarray]:
    """Every test window forecast with the checkpoint and numpy alone: pred and true, scaled."""
    columns = {"S": ["load"]}.get(features, ["heat", "wind", "load"])
    frame = load_table()
    scaler = StandardScaler.fit(frame[columns][: int(N * 0.7)])
    values = scaler.transform(frame[columns]).astype(np.float32)
    marks = calendar_features(pd.DatetimeIndex(frame["date"]), "h", "timeF")
    flags = {"seq_len": L, "label_len": 12, "pred_len": P, "d_model": 8, "n_heads": 2, "d_ff": 16}
    flags |= {"enc_in": len(columns), "dec_in": len(columns)}
    flags |= {"c_out": 1 if features == "MS" else len(columns)}
    model = load_reference_checkpoint(folder / "checkpoint.pth", flags)
    first = np.arange(N - int(N * 0.2), N - P + 1)
    past = first[:, None] + np.arange(-L, 0)
    ahead = first[:, None] + np.arange(-12, P)
    start = np.concatenate([values[past[:, -12:]], np.zeros((len(first), P, len(columns)))], axis=1)
    inputs = (values[past], marks[past], start, marks[ahead])
    with torch.inference_mode():
        pred = model(
            *(torch.from_numpy(part.astype(np.float32)) for part in inputs),
            generator=torch.Generator().manual_seed(0),
        ).numpy()
    return pred, values[ahead[:, 12:]][..., -pred.shape[2] :]


@pytest.mark.parametrize("features", ["M", "S", "MS"])
def test_the_arrays_are_what_the_checkpoint_forecasts_for_every_test_window(runs, features):
    record, _ = runs("--features", features, "--do_predict")
    (done,) = record["runs"]
    assert done["setting"] == SETTING.format(features) + "_test_0"
    out = Path("results") / done["setting"]
    assert sorted(p.name for p in out.iterdir()) == sorted([*FILES, "real_prediction.npy"])
    kept = torch.load(Path("checkpoints") / done["setting"] / "checkpoint.pth")
    torch.testing.assert_close(torch.load(out / "checkpoint.pth"), kept, rtol=0, atol=0)

    pred, true = np.load(out / "pred.npy"), np.load(out / "true.npy")
    assert (pred.dtype, pred.shape) == (np.float32, (48 - P + 1, P, 3 if features == "M" else 1))
    expected, measured = by_hand(out, features)
    np.testing.assert_allclose(pred, expected, atol=1e-5)
    np.testing.assert_allclose(true, measured, atol=1e-5)
    assert done["n_windows"] == len(pred)

    error = pred.astype(float) - true
    metrics = [np.abs(error).mean(), (error**2).mean(), np.sqrt((error**2).mean())]
    metrics += [np.abs(error / true).mean(), ((error / true) ** 2).mean()]
    np.testing.assert_allclose(np.load(out / "metrics.npy"), metrics)
    assert list(done["metrics"].values()) == np.load(out / "metrics.npy").tolist()


def test_the_forecast_is_in_the_data_s_units_and_names_and_goes_on_where_the_file_ends(runs):
    record, stderr = runs("--do_predict", "--inverse")
    out = Path(record["runs"][0]["results"])
    table = pd.read_csv(out / "forecast.csv", parse_dates=["ds", "cutoff"])
    assert table["unique_id"].unique().tolist() == ["heat", "wind", "load"]
    levels = [f"y_hat_q{level}" for level in range(10, 100, 10)]
    assert table.columns.tolist() == ["unique_id", "ds", "cutoff", "y_hat", *levels]
    last = load_table()["date"].iloc[-1]
    assert (table["cutoff"] == last).all()
    expected = pd.date_range(last, periods=P + 1, freq="h")[1:]
    assert table["ds"].tolist() == [*expected] * 3
    ahead = np.load(out / "real_prediction.npy")
    assert ahead.shape == (1, P, 3)
    np.testing.assert_allclose(ahead[0].T.ravel(), table["y_hat"], rtol=1e-5)
    measured = np.load(out / "true.npy")
    np.testing.assert_allclose(measured[-1, :, 2], load_table()["load"].tail(P), rtol=1e-6)
    assert matplotlib.image.imread(out / "forecast.png").std() > 0.1
    assert "train: epoch" in stderr
    assert "heat, wind, load to heat, wind, load" in stderr


def test_the_flags_are_kept_as_they_were_understood(runs):
    record, _ = runs("--features", "MS", "--distil", "--seed", "3")
    kept = json.loads((Path(record["runs"][0]["results"]) / "config.json").read_text())
    expected = {"enc_in": 3, "dec_in": 3, "c_out": 1, "target": "load", "distil": False, "seed": 3}
    assert {name: kept["flags"][name] for name in expected} == expected
    assert "--distil switches distil OFF" in kept["warnings"][0]
    assert kept["forecaster"]["training"]["seed"] == 3
    assert len(kept["epochs"]) == 1


def test_the_same_seed_gives_the_same_numbers_and_each_repetition_another(runs):
    first, _ = runs("--itr", "2")
    again, _ = runs("--itr", "2")
    metrics = [[done["metrics"]["mse"] for done in record["runs"]] for record in (first, again)]
    assert metrics[0] == metrics[1]
    assert metrics[0][0] != metrics[0][1]
    assert [done["setting"][-2:] for done in first["runs"]] == ["_0", "_1"]


def test_a_saved_checkpoint_is_tested_without_training(runs):
    trained, _ = runs("--do_predict")
    out = Path(trained["runs"][0]["results"])
    before = {name: np.load(out / name) for name in ("pred.npy", "real_prediction.npy")}
    forecast = (out / "forecast.csv").read_text()
    loaded, stderr = runs("--do_predict", "--train", "False")
    assert loaded["runs"][0]["epochs"] == 0
    assert "train: epoch" not in stderr
    for name, values in before.items():
        np.testing.assert_array_equal(np.load(out / name), values)
    assert (out / "forecast.csv").read_text() == forecast


def test_a_share_of_nothing_is_infinite_in_the_file_and_null_in_json(runs):
    frame = load_table()
    frame["load"] = frame["load"].where(frame.index < N - 2, 0.0)
    frame.to_csv("data/load.csv", index=False)
    record, _ = runs("--features", "S", "--inverse")
    (done,) = record["runs"]
    assert (done["metrics"]["mape"], done["metrics"]["mspe"]) == (None, None)
    assert np.isinf(np.load(Path(done["results"]) / "metrics.npy")[3:]).all()


def test_a_filled_gap_is_not_scored(runs):
    frame = load_table()
    frame.loc[[N - 10, N - 9], "load"] = np.nan
    frame.to_csv("data/load.csv", index=False)
    record, stderr = runs("--features", "S")
    out = Path(record["runs"][0]["results"])
    assert "warning: 'load' lacks 2 of 240 values" in stderr
    true = np.load(out / "true.npy")
    assert np.isnan(true).sum() == 2 * P
    assert np.isfinite(np.load(out / "metrics.npy")).all()


def test_errors_are_shown_by_target_and_step(folder, capsys):
    assert main(["reference", *DATA, *SIZES, "--itr", "1", "--show_results", "True"]) == 0
    shown = capsys.readouterr().out
    for word in ("mse:", "over 43 test windows", "load", "coverage of 80 %", "forecast.png"):
        assert word in shown


def test_the_decoder_reads_what_padding_says(runs):
    zeros, _ = runs()
    ones, _ = runs("--padding", "1")
    assert zeros["runs"][0]["metrics"] != ones["runs"][0]["metrics"]


@pytest.mark.parametrize(
    ("freq", "ahead"),
    [
        (
            "ME",
            ["2034-01-31", "2034-02-28", "2034-03-31", "2034-04-30", "2034-05-31", "2034-06-30"],
        ),
        (
            "MS",
            ["2034-01-01", "2034-02-01", "2034-03-01", "2034-04-01", "2034-05-01", "2034-06-01"],
        ),
        ("B", ["2014-12-03", "2014-12-04", "2014-12-05", "2014-12-08", "2014-12-09", "2014-12-10"]),
    ],
)
def test_future_dates_are_those_of_the_calendar(runs, freq, ahead):
    frame = load_table().assign(date=pd.date_range("2014-01-01", periods=N + 1, freq=freq)[:N])
    frame.to_csv("data/load.csv", index=False)
    record, _ = runs("--features", "S", "--freq", "m" if freq != "B" else "b")
    table = pd.read_csv(Path(record["runs"][0]["results"]) / "forecast.csv")
    assert table["ds"].tolist() == ahead


@pytest.mark.parametrize("zoned", [True, False])
def test_a_forecast_over_daylight_saving_is_right(runs, zoned):
    times = pd.date_range(end="2024-03-31T00:00", periods=N, freq="h", tz="Europe/Berlin")
    form = "%Y-%m-%dT%H:%M:%S%z" if zoned else "%Y-%m-%d %H:%M"
    frame = load_table().assign(date=times.strftime(form)).rename(columns={"date": "hour"})
    frame.to_csv("data/load.csv", index=False)
    record, _ = runs("--features", "S", "--time_zone", "Europe/Berlin")
    table = pd.read_csv(Path(record["runs"][0]["results"]) / "forecast.csv")
    assert [time[11:] for time in table["ds"]][:4] == [
        "01:00:00+01:00", "03:00:00+02:00", "04:00:00+02:00", "05:00:00+02:00",
    ]  # fmt: skip
    assert table["cutoff"].unique().tolist() == ["2024-03-31 00:00:00+01:00"]


def write_next(n_skipped: int) -> None:
    load_table(N + 20)[N + n_skipped :].to_csv("data/next.csv", index=False)


def test_a_second_file_is_rolled_over(runs):
    write_next(0)
    record, _ = runs("--features", "MS", *ROLLING)
    (done,) = record["runs"]
    assert done["rolling"] == {"n_cutoffs": 4, "is_test": True}
    table = pd.read_csv(Path(done["results"]) / "rolling_forecast.csv", parse_dates=["ds"])
    came = load_table(N + 20)[N:].set_index("date")["load"]
    known = table.dropna(subset="load").set_index("ds")
    pd.testing.assert_series_equal(known["load"], came, check_names=False, check_freq=False)
    first = pd.read_csv(Path(done["results"]) / "forecast.csv")
    np.testing.assert_allclose(table["load_forecast"][:P], first["y_hat"], rtol=1e-5)


def test_a_rolling_forecast_with_refits_keeps_the_zone_of_the_file(runs):
    times = pd.date_range("2024-03-20", periods=N + 20, freq="h", tz="Europe/Berlin")
    frame = load_table(N + 20).assign(date=times.strftime("%Y-%m-%dT%H:%M:%S%z"))
    frame[:N].to_csv("data/load.csv", index=False)
    frame[N:].to_csv("data/next.csv", index=False)
    zone = ["--time_zone", "Europe/Berlin"]
    record, _ = runs("--features", "S", "--refit_every", "2", *zone, *ROLLING)
    table = pd.read_csv(Path(record["runs"][0]["results"]) / "rolling_forecast.csv")
    assert table["cutoff"].iloc[0] == str(times[N - 1])


@pytest.mark.parametrize("n_skipped", [-5, 3])
def test_a_rolling_file_that_does_not_go_on_is_refused_before_training(fails, n_skipped):
    write_next(n_skipped)
    status, line = fails(*ROLLING)
    assert status == 1
    last, first = (load_table(N + 20)["date"].iloc[i] for i in (N - 1, N + n_skipped))
    assert str(last) in line
    assert str(first) in line
    assert not Path("checkpoints").exists()


def test_an_overlap_asked_for_by_name_is_no_test(runs):
    write_next(-5)
    record, _ = runs("--allow_overlap", *ROLLING)
    assert record["runs"][0]["rolling"]["is_test"] is False


FAILURES = {
    "unknown flag": (["--learning-rate", "1"], 2, "unrecognized arguments: --learning-rate"),
    "no boolean": (["--use_gpu", "maybe"], 2, "'maybe' is neither true nor false"),
    "contradiction": (["--enc_in", "9"], 2, "--enc_in 9 contradicts the data"),
    "impossible width": (["--d_model", "9"], 2, "d_model=9 is not divisible"),
    "impossible epochs": (["--train_epochs", "0"], 2, "train_epochs is 0"),
    "no file": (["--data_path", "none.csv"], 1, "no data file data/none.csv"),
    "no checkpoint": (["--train", "False"], 1, "there is no checkpoint"),
    "too long a window": (["--seq_len", "180"], 1, "the file has 192 rows;"),
    "no test window": (["--pred_len", "60"], 1, "have no window of 24 + 60 steps. Shorten"),
    "too short for the protocol": (["--data", "ETTh1"], 2, "need 14400 time steps"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_one_line_and_leaves_no_results(fails, name):
    argv, expected, named = FAILURES[name]
    status, line = fails(*argv)
    assert (status, named in line) == (expected, True), line


def test_the_mend_is_told_in_flags(fails):
    load_table()[:30].to_csv("data/load.csv", index=False)
    status, line = fails()
    assert (status, "Shorten --seq_len" in line or "--pred_len" in line) == (1, True), line
    load_table().assign(site="north").to_csv("data/load.csv", index=False)
    status, line = fails()
    assert (status, "leave it out of --cols" in line) == (1, True), line


def test_results_of_the_same_setting_are_replaced_only_when_the_new_ones_are_whole(
    runs, monkeypatch, capsys
):
    record, _ = runs()
    out = Path(record["runs"][0]["results"])
    (out / "mine.txt").write_text("of the first run")
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_results", fail)
        assert main(["reference", *DATA, *SIZES, "--itr", "1"]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    runs()
    assert not (out / "mine.txt").exists()
    assert [p.name for p in out.parent.iterdir()] == [out.name]


@pytest.mark.slow
def test_the_documented_run_on_etth1(etth1_path, folder, monkeypatch, capsys):
    monkeypatch.setenv("INFORMER_DATA_DIR", str(etth1_path.parent))
    small = ["--d_model", "16", "--n_heads", "2", "--d_ff", "32", "--train_epochs", "1"]
    argv = ["--model", "informer", "--data", "ETTh1", "--features", "M", *small, "--do_predict"]
    assert main(["reference", *argv, "--itr", "1", "--json"]) == 0
    (done,) = json.loads(capsys.readouterr().out.splitlines()[-1])["runs"]
    assert done["n_windows"] == 2880 - 24 + 1
    assert np.load(Path(done["results"]) / "pred.npy").shape == (2857, 24, 7)
    table = pd.read_csv(Path(done["results"]) / "forecast.csv")
    assert table["ds"].iloc[0] == "2018-06-26 20:00:00"


@pytest.mark.parametrize("value", [1.7976931348623157e308, 9.969209968386869e36, -9999.0])
def test_a_cell_that_cannot_be_a_measurement_ends_with_one_line_and_no_results(
    folder, capsys, value
):
    table = load_table()
    table.loc[60, "load"] = value
    table.to_csv(folder / "data" / "load.csv", index=False)
    assert main(["reference", *DATA, *SIZES, "--features", "S"]) == 1
    told = capsys.readouterr().err
    assert "cannot be measurements" in told
    assert "2024-01-24 12:00:00" in told
    assert "Traceback" not in told
    assert not (folder / "results").exists()
    assert not (folder / "checkpoints").exists()
