"""The reference's flags: names, defaults, what is given, booleans that mean what they say."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import fields

import pytest

from flows.commands import make_parser
from tasks.reference.flags import Flags, add_flags, read_flags

# Of the authors' command line, written down from it.
REFERENCE_DEFAULTS = {
    "model": "informer", "data": "ETTh1", "root_path": "./data/ETT/", "data_path": "ETTh1.csv",
    "features": "M", "target": "OT", "freq": "h", "checkpoints": "./checkpoints/", "seq_len": 96,
    "label_len": 48, "pred_len": 24, "enc_in": 7, "dec_in": 7, "c_out": 7, "d_model": 512,
    "n_heads": 8, "e_layers": 2, "d_layers": 1, "s_layers": (3, 2, 1), "d_ff": 2048, "factor": 5,
    "padding": 0, "distil": True, "dropout": 0.05, "attn": "prob", "embed": "timeF",
    "activation": "gelu", "output_attention": False, "do_predict": False, "mix": True,
    "cols": None, "num_workers": 0, "itr": 2, "train_epochs": 6, "batch_size": 32, "patience": 3,
    "learning_rate": 0.0001, "des": "test", "loss": "mse", "lradj": "type1", "use_amp": False,
    "inverse": False, "use_gpu": True, "gpu": 0, "use_multi_gpu": False, "devices": (0, 1, 2, 3),
}  # fmt: skip
TUTORIAL = {"is_rolling_predict", "rolling_data_path", "show_results", "train"}
OURS = {"refit_every", "allow_overlap", "seed", "time_zone", "time_format", "max_gap"}
SWITCHES = [
    f.name for f in fields(Flags) if isinstance(f.default, bool) and f.name not in ("distil", "mix")
]


def parse(*argv: str) -> Flags:
    return read_flags(vars(make_parser().parse_args(["reference", *argv])))


def test_every_flag_of_the_reference_is_there_with_its_default():
    flags = parse()
    assert {name: getattr(flags, name) for name in REFERENCE_DEFAULTS} == REFERENCE_DEFAULTS
    names = {f.name for f in fields(Flags)} - {"given", "bare"}
    assert names == set(REFERENCE_DEFAULTS) | TUTORIAL | OURS
    assert flags.given == frozenset()


def test_what_was_given_is_known_even_where_it_is_the_default():
    assert parse("--enc_in", "7", "--freq", "h").given == {"enc_in", "freq"}


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize(
    ("text", "value"),
    [("True", True), ("1", True), ("yes", True), ("False", False), ("0", False), ("no", False)],
)
def test_a_boolean_means_what_it_says(name, text, value):
    assert getattr(parse(f"--{name}", text), name) is value


@pytest.mark.parametrize("name", SWITCHES)
def test_a_boolean_without_a_value_is_true(name):
    assert getattr(parse(f"--{name}"), name) is True


@pytest.mark.parametrize("name", ["distil", "mix"])
def test_distil_and_mix_are_on_and_the_bare_flag_switches_off_as_there(name):
    assert getattr(parse(), name) is True
    assert getattr(parse(f"--no-{name}"), name) is False
    assert getattr(parse(f"--{name}", "True"), name) is True
    bare = parse(f"--{name}")
    assert (getattr(bare, name), bare.bare) == (False, (name,))
    assert parse(f"--no-{name}").bare == ()


def test_lists_are_read_as_the_reference_spells_them():
    flags = parse("--s_layers", "3, 2,1", "--devices", "0,2", "--cols", "a", "b", "c")
    assert (flags.s_layers, flags.devices, flags.cols) == ((3, 2, 1), (0, 2), ("a", "b", "c"))


def test_both_spellings_of_the_tutorial_ask_for_a_rolling_forecast():
    assert parse("--is_rolling_predict", "True").is_rolling_predict
    assert parse("--rollingforecast", "True").is_rolling_predict
    assert not parse("--rollingforecast", "False").is_rolling_predict


def test_the_loss_may_be_written_in_capitals():
    assert parse("--loss", "MSE").loss == "mse"


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--use_gpu", "maybe"], "--use_gpu: 'maybe' is neither true nor false"),
        (["--seq_length", "96"], "unrecognized arguments: --seq_length 96"),
        (["--seq", "96"], "unrecognized arguments: --seq 96"),
        (["--model", "informerlight"], "invalid choice: 'informerlight'"),
        (["--data", "ETTh3"], "invalid choice: 'ETTh3'"),
        (["--features", "SM"], "--features: invalid choice: 'SM'"),
        (["--padding", "2"], "--padding: invalid choice: 2"),
        (["--s_layers", "3;2"], "'3;2' is not a list of whole numbers"),
        (["--d_model", "wide"], "--d_model: invalid int value: 'wide'"),
        (["--lradj", "type3"], "invalid choice: 'type3'"),
    ],
)
def test_a_flag_that_cannot_be_is_one_error_and_exit_status_2(argv, named, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(*argv)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert named in line


def test_the_help_groups_the_flags_and_tells_each_default():
    parser = argparse.ArgumentParser(prog="informer reference")
    add_flags(parser)
    text = " ".join(parser.format_help().split())
    groups = ("data:", "network:", "training:", "hardware:", "results:", "not in the reference:")
    assert [group for group in groups if group not in text] == []
    explained = text[text.index("data:") :]
    for name, default in REFERENCE_DEFAULTS.items():
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        told = re.findall(rf"--{name} .*?\(default ([^)]*)\)", explained)
        assert default is None or shown in told, name


def test_the_flags_are_read_without_the_library():
    code = "import sys, tasks.reference.flags; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
