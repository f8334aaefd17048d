"""What the flags come to: the reference's configuration, the data's channels, contradictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.commands import make_parser
from informer import ConfigError, FrameError, InformerConfig, TrainingConfig
from informer.interop import config_from_flags
from tasks.reference.experiment import (
    Experiment,
    make_experiment,
    network_flags,
    setting_of,
    training_config,
)
from tasks.reference.flags import Flags, read_flags
from tasks.settings import Home, SourceError

SMALL = ["--data", "custom", "--root_path", ".", "--data_path", "a.csv", "--target", "load"]
SIZES = ["--seq_len", "12", "--label_len", "6", "--pred_len", "4"]
COLUMNS = ("load", "heat", "wind")


def parse(*argv: str) -> Flags:
    return read_flags(vars(make_parser().parse_args(["reference", *argv])))


def table(freq: str = "h", n_rows: int = 120) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(n_rows, len(COLUMNS)))
    frame = pd.DataFrame(values, columns=list(COLUMNS))
    frame.insert(0, "date", pd.date_range("2024-01-31", periods=n_rows, freq=freq))
    return frame


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Write a frame as a.csv and make an experiment of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INFORMER_DATA_DIR", raising=False)

    def experiment(frame: pd.DataFrame, *argv: str) -> Experiment:
        frame.to_csv("a.csv", index=False)
        return make_experiment(parse(*SMALL, *SIZES, *argv), Home(tmp_path))

    return experiment


def of_config(config: dict) -> list[str]:
    """The command line of a golden file's configuration."""
    argv: list[str] = []
    for name, value in config.items():
        if name in ("distil", "mix"):
            argv += [] if value else [f"--{name}"]
        elif name not in ("optimizer", "forward_seed"):
            argv += [f"--{name}", str(value)]
    return argv


@pytest.mark.parametrize("trace", ["S", "MS_full"])
def test_the_flags_of_the_golden_trace_give_its_network_and_training(
    shared_golden, etth1_path, tmp_path, trace
):
    golden = json.loads(str(np.load(shared_golden / f"training_etth1_{trace}.npz")["config"]))
    flags = parse("--root_path", str(etth1_path.parent), *of_config(golden))
    made = make_experiment(flags, Home(tmp_path)).config
    names = InformerConfig.__dataclass_fields__.keys() & golden.keys()
    assert made.network == InformerConfig(**{name: golden[name] for name in names})
    assert made.network == config_from_flags(golden)
    assert made.training == TrainingConfig(
        optimizer="adam", learning_rate=1e-4, schedule="type1", loss="mse", epochs=6,
        batch_size=32, patience=3, seed=0,
    )  # fmt: skip


def test_the_bare_command_is_the_papers_network_and_the_protocol(etth1_path, tmp_path):
    made = make_experiment(parse("--root_path", str(etth1_path.parent)), Home(tmp_path))
    assert made.config.network == InformerConfig()
    assert made.config.training == TrainingConfig()
    assert made.config.val == 2880
    assert str(made.split.test_start) == "2017-10-24 00:00:00"
    assert made.config.frame.targets == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert made.warnings == ()


def test_the_setting_is_spelled_as_in_the_reference():
    expected = (
        "informer_ETTh1_ftM_sl96_ll48_pl24_dm512_nh8_el2_dl1_df2048_atprob_fc5_ebtimeF_dtTrue"
        "_mxTrue_test_1"
    )
    assert setting_of(parse(), 1) == expected


def test_what_is_trained_on_follows_the_hardware_flags():
    assert training_config(parse("--use_gpu", "False"), 0).accelerator == "cpu"
    assert training_config(parse("--gpu", "2"), 0).devices == (2,)
    several = training_config(parse("--use_multi_gpu", "--devices", "0,3"), 0)
    assert (several.accelerator, several.devices) == ("auto", (0, 3))
    assert training_config(parse("--use_amp"), 0).precision == "bf16"
    assert training_config(parse("--seed", "5"), 2).seed == 7


@pytest.mark.parametrize(
    ("features", "channels", "targets"),
    [
        ("M", ("heat", "wind", "load"), ("heat", "wind", "load")),
        ("MS", ("heat", "wind", "load"), ("load",)),
        ("S", ("load",), ("load",)),
    ],
)
def test_the_target_comes_last_as_in_the_reference(make, features, channels, targets):
    made = make(table(), "--features", features).config
    assert made.frame.channels == channels
    assert made.frame.targets == targets
    counts = (made.network.enc_in, made.network.dec_in, made.network.c_out)
    assert counts == (len(channels), len(channels), len(targets))


