"""Checkpoints of the reference implementation: read, refused, written."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from informer.config import BESIDE_THE_PAPER, InformerConfig
from informer.errors import CheckpointError, ConfigError
from informer.interop import load_reference_checkpoint, save_reference_checkpoint
from informer.nn import Informer


@pytest.fixture
def golden(golden_dir):
    with np.load(golden_dir / "official_checkpoint.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture
def flags(golden):
    flags = json.loads(str(golden["config"]))
    del flags["forward_seed"]
    return flags


@pytest.fixture
def official(golden_dir):
    return golden_dir / "official_checkpoint.pth"


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_a_checkpoint_of_the_reference_forecasts_what_it_forecast_there(
    backend, golden, flags, official
):
    model = load_reference_checkpoint(official, flags, backend=backend)
    assert not model.training
    torch.manual_seed(json.loads(str(golden["config"]))["forward_seed"])
    inputs = ("x_enc", "x_mark_enc", "x_dec", "x_mark_dec")
    y = model(*(torch.from_numpy(golden[name]) for name in inputs))
    np.testing.assert_allclose(y.detach().numpy(), golden["output"], atol=1e-5, rtol=0)


def test_loading_leaves_the_global_generator_alone(flags, official):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_reference_checkpoint(official, flags)
    assert torch.equal(torch.rand(1), expected)


def test_what_is_written_is_what_the_reference_wrote(flags, official, tmp_path):
    path = tmp_path / "checkpoint.pth"
    save_reference_checkpoint(load_reference_checkpoint(str(official), flags), path)
    written = torch.load(path, weights_only=True)
    expected = torch.load(official, weights_only=True)
    assert list(written) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(written[name], value, msg=name)


def test_the_prefix_of_several_gpus_is_dropped(flags, official):
    state = torch.load(official, weights_only=True)
    model = load_reference_checkpoint({f"module.{k}": v for k, v in state.items()}, flags)
    assert torch.equal(model.projection.weight, state["projection.weight"])


@pytest.mark.parametrize(
    "layers",
    [{"s_layers": "2,1"}, {"s_layers": [2, 1]}, {"e_layers": [2, 1]}, {"e_layers": "2, 1"}],
)
def test_layers_of_the_stack_are_read_however_they_are_spelled(layers, flags):
    flags = {**flags, "model": "informerstack", "e_layers": 2, **layers}
    config = {**flags, "e_layers": (2, 1)}
    config.pop("s_layers", None)
    model = Informer(InformerConfig(**config))
    assert load_reference_checkpoint(model.state_dict(), flags).config.e_layers == (2, 1)


def test_all_flags_of_its_command_line_are_accepted(flags, official):
    others = {
        "data": "ETTh1", "root_path": "./data/", "features": "M", "target": "OT", "itr": 2,
        "checkpoints": "./checkpoints/", "use_gpu": True, "detail_freq": "h", "s_layers": [3, 2, 1],
        "padding": 0, "cols": None, "lradj": "type1", "devices": "0,1,2,3",
    }  # fmt: skip
    assert load_reference_checkpoint(official, {**flags, **others}).config.model == "informer"


@pytest.mark.parametrize(
    ("features", "counts"), [("M", (7, 7, 7)), ("MS", (7, 7, 1)), ("S", (1, 1, 1))]
)
def test_channels_that_follow_from_the_data_set_need_not_be_given(features, counts, flags):
    names = ("enc_in", "dec_in", "c_out")
    complete = {**flags, **dict(zip(names, counts, strict=True))}
    state = Informer(InformerConfig(**complete)).state_dict()
    short = {k: v for k, v in flags.items() if k not in names}
    model = load_reference_checkpoint(state, {**short, "data": "ETTh1", "features": features})
    assert (model.config.enc_in, model.config.dec_in, model.config.c_out) == counts


def test_a_name_that_is_no_flag_is_refused(flags, official):
    with pytest.raises(ConfigError, match="dmodel: the reference implementation has no such flag"):
        load_reference_checkpoint(official, {**flags, "dmodel": 32})


@pytest.mark.parametrize("name", ["backend", *BESIDE_THE_PAPER])
def test_a_setting_of_ours_is_no_flag_of_the_reference(name, flags, official):
    with pytest.raises(ConfigError, match=f"{name}: the reference implementation has no such flag"):
        load_reference_checkpoint(official, {**flags, name: False})


def test_padding_is_part_of_the_network(flags, official):
    assert load_reference_checkpoint(official, {**flags, "padding": 1}).config.padding == 1


def test_layers_that_are_no_counts_are_refused(flags, official):
    with pytest.raises(ConfigError, match="s_layers is '3;2'"):
        load_reference_checkpoint(official, {**flags, "model": "informerstack", "s_layers": "3;2"})


def test_flags_that_do_not_fit_are_named_in_one_message(flags, official):
    with pytest.raises(CheckpointError) as raised:
        load_reference_checkpoint(official, {**flags, "c_out": 1, "d_layers": 2, "e_layers": 1})
    message = str(raised.value)
    assert "projection.weight is (7, 32), expected (1, 32)" in message
    assert "missing: decoder.layers.1." in message
    assert "unexpected: encoder." in message
    assert "and 1" in message  # the rest are counted, not listed


class _Evil:
    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


def test_a_file_that_would_run_code_is_refused(flags, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": _Evil()}, "evil.pth")
    with pytest.raises(CheckpointError, match="run code"):
        load_reference_checkpoint("evil.pth", flags)
    Path("plain.pth").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(CheckpointError):
        load_reference_checkpoint("plain.pth", flags)
    assert not Path("touched").exists()


def test_files_that_are_no_checkpoints_are_named(flags, tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*nothing\.pth"):
        load_reference_checkpoint(tmp_path / "nothing.pth", flags)
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(CheckpointError, match=r"cut\.pth"):
        load_reference_checkpoint(tmp_path / "cut.pth", flags)
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"empty\.pth"):
        load_reference_checkpoint(tmp_path / "empty.pth", flags)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="but a list"):
        load_reference_checkpoint(tmp_path / "list.pth", flags)


@pytest.mark.parametrize("part", BESIDE_THE_PAPER)
def test_a_network_that_the_reference_does_not_have_is_not_written(part, flags, tmp_path):
    values = {"patch_len": 2, "quantiles": (0.5,), "highway": "ridge"}
    setting = {part: values.get(part, True)}
    model = Informer(InformerConfig(**flags, **setting))
    with pytest.raises(ConfigError, match=part):
        save_reference_checkpoint(model, tmp_path / "checkpoint.pth")
