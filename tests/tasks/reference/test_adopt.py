"""The flags that a checkpoint of the reference comes with, as a file spells them."""

from __future__ import annotations

import json

import pytest

from informer.errors import ConfigError
from tasks.reference.adopt import model_name, read_args, to_flags


def test_flags_are_read_from_json_and_from_yaml(tmp_path):
    flags = {"data": "ETTh1", "seq_len": 48, "distil": False}
    (tmp_path / "args.json").write_text(json.dumps(flags, indent="\t"))
    (tmp_path / "args.yaml").write_text("data: ETTh1\nseq_len: 48\ndistil: false\n")
    assert read_args(tmp_path / "args.json") == flags
    assert read_args(tmp_path / "args.yaml") == flags


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("args.json", "{", "no JSON"),
        ("args.yaml", "a: [", "no YAML"),
        ("args.yaml", "- 1", "not a list"),
        ("args.json", None, "cannot read"),
    ],
)
def test_a_file_that_holds_no_flags_is_refused(tmp_path, name, text, named):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=named):
        read_args(tmp_path / name)


def test_all_that_a_run_of_the_reference_records_is_taken():
    flags = to_flags(
        {
            "model": "informer", "data": "ETTm1", "root_path": "./data/", "data_path": "ETTm1.csv",
            "features": "MS", "target": "OT", "freq": "t", "detail_freq": "15min", "cols": None,
            "devices": "0,1,2,3", "use_gpu": True, "e_layers": 2, "s_layers": "3,2,1",
            "dropout": "5e-2", "learning_rate": "1e-4", "padding": 0, "itr": 2,
        },
        None,
    )  # fmt: skip
    assert (flags.freq, flags.features, flags.dropout) == ("15min", "MS", 0.05)
    assert flags.learning_rate == 1e-4
    assert "devices" not in flags.given


@pytest.mark.parametrize("layers", [{"s_layers": "2,1"}, {"e_layers": [2, 1]}])
def test_the_layers_of_a_stack_are_read_however_they_are_spelled(layers):
    assert to_flags({"model": "informerstack", **layers}, None).s_layers == (2, 1)


def test_the_data_may_be_named_anew(tmp_path):
    moved = to_flags({"data": "custom", "data_path": "old.csv"}, str(tmp_path / "new.csv"))
    assert (moved.data, moved.root_path, moved.data_path) == ("custom", str(tmp_path), "new.csv")
    known = to_flags({"data": "custom"}, "etth2")
    assert (known.data, known.data_path) == ("ETTh2", "ETTh2.csv")


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"dmodel": 8}, "dmodel: the reference implementation has no such flag"),
        ({"data": "ETTh9"}, "ETTh9"),
        ({"d_model": "wide"}, "d_model is 'wide'"),
        ({"d_model": [8]}, "wrong type"),
        ({"model": "former"}, "model is 'former'"),
    ],
)
def test_flags_that_cannot_be_are_refused_by_name(flags, named):
    with pytest.raises(ConfigError, match=named):
        to_flags(flags, None)


def test_a_model_is_named_for_its_data_unless_it_is_named():
    assert model_name(None, to_flags({"data": "ETTh1"}, None)) == "etth1-reference"
    custom = to_flags({"data": "custom", "data_path": "My Load (2).csv"}, None)
    assert model_name(None, custom) == "my-load-2-reference"
    assert model_name("etth1", custom) == "etth1"
    with pytest.raises(ConfigError, match="--name 'My Model'"):
        model_name("My Model", custom)
