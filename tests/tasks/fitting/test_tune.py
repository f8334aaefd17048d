"""The study: what names it, what it tries first, what it may suggest."""

from __future__ import annotations

from pathlib import Path

import optuna
import pandas as pd
import pytest

from informer.data import Split
from tasks.fitting.trial import suggest
from tasks.fitting.tune import present_values, study_name
from tasks.rows import Prepared, Snapshot
from tasks.settings import RunConfig, load_config

CONF = Path(__file__).parents[3] / "conf"
SPLIT = Split(*(pd.Timestamp(f"2024-0{month}-01") for month in (1, 2, 3)))


def config(*overrides: str) -> RunConfig:
    return load_config("nyc-weather", overrides, conf_dir=CONF)


def prepared(sha256: str = "a") -> Prepared:
    made = Snapshot(Path("x"), sha256, "x", 1)
    return Prepared(made, made, SPLIT, 1)


def test_more_trials_go_on_with_the_same_study():
    assert study_name(prepared(), config()) == study_name(prepared(), config("tune.n_trials=99"))


@pytest.mark.parametrize(
    "override", ["model.n_heads=2", "train.seed=1", "tune.epochs=3", "frame.max_gap=11"]
)
def test_whatever_a_loss_depends_on_makes_another_study(override):
    assert study_name(prepared(), config()) != study_name(prepared(), config(override))


def test_other_data_makes_another_study():
    assert study_name(prepared("a"), config()) != study_name(prepared("b"), config())


def test_the_first_trial_tries_the_values_of_the_configuration():
    space = config().tune.space
    assert isinstance(space, dict)
    assert present_values(config(), space) == {
        "model.d_model": 32, "model.dropout": 0.1, "train.learning_rate": 5e-4,
    }  # fmt: skip
    outside = config("train.learning_rate=0.5")
    assert "train.learning_rate" not in present_values(outside, space)


def test_each_kind_of_dimension_suggests_values_of_its_own_type():
    space = config(
        "tune.space={model.d_model: {choices: [16, 32]}, model.e_layers: {low: 1, high: 3}, "
        "train.learning_rate: {low: 1e-4, high: 1e-2, log: true}}"
    ).tune.space
    assert isinstance(space, dict)
    asked = {"model.d_model": 16, "model.e_layers": 2, "train.learning_rate": 1e-3}
    assert suggest(optuna.trial.FixedTrial(asked), space) == asked
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    values = suggest(study.ask(), space)
    assert values["model.d_model"] in (16, 32)
    assert isinstance(values["model.e_layers"], int)
    assert 1e-4 <= values["train.learning_rate"] <= 1e-2