def test_chosen_columns_are_read_and_text_beside_them_does_not_matter(make):
    frame = table().assign(site="north")
    made = make(frame, "--cols", "wind", "load", "--features", "MS")
    assert made.config.frame.columns == ("wind", "load")
    with pytest.raises(FrameError, match="column 'site' must hold numbers"):
        make(frame, "--features", "MS")


def test_shares_are_cut_as_the_reference_cuts_them(make):
    made = make(table(n_rows=123))
    first = made.rows["date"].iloc[0]
    hours = [(time - first) / pd.Timedelta(hours=1) for time in vars(made.split).values()]
    assert hours == [86, 123 - 24, 123]  # int(123 * 0.7), all but int(123 * 0.2), all


def test_stack_layers_are_those_of_the_stack(make):
    made = make(table(), "--model", "informerstack", "--s_layers", "2,1")
    assert made.config.network.e_layers == (2, 1)


@pytest.mark.parametrize(
    ("freq", "argv", "found"),
    [
        ("15min", [], "15min"),
        ("15min", ["--freq", "t"], "15min"),
        ("15min", ["--freq", "15min"], "15min"),
        ("3h", ["--freq", "h"], "3h"),
        ("ME", ["--freq", "m"], "m"),
        ("MS", ["--freq", "m"], "MS"),
        ("W-TUE", [], "W-TUE"),
        ("B", ["--freq", "b"], "b"),
    ],
)
def test_the_step_is_the_flag_s_or_the_data_s(make, freq, argv, found):
    assert make(table(freq), *argv).config.frame.freq == found


def test_filled_gaps_and_ignored_flags_are_told(make):
    frame = table().drop(index=[50, 51])
    made = make(frame, "--num_workers", "4", "--distil", "--gpu", "0", "--devices", "0,1")
    text = "\n".join(made.warnings)
    assert "'heat' lacks 2 of 120 values, the first at 2024-02-02 02:00:00" in text
    for flag in (
        "--distil switches distil OFF",
        "--num_workers is ignored",
        "--devices is ignored",
    ):
        assert flag in text


