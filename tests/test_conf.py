"""Every shipped configuration is read by the code that uses it, and base.yaml tells the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tasks.config import RunConfig, load_config
from tasks.contract import check_columns, read_contract
from tasks.track import flatten

CONF = Path(__file__).parents[1] / "conf"
PIPELINES = sorted(p.stem for p in CONF.glob("*.yaml") if p.stem != "base")
DERIVED = {"model.enc_in", "model.dec_in", "model.c_out", "model.freq", "model.quantiles"}


def test_there_are_the_documented_pipelines():
    assert {"nyc-weather", "etth1"} <= set(PIPELINES)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_is_valid_and_fits_its_contract(name):
    config = load_config(name, conf_dir=CONF)
    assert config.name == name
    check_columns(read_contract(CONF / config.data.contract), config.frame)


@pytest.mark.parametrize("path", sorted(CONF.glob("search/*.yaml")), ids=lambda p: p.stem)
def test_a_search_space_can_be_used(path):
    config = load_config("etth1", [f"tune.space=search/{path.name}"], conf_dir=CONF)
    assert isinstance(config.tune.space, dict)
    assert config.tune.space


def test_the_base_lists_every_field_with_the_default_of_the_code():
    listed = flatten(yaml.safe_load((CONF / "base.yaml").read_text()))
    code = RunConfig.model_validate({"name": "x", "data": {"source": "x", "contract": "x"}})
    defaults = flatten(code.model_dump(mode="json"))
    required = {"name", "data.source", "data.contract"}
    assert set(listed) == set(defaults) - required - DERIVED
    assert {k: v for k, v in listed.items() if v != defaults[k]} == {}


def test_every_field_of_the_base_has_a_comment_beside_it():
    lines = (CONF / "base.yaml").read_text().splitlines()
    fields = [line for line in lines if line.startswith("  ")]
    assert [line for line in fields if " # " not in line and line.strip() != "tune:"] == []


@pytest.mark.parametrize("features", ["M", "S", "MS"])
def test_the_transformer_data_is_modelled_with_all_features(features):
    config = load_config("etth1", [f"frame.features={features}"], conf_dir=CONF)
    assert len(config.frame.channels) == {"M": 7, "S": 1, "MS": 7}[features]
    assert config.frame.channels[-1] == "OT"
