"""An old name means what it meant, says once what to write today, and what it says works."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from flows.__main__ import main
from informer.config import ForecasterConfig
from informer.errors import ConfigError
from informer.network import HIGHWAYS
from tasks.benchmark.setting import Setting
from tasks.fitting.tune import champion_values
from tasks.settings import Dimension, RunConfig, load_config, retired, with_relatives

CONF = "data: {source: rows.csv, contract: contracts/rows.yaml}\ntune: {space: {}}\n"
LAST = "write (.+) under (\\w+), or (\\S+=\\S+) on the command line\\.$"

# An old spelling, and the same today: dotted fields to values.
PAIRS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"model.output_attention": False}, {}),
    ({"model.backend": "fast"}, {}),
    ({"baselines.season": 7}, {"frame.season": 7}),
    ({"baselines.look_back": 48}, {"baselines.linear_look_back": 48}),
    ({"forecast.engine": "sequential"}, {"forecast.dask": None}),
    ({"forecast.n_workers": 4}, {"forecast.dask": None}),
    ({"forecast.engine": "dask"}, {"forecast.dask": 2}),
    ({"forecast.engine": "dask", "forecast.n_workers": 4}, {"forecast.dask": 4}),
    (
        {"forecast.engine": "dask", "forecast.dask_address": "tcp://host:8786"},
        {"forecast.dask": "tcp://host:8786"},
    ),
    ({"model.linear_highway": False}, {"model.highway": "none"}),
    ({"model.linear_highway": True}, {"model.highway": "ridge"}),
    ({"model.linear_highway": True, "train.highway": "blend"}, {"model.highway": "blend"}),
    (
        {"model.linear_highway": True, "model.decoder_input": "highway"},
        {"model.highway": "ridge_seen"},
    ),
    (
        {
            "model.linear_highway": True, "model.decoder_input": "highway",
            "train.highway": "blend", "train.shrink": True,
        },
        {"model.highway": "blend_checked"},
    ),
]  # fmt: skip
NAMED = [pair for pair in PAIRS if pair[1]]


def text_of(fields: dict[str, Any]) -> str:
    """A pipeline's file with these fields."""
    sections: dict[str, dict[str, Any]] = {}
    for key, value in fields.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    return CONF + (yaml.safe_dump(sections) if sections else "")


def overrides_of(fields: dict[str, Any]) -> list[str]:
    return [f"{key}={yaml.safe_dump(value).split()[0]}" for key, value in fields.items()]


def told(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "tasks.settings.retired"]


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(retired, "_shown", set())


@pytest.fixture
def conf_dir(tmp_path):
    (tmp_path / "rows.yaml").write_text(CONF)
    return tmp_path


def test_every_retired_name_has_a_pair_here():
    spelled = {name for old, _ in PAIRS for name in old}
    assert spelled == {name for row in retired.RETIRED for name in row.old}
    assert {name for _, new in PAIRS for name in new} == {
        row.new for row in retired.RETIRED if row.new
    }


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=str)
def test_an_old_spelling_gives_the_configuration_of_the_new_one(conf_dir, old, new):
    (conf_dir / "rows.yaml").write_text(text_of(new))
    expected = load_config("rows", conf_dir=conf_dir)
    (conf_dir / "rows.yaml").write_text(text_of(old))
    assert load_config("rows", conf_dir=conf_dir) == expected
    (conf_dir / "rows.yaml").write_text(CONF)
    assert load_config("rows", overrides_of(old), conf_dir=conf_dir) == expected
    assert load_config("rows", conf_dir=conf_dir).with_values(old) == expected
    stored = yaml.safe_load(text_of(old)) | {"name": "rows"}
    assert RunConfig.model_validate(stored) == expected  # as a Prefect server has it


@pytest.mark.parametrize(("old", "_new"), PAIRS, ids=str)
def test_an_old_name_is_answered_once_by_a_line_whose_mend_works(conf_dir, caplog, old, _new):
    (conf_dir / "rows.yaml").write_text(text_of(old))
    config = load_config("rows", conf_dir=conf_dir)
    load_config("rows", conf_dir=conf_dir)
    (line,) = told(caplog)
    assert all(name in line for name in old)
    mend = re.search(LAST, line)
    if mend is None:
        assert "In the library InformerConfig(" in line
        assert line.endswith("Remove it.")
        return
    in_file, section, override = mend.groups()
    (conf_dir / "rows.yaml").write_text(f"{CONF}{section}: {{{in_file}}}\n")
    assert load_config("rows", conf_dir=conf_dir) == config
    (conf_dir / "rows.yaml").write_text(CONF)
    assert load_config("rows", [override], conf_dir=conf_dir) == config
    assert told(caplog) == [line]


