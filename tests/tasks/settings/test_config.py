"""From YAML to a validated run: what is merged, and how a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from informer.errors import ConfigError
from tasks.settings.config import RunConfig, load_config

CONF = """\
data: {source: rows.csv, contract: contracts/rows.yaml}
model: {d_model: 16, n_heads: 2}
train: {learning_rate: 1e-3}
tune: {space: {model.d_model: {choices: [16, 32]}}}
"""


@pytest.fixture
def conf_dir(tmp_path):
    (tmp_path / "base.yaml").write_text("train: {epochs: 4, learning_rate: 0.5}\n")
    (tmp_path / "rows.yaml").write_text(CONF)
    return tmp_path


def test_a_pipeline_lies_over_the_base_and_overrides_over_both(conf_dir):
    config = load_config("rows", ["train.batch_size=8", "frame.columns=[y, z]"], conf_dir=conf_dir)
    assert config.name == "rows"
    assert (config.train.epochs, config.train.batch_size) == (4, 8)
    assert config.train.learning_rate == 1e-3  # YAML reads 1e-3 as text
    assert config.frame.columns == ("y", "z")


@pytest.mark.parametrize("name", ["rows", "rows.yaml"])
def test_a_configuration_is_found_by_stem_and_by_file_name(conf_dir, name):
    assert load_config(name, conf_dir=conf_dir).data.source == "rows.csv"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.d_modl=8", r"model\.d_modl is an unknown field; did you mean d_model\?"),
        ("modle.d_model=8", r"modle is an unknown field; did you mean model\?"),
        ("model.n_heads=5", r"model: d_model=16 is not divisible by n_heads=5"),
        ("train.epochs=many", r"train\.epochs: .*not 'many'"),
        ("train.loss=mape", r"train\.loss: .*'mse'.*not 'mape'"),
        ("model.enc_in=3", r"model\.enc_in cannot be set in a pipeline"),
        ("frame.target=q", r"target 'q' is not among columns \['y'\]"),
        ("frame.freq=fortnight", "freq"),
        ("split.val=0.9", "sum to"),
        ("tune.space={}", None),
        ("tune.space={model.depth: {choices: [1]}}", r"model\.depth cannot be"),
        ("tune.space={model.d_ff: {low: 9, high: 3}}", "low < high"),
        ("model.d_model", "is not an override; write key=value"),
        ("name=Two Words", "name"),
    ],
)
def test_a_mistake_is_named_with_its_path_and_its_mend(conf_dir, override, message):
    if message is None:
        assert load_config("rows", [override], conf_dir=conf_dir).tune.space == {}
        return
    with pytest.raises(ConfigError, match=message):
        load_config("rows", [override], conf_dir=conf_dir)


def test_an_unknown_configuration_lists_those_there_are(conf_dir):
    with pytest.raises(ConfigError, match=r"no configuration 'row'.*there are: rows"):
        load_config("row", conf_dir=conf_dir)


def test_a_file_that_is_no_yaml_is_refused(conf_dir):
    (conf_dir / "broken.yaml").write_text("a: [1,\n")
    with pytest.raises(ConfigError, match=r"broken\.yaml is no YAML"):
        load_config("broken", conf_dir=conf_dir)


def test_a_missing_required_field_is_named(conf_dir):
    (conf_dir / "empty.yaml").write_text("")
    with pytest.raises(ConfigError, match="data is missing"):
        load_config("empty", conf_dir=conf_dir)


def test_a_configuration_survives_the_way_through_json(conf_dir):
    config = load_config("rows", conf_dir=conf_dir)
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


def test_dotted_values_replace_fields_and_are_checked(conf_dir):
    config = load_config("rows", conf_dir=conf_dir)
    assert config.with_values({"model.d_model": 32}).model.d_model == 32
    with pytest.raises(ConfigError, match="not divisible"):
        config.with_values({"model.d_model": 15})


def test_the_search_space_may_lie_in_a_file_of_its_own(conf_dir):
    (conf_dir / "search").mkdir()
    (conf_dir / "search" / "s.yaml").write_text("train.batch_size: {low: 8, high: 64, log: true}")
    config = load_config("rows", ["tune.space=search/s.yaml"], conf_dir=conf_dir)
    assert isinstance(config.tune.space, dict)
    assert config.tune.space["train.batch_size"].high == 64
    with pytest.raises(ConfigError, match="cannot read"):
        load_config("rows", ["tune.space=search/none.yaml"], conf_dir=Path(conf_dir))


def test_a_configuration_says_only_what_differs_from_the_one_that_it_extends(conf_dir):
    (conf_dir / "more").mkdir()
    (conf_dir / "more" / "Wide.yaml").write_text("extends: rows.yaml\nmodel: {d_model: 32}\n")
    (conf_dir / "wider.yaml").write_text("extends: more/Wide\nmodel: {d_model: 64}\n")
    wide, wider = (load_config(name, conf_dir=conf_dir) for name in ("more/Wide", "wider"))
    assert (wide.name, wide.model.d_model, wide.model.n_heads) == ("wide", 32, 2)
    assert (wider.name, wider.model.d_model, wider.model.n_heads) == ("wider", 64, 2)
    assert wider.train.epochs == 4


def test_configurations_that_extend_one_another_are_refused(conf_dir):
    (conf_dir / "a.yaml").write_text("extends: b\n")
    (conf_dir / "b.yaml").write_text("extends: a\n")
    with pytest.raises(ConfigError, match=r"extends a, which extends .* again"):
        load_config("a", conf_dir=conf_dir)
    (conf_dir / "c.yaml").write_text("extends: nowhere\n")
    with pytest.raises(ConfigError, match="there is no configuration 'nowhere'"):
        load_config("c", conf_dir=conf_dir)


def test_what_differs_at_a_horizon_holds_until_a_longer_one_sets_it(conf_dir):
    text = "{48: {train.epochs: 2}, 96: {train.seed: 7}, 720: {train.epochs: 1}}"
    config = load_config("rows", [f"benchmark.from_horizon={text}"], conf_dir=conf_dir)
    at = config.benchmark.fields_at
    assert at(24) == {}
    assert at(48) == at(95) == {"train.epochs": 2}
    assert at(336) == {"train.epochs": 2, "train.seed": 7}
    assert at(720) == {"train.epochs": 1, "train.seed": 7}
    again = config.with_values({"train.seed": 1})
    assert again.benchmark == config.benchmark
