"""Every shipped configuration is read by the code that uses it, and base.yaml tells the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tasks.rows import check_columns, read_contract
from tasks.runs.track import flatten
from tasks.settings import RunConfig, load_config

CONF = Path(__file__).parents[1] / "conf"
PIPELINES = sorted(p.stem for p in CONF.glob("*.yaml") if p.stem != "base")
PAPER = sorted(p.stem for p in CONF.glob("paper/etth1-*.yaml"))
DERIVED = {"model.enc_in", "model.dec_in", "model.c_out", "model.freq", "model.quantiles"}


def test_there_are_the_documented_pipelines():
    assert {"nyc-weather", "etth1"} <= set(PIPELINES)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_is_valid_and_fits_its_contract(name):
    config = load_config(name, conf_dir=CONF)
    assert config.name == name
    check_columns(read_contract(CONF / config.data.contract), config.frame)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_can_be_benchmarked_at_each_of_its_horizons(name):
    config = load_config(name, conf_dir=CONF)
    for horizon in (*config.benchmark.horizons, *config.benchmark.from_horizon):
        config.with_values(config.benchmark.fields_at(horizon) | {"model.pred_len": horizon})


def test_every_row_of_the_paper_s_table_has_its_file():
    rows = {f"etth1-{features}-{h}" for features in "MS" for h in (24, 48, 168, 336, 720)}
    assert set(PAPER) == rows


# As the authors' scripts/ETTh1.sh has them: seq_len, label_len, factor.
SCRIPT = {
    "M": {24: (48, 48, 3), 48: (96, 48, 5), 168: (168, 168, 5), 336: (168, 168, 5),
          720: (336, 336, 5)},
    "S": {24: (720, 168, 5), 48: (720, 168, 5), 168: (720, 336, 5), 336: (720, 336, 5),
          720: (720, 336, 5)},
}  # fmt: skip


@pytest.mark.parametrize("name", PAPER)
def test_a_row_of_the_paper_is_as_its_authors_ran_it(name):
    _, features, horizon = name.split("-")
    config = load_config(f"paper/{name}", conf_dir=CONF)
    check_columns(read_contract(CONF / config.data.contract), config.frame)
    assert config.name == name.lower()
    model, train = config.model, config.train
    assert (config.frame.features, model.pred_len) == (features, int(horizon))
    assert (model.seq_len, model.label_len, model.factor) == SCRIPT[features][int(horizon)]
    assert (model.d_model, model.d_ff, model.n_heads, model.dropout) == (512, 2048, 8, 0.05)
    assert (model.e_layers, model.d_layers, model.attn, model.embed) == (2, 1, "prob", "timeF")
    assert (model.distil, model.mix, model.activation) == (True, True, "gelu")
    assert (model.instance_norm, model.highway) == (False, "none")
    assert (train.optimizer, train.learning_rate, train.schedule) == ("adam", 1e-4, "type1")
    assert (train.epochs, train.patience, train.batch_size) == (6, 3, 32)
    assert (config.split.train, config.split.val, config.split.test) == (8640, 2880, 2880)


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