CONTRADICTIONS = {
    "channels": (["--enc_in", "5"], "--enc_in 5 contradicts the data.* it is 3"),
    "outputs": (["--features", "MS", "--c_out", "3"], "--c_out 3 contradicts the data"),
    "step": (["--freq", "15min"], "--freq 15min contradicts .*a.csv, whose rows are one h apart"),
    "other letter": (["--freq", "d"], "--freq d contradicts"),
    "no step": (["--freq", "often"], "'often', which is not a time step"),
    "target": (["--target", "OT", "--features", "S"], "target 'OT' is not among the columns"),
    "target left out": (["--cols", "heat", "--features", "MS"], "columns of --cols: heat"),
    "columns": (["--cols", "heat", "rain"], "--cols names rain"),
    "width": (["--d_model", "10", "--n_heads", "4"], "d_model=10 is not divisible"),
    "start token": (["--label_len", "13"], "label_len=13 exceeds seq_len=12"),
    "gpu": (["--use_multi_gpu", "--use_gpu", "False"], "contradict"),
    "rolling": (["--is_rolling_predict", "True"], "needs the file"),
    "repetitions": (["--itr", "0"], "--itr is 0"),
    "refit": (["--refit_every", "0"], "--refit_every is 0"),
    "word": (["--des", "a/b"], "--des is 'a/b'"),
    "zone": (["--time_zone", "Nowhere"], "is not a time zone"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_flags_that_contradict_each_other_or_the_data_are_refused(make, name):
    argv, named = CONTRADICTIONS[name]
    with pytest.raises(ConfigError, match=named):
        make(table(), *argv)


def test_repeated_times_and_long_gaps_are_named(make):
    with pytest.raises(
        FrameError, match=r"1 rows have the time of .* first at 2024-01-31 05:00:00"
    ):
        make(pd.concat([table(), table().iloc[[5]]]))
    gappy = table().drop(index=range(10, 19))
    made = make(gappy)
    assert made.panel.bounds.tolist() == [0, 10, len(gappy)]  # no window crosses the gap
    assert "no window crosses a longer one (the longest: 9)" in made.warnings[-1]
    filled = make(gappy, "--max_gap", "9")
    assert filled.panel.bounds.tolist() == [0, len(table())]
    assert "each is filled with the value before it" in filled.warnings[-1]


def test_a_missing_file_is_named_with_the_flags_that_name_it(make, tmp_path):
    with pytest.raises(SourceError, match=r"no data file .*b\.csv\. .*--root_path"):
        make(table(), "--data_path", "b.csv")
    with pytest.raises(SourceError, match=r"no rolling file .*next\.csv"):
        make(table(), "--is_rolling_predict", "True", "--rolling_data_path", "next.csv")


def test_a_data_set_s_name_does_not_overwrite_flags(etth1_path, tmp_path):
    root = ["--root_path", str(etth1_path.parent), "--features", "MS"]
    made = make_experiment(parse(*root, "--target", "HUFL"), Home(tmp_path))
    assert made.config.frame.targets == ("HUFL",)
    assert made.config.frame.channels[-1] == "HUFL"
    with pytest.raises(ConfigError, match="--enc_in 5 contradicts the data"):
        make_experiment(parse(*root, "--enc_in", "5"), Home(tmp_path))
    with pytest.raises(SourceError, match=r"other\.csv"):
        make_experiment(parse(*root, "--data_path", "other.csv"), Home(tmp_path))


def test_a_known_data_set_is_found_where_the_pipeline_finds_it(etth1_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFORMER_DATA_DIR", str(etth1_path.parent))
    made = make_experiment(parse("--data", "ETTh1"), Home(tmp_path))
    assert len(made.rows) == 17420
    assert not Path("data").exists()


def test_every_flag_of_the_network_reaches_it(make):
    made = make(table())
    argv = ["--padding", "1", "--attn", "full", "--embed", "fixed", "--activation", "relu",
            "--factor", "3", "--dropout", "0.1", "--no-distil", "--no-mix"]  # fmt: skip
    config = config_from_flags(network_flags(parse(*SMALL, *SIZES, *argv), made.config.frame))
    changed = {"padding": 1, "attn": "full", "embed": "fixed", "activation": "relu", "factor": 3}
    changed |= {"dropout": 0.1, "distil": False, "mix": False}
    assert {name: getattr(config, name) for name in changed} == changed


DATES = pd.date_range("2024-01-31", periods=120)
MONTHS = pd.date_range("2004-01-01", periods=120, freq="MS", tz="America/New_York")
WRITTEN = {
    "years": ([*range(1880, 2000)], "YS-JAN", "1880-01-01", "1999-01-01"),
    "dates as numbers": ([int(d.strftime("%Y%m%d")) for d in DATES], "1D", DATES[0], DATES[-1]),
    "seconds": ([1704067200 + 3600 * k for k in range(120)], "h", "2024-01-01", "2024-01-05 23:00"),
    "local midnights": (
        [d.isoformat() for d in DATES.tz_localize("Europe/Berlin")], "1D", DATES[0], DATES[-1],
    ),
    "months in New York": ([d.isoformat() for d in MONTHS], "MS", "2004-01-01", "2013-12-01"),
    "the 30th": (
        [f"{m}-{min(30, m.days_in_month)}" for m in MONTHS.tz_localize(None).to_period("M")],
        "M-30", "2004-01-30", "2013-12-30",
    ),
    "days first": ([d.strftime("%d.%m.%Y") for d in DATES], "1D", DATES[0], DATES[-1]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_times_are_read_as_people_write_them(make, name):
    times, freq, first, last = WRITTEN[name]
    made = make(table().assign(date=times))
    assert made.config.frame.freq == freq
    kept = made.rows["date"]
    assert (kept.iloc[0], kept.iloc[-1], len(kept)) == (
        pd.Timestamp(first),
        pd.Timestamp(last),
        120,
    )
    assert made.source.clock.zone is None


def test_a_format_settles_what_the_file_does_not(make):
    days = table().assign(date=[d.strftime("%m/%d/%y") for d in DATES])
    with pytest.raises(FrameError, match=r'--time_format to "%m/%d/%y"'):
        in_flags(make, days)
    made = make(days, "--time_format", "%m/%d/%y")
    assert list(made.rows["date"]) == list(DATES)


def test_the_hour_that_comes_twice_needs_a_zone_and_says_so(make):
    utc = pd.date_range("2024-10-26", periods=120, freq="h", tz="UTC")
    frame = table().assign(date=utc.tz_convert("Europe/Berlin").tz_localize(None))
    with pytest.raises(FrameError, match=r"name its zone with --time_zone\."):
        in_flags(make, frame)
    made = make(frame, "--time_zone", "Europe/Berlin")
    assert list(made.rows["date"]) == list(utc.tz_localize(None))


def in_flags(make, frame):
    from tasks.reference.run import _told_in_flags

    with _told_in_flags():
        make(frame)
