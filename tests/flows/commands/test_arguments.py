"""What stands on the command line is taken as it is meant, wherever it stands."""

from __future__ import annotations

import pytest

from flows.commands import make_parser


def parsed(*argv: str):
    return make_parser().parse_args(argv)


@pytest.mark.parametrize(
    "reason",
    ["gain=5 was wrong", "train.seed=3", "-5 % of the gain", "-worse", "--worse", "-7", "a b", ""],
)
def test_a_reason_may_be_any_text(reason):
    for argv in (
        ("models", "rollback", "etth1", "--reason", reason),
        ("models", "rollback", "--reason", reason, "etth1"),
        ("models", "promote", "etth1", "--version", "3", "--reason", reason, "--json"),
        ("models", "rollback", "etth1", f"--reason={reason}"),
    ):
        args = parsed(*argv)
        assert (args.conf, args.overrides, args.reason) == ("etth1", [], reason)


def test_the_value_of_every_option_may_look_like_an_override():
    assert parsed("import", "c.pth", "--args", "a", "--name", "name=x").name == "name=x"
    assert parsed("forecasts", "as-of", "2024", "--output", "day=1.csv").output == "day=1.csv"
    assert parsed("forecast", "etth1", "--output", "run=1", "a=1").output == "run=1"
    assert parsed("setup-automations", "--webhook", "u=1").webhook == "u=1"
    reference = parsed("reference", "--des", "try=1", "--model", "informer")
    assert (reference.des, reference.model) == ("try=1", "informer")


def test_overrides_may_stand_anywhere():
    for argv in (
        ("etth1", "train.seed=1", "--json", "model.d_ff=8"),
        ("--json", "etth1", "train.seed=1", "model.d_ff=8"),
        ("train.seed=1", "--json", "model.d_ff=8", "etth1"),
        ("--json", "--", "etth1", "train.seed=1", "model.d_ff=8"),
        ("etth1", "--json", "--", "train.seed=1", "model.d_ff=8"),
    ):
        args = parsed("retrain", *argv)
        assert (args.conf, args.overrides) == ("etth1", ["train.seed=1", "model.d_ff=8"])
        assert args.json


def test_an_option_of_several_values_ends_where_an_override_or_an_option_begins():
    told = "etth1 --horizon 24 48 train.seed=1 --models linear"
    args = parsed("benchmark", *told.split())
    assert (args.horizon, args.models, args.overrides) == ([24, 48], ["linear"], ["train.seed=1"])
    args = parsed("replay", "--policies", "never", "7d", "--", "etth1")
    assert (args.policies, args.conf) == (["never", "7d"], "etth1")


def test_behind_two_dashes_nothing_is_an_option():
    args = parsed("forecast", "--output", "here", "--", "-odd.yaml", "train.seed=1")
    assert (args.conf, args.output, args.overrides) == ("-odd.yaml", "here", ["train.seed=1"])


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--reason", "--json"), "argument --reason: expected one argument"),
        (("--reason",), "argument --reason: expected one argument"),
        (("--why", "so"), "unrecognized arguments: --why"),
    ],
)
def test_an_option_without_its_value_and_one_that_is_unknown_are_told(argv, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        parsed("models", "rollback", "etth1", *argv)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err