@pytest.mark.parametrize(("old", "new"), NAMED, ids=str)
def test_an_old_name_beside_its_successor_is_refused_and_the_message_says_which_to_drop(
    conf_dir, old, new
):
    (name,) = new
    message = rf"and {re.escape(name)} mean the same\. Remove .*, and keep {re.escape(name)}"
    (conf_dir / "rows.yaml").write_text(text_of(old | new))
    with pytest.raises(ConfigError, match=rf"rows\.yaml: .*{message}"):
        load_config("rows", conf_dir=conf_dir)
    (conf_dir / "rows.yaml").write_text(CONF)
    with pytest.raises(ConfigError, match=message):
        load_config("rows", overrides_of(old | new), conf_dir=conf_dir)
    with pytest.raises(ValueError, match=message):
        RunConfig.model_validate(yaml.safe_load(text_of(old | new)) | {"name": "rows"})


def test_the_command_line_ends_with_status_2_for_both_names(conf_dir, monkeypatch, capsys):
    (conf_dir / "conf").mkdir()
    (conf_dir / "conf" / "rows.yaml").write_text(
        CONF + "baselines: {season: 7}\nframe: {season: 7}"
    )
    monkeypatch.setenv("INFORMER_HOME", str(conf_dir))
    assert main(["models", "list", "rows"]) == 2
    assert "Remove baselines.season, which is retired" in capsys.readouterr().err


def test_a_later_layer_wins_in_either_spelling(conf_dir):
    (conf_dir / "base.yaml").write_text("frame: {season: 24}\nmodel: {highway: none}\n")
    (conf_dir / "rows.yaml").write_text(CONF + "baselines: {season: 7}\n")
    (conf_dir / "more.yaml").write_text("extends: rows\nframe: {season: 5}\n")
    load = lambda name, *more: load_config(name, more, conf_dir=conf_dir).frame.season  # noqa: E731 - three words
    assert (load("rows"), load("more")) == (7, 5)
    assert load("rows", "frame.season=3") == load("more", "baselines.season=3") == 3
    assert load("more", "baselines={season: 3}") == 3


def test_one_old_name_changes_its_own_part_of_a_new_choice(conf_dir):
    (conf_dir / "rows.yaml").write_text(
        CONF + "model: {highway: blend_checked}\nforecast: {dask: 4}\n"
    )

    def load(*overrides: str) -> RunConfig:
        return load_config("rows", overrides, conf_dir=conf_dir)

    assert load("train.shrink=false").model.highway == "blend_seen"
    assert load("train.highway=ridge").model.highway == "ridge_checked"
    assert load().with_values({"train.shrink": False}).model.highway == "blend_seen"
    assert load("forecast.engine=sequential").forecast.dask is None
    assert load("forecast.dask_address=tcp://a:1").forecast.dask == "tcp://a:1"


COMBINATIONS = list(
    itertools.product((False, True), ("zeros", "highway"), ("ridge", "blend"), (False, True))
)


