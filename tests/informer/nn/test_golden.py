"""The network against the reference implementation's own results, in both backends."""

import json

import numpy as np
import pytest
import torch

from informer.config import InformerConfig
from informer.nn import attention
from informer.nn.model import Informer

CASES = (
    "informer_fixed_minutes",
    "informer_full",
    "informer_nodistil_nomix",
    "informer_prob_timeF",
    "informer_univariate_long",
    "informerstack",
    "official_checkpoint",
)
INPUTS = ("x_enc", "x_mark_enc", "x_dec", "x_mark_dec")


@pytest.fixture(params=["reference", "fast"])
def backend(request):
    return request.param


@pytest.fixture(params=CASES)
def golden(request, golden_dir):
    with np.load(golden_dir / f"{request.param}.npz") as file:
        return {name: file[name] for name in file.files}


def build(golden, backend):
    flags = json.loads(str(golden["config"]))
    seed = flags.pop("forward_seed")
    model = Informer(InformerConfig(**flags, backend=backend)).eval()
    model.load_state_dict(
        {
            name.removeprefix("param/"): torch.from_numpy(value)
            for name, value in golden.items()
            if name.startswith("param/")
        }
    )
    inputs = [torch.from_numpy(golden[name]) for name in INPUTS]
    return model, inputs, seed


def forward(model, inputs, seed):
    torch.manual_seed(seed)
    result = model(*inputs)
    return result if model.config.output_attention else (result, [])


def test_output_attention_and_loss_equal_the_reference(golden, backend):
    model, inputs, seed = build(golden, backend)
    y, maps = forward(model, inputs, seed)

    np.testing.assert_allclose(y.detach().numpy(), golden["output"], atol=1e-5, rtol=0)
    assert len(maps) == sum(name.startswith("attention/") for name in golden)
    for i, weights in enumerate(maps):
        expected = golden[f"attention/{i}"]
        np.testing.assert_allclose(weights.detach().numpy(), expected, atol=1e-5, rtol=0)

    loss = torch.nn.functional.mse_loss(y, torch.from_numpy(golden["y_true"]))
    assert loss.item() == pytest.approx(float(golden["loss"]), rel=1e-6)


def test_gradient_norms_equal_the_reference(golden, backend):
    model, inputs, seed = build(golden, backend)
    y, _ = forward(model, inputs, seed)
    torch.nn.functional.mse_loss(y, torch.from_numpy(golden["y_true"])).backward()

    norms = {n: p.grad.norm().item() for n, p in model.named_parameters() if p.grad is not None}
    expected = {
        name.removeprefix("gradnorm/"): float(value)
        for name, value in golden.items()
        if name.startswith("gradnorm/")
    }
    assert set(norms) >= set(expected)
    for name, value in expected.items():
        # A norm that is nought but for rounding (a key's bias shifts all scores) has no digits.
        assert norms[name] == pytest.approx(value, rel=1e-3, abs=1e-7), name


def test_sampled_keys_are_those_of_the_reference(golden, backend, monkeypatch):
    drawn = []

    def record(*args):
        drawn.append(attention.torch.randint(args[1], (args[0], args[2]), generator=args[3]))
        return drawn[-1]

    monkeypatch.setattr(attention, "draw_keys", record)
    model, inputs, seed = build(golden, backend)
    forward(model, inputs, seed)

    assert len(drawn) == sum(name.startswith("sampled_keys/") for name in golden)
    for i, keys in enumerate(drawn):
        np.testing.assert_array_equal(keys.numpy(), golden[f"sampled_keys/{i}"])


@pytest.mark.parametrize(
    ("case", "seed"),
    [
        ("informer_fixed_minutes", 7),
        ("informer_prob_timeF", 7),
        ("informer_nodistil_nomix", 7),
        ("informerstack", 7),
        ("official_checkpoint", 31),
    ],
)
def test_one_seed_draws_the_start_values_of_the_reference(case, seed, golden_dir):
    with np.load(golden_dir / f"{case}.npz") as file:
        expected = {n.removeprefix("param/"): file[n] for n in file.files if n.startswith("param/")}
        flags = json.loads(str(file["config"]))
    del flags["forward_seed"]
    torch.manual_seed(seed)
    state = Informer(InformerConfig(**flags)).state_dict()

    assert list(state) == list(expected)  # in the reference's order, so optimizer states fit too
    for name, value in state.items():
        # The files hold batch norms as if trained for a while; all else is as it was drawn.
        if ".conv_layers." not in name or ".norm." not in name:
            np.testing.assert_allclose(value.numpy(), expected[name], atol=1e-6, err_msg=name)