@pytest.mark.parametrize("values", COMBINATIONS, ids=str)
def test_every_combination_of_the_old_highway_has_a_choice_or_is_told_the_nearest(conf_dir, values):
    old = dict(zip(retired.HIGHWAY_BEFORE, values, strict=True))
    (conf_dir / "rows.yaml").write_text(text_of(old))
    is_linear, decoder_input, fit, shrink = values
    if is_linear and (decoder_input == "highway" or not shrink):
        part = HIGHWAYS[load_config("rows", conf_dir=conf_dir).model.highway]
        assert (part.fit, part.is_seen, part.is_checked) == (
            fit,
            decoder_input == "highway",
            shrink,
        )
        return
    if values == (False, "zeros", "ridge", False):
        assert load_config("rows", conf_dir=conf_dir).model.highway == "none"
        return
    with pytest.raises(ConfigError, match=r"rows\.yaml: .*odel\.highway=") as refused:
        load_config("rows", conf_dir=conf_dir)
    for mend in re.findall(r"model\.highway=\w+", str(refused.value)):
        (conf_dir / "rows.yaml").write_text(CONF)
        load_config("rows", [mend], conf_dir=conf_dir)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.output_attention=true", r"InformerConfig\(output_attention=True\)"),
        ("model.backend=reference", r'InformerConfig\(backend="reference"\)'),
        ("train.shrink=maybe", "train.shrink is 'maybe'; use true or false"),
        ("train.highway=mean", "use one of ridge, blend"),
        ("model.decoder_input=ones", "use one of zeros, highway"),
        ("forecast.engine=ray", "use one of sequential, dask"),
        ("forecast.n_workers=0", "n_workers is 0; write forecast.dask=2"),
        ("forecast.dask_address=tcp://host:8786", "Write forecast.dask=tcp://host:8786 for"),
        ("forecast={engine: dask, dask_address: host}", "forecast.dask: 'host' is not valid here"),
        ("baselines.season=0", "season is 0; it must be at least 1"),
        ("tune.space={train.shrink: {low: 0, high: 1}}", "train.shrink takes choices"),
    ],
)
def test_an_old_name_with_a_value_that_cannot_be_is_refused(conf_dir, override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("rows", [override], conf_dir=conf_dir)


SEEN = ("model.linear_highway=true", "model.decoder_input=highway")


@pytest.mark.parametrize(
    ("base", "space", "choices"),
    [
        ((), "model.linear_highway: {choices: [true, false]}", ["ridge", "none"]),
        (SEEN, "train.highway: {choices: [ridge, blend]}", ["ridge_seen", "blend_seen"]),
        (
            (*SEEN, "train.shrink=true"),
            "train.highway: {choices: [blend, ridge]}",
            ["blend_checked", "ridge_checked"],
        ),
        (
            SEEN,
            "train.highway: {choices: [ridge, blend]}, train.shrink: {choices: [false, true]}",
            ["ridge_seen", "ridge_checked", "blend_seen", "blend_checked"],
        ),
    ],
)
def test_a_search_space_of_old_names_becomes_that_of_the_choice(
    conf_dir, caplog, base, space, choices
):
    whole = f"tune.space={{model.d_model: {{choices: [8, 16]}}, {space}}}"
    config = load_config("rows", [*base, whole], conf_dir=conf_dir)
    assert isinstance(config.tune.space, dict)
    assert list(config.tune.space) == ["model.d_model", "model.highway"]
    assert list(config.tune.space["model.highway"].choices) == choices
    line = told(caplog)[-1]
    mend = re.search(
        r"tune\.space: .* retired; write (model\.highway: \{choices: .*\}) there\.$", line
    )
    assert mend is not None
    again = f"tune.space={{model.d_model: {{choices: [8, 16]}}, {mend[1]}}}"
    assert load_config("rows", [*base, again], conf_dir=conf_dir) == config


def test_a_search_space_in_a_file_may_have_old_names_and_one_without_use_is_left_out(conf_dir):
    (conf_dir / "space.yaml").write_text(
        "model.backend: {choices: [fast]}\nmodel.linear_highway: {choices: [true]}\n"
    )
    config = load_config("rows", ["tune.space=space.yaml"], conf_dir=conf_dir)
    assert isinstance(config.tune.space, dict)
    assert list(config.tune.space) == ["model.highway"]
    both = "{model.highway: {choices: [none]}, train.shrink: {choices: [true]}}"
    with pytest.raises(ConfigError, match=r"tune\.space: train\.shrink and model\.highway mean"):
        load_config("rows", [f"tune.space={both}"], conf_dir=conf_dir)


def test_what_a_horizon_sets_by_an_old_name_holds_unless_the_command_says_otherwise(conf_dir):
    text = "benchmark.from_horizon={48: {baselines.season: 7}}"
    config = load_config("rows", [text], conf_dir=conf_dir)
    setting = Setting.__new__(Setting)
    for overridden, season in ((frozenset(), 7), (with_relatives(["frame.season"]), 24)):
        vars(setting).update(config=config, overridden=overridden)
        assert setting.config_at(48).frame.season == season


def test_a_run_that_an_earlier_version_stored_whole_is_read():
    model = {"enc_in": 7, "dec_in": 7, "c_out": 7, "freq": "h", "quantiles": [], "d_model": 64}
    gone = {"output_attention": False, "backend": "fast", "linear_highway": True}
    raw = {
        "name": "x", "data": {"source": "x", "contract": "x"},
        "model": model | gone | {"decoder_input": "zeros"},
        "train": {"highway": "ridge", "shrink": False},
        "baselines": {"season": 24, "look_back": 96},
        "forecast": {"engine": "sequential", "n_workers": 2, "dask_address": None},
    }  # fmt: skip
    before = yaml.safe_dump(raw)
    config = RunConfig.model_validate(raw)
    assert (config.model.d_model, config.model.highway) == (64, "ridge")
    assert yaml.safe_dump(raw) == before  # what was given is left as it is


@pytest.mark.parametrize(
    ("decoder_input", "fit", "shrink", "highway"),
    [
        ("zeros", "ridge", False, "ridge"),
        ("highway", "blend", False, "blend_seen"),
        ("highway", "blend", True, "blend_checked"),
        ("zeros", "blend", True, "blend"),  # what was kept is in the saved weights
    ],
)
def test_the_config_of_a_model_that_was_saved_before_is_read(decoder_input, fit, shrink, highway):
    saved: dict[str, Any] = {
        "frame": {"columns": ["y"], "target": "y"},
        "model": {"linear_highway": True, "decoder_input": decoder_input, "backend": "fast"},
        "training": {"highway": fit, "shrink": shrink},
        "season": 7,
        "look_back": 48,
    }
    found = ForecasterConfig.from_dict(saved)
    assert found.model.highway == highway
    assert (found.frame.season, found.linear_look_back) == (7, 48)
    served = SimpleNamespace(forecaster=SimpleNamespace(estimator="informer", config=found))
    space = {"model.highway": Dimension(choices=("ridge", highway))}
    assert champion_values(served, space) == {"model.highway": highway}  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="this version cannot read the config"):
        ForecasterConfig.from_dict({"training": {"shrink": True}})
