"""The whole network: every option runs, forecasts do not leak, seeds decide."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings, strategies as st

from informer.config import InformerConfig
from informer.errors import ConfigError
from informer.nn.model import Informer

SMALL = InformerConfig(
    enc_in=3,
    dec_in=3,
    c_out=3,
    seq_len=24,
    label_len=12,
    pred_len=6,
    d_model=16,
    n_heads=2,
    d_ff=32,
)


def make_inputs(config, n=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n_dec = config.label_len + config.pred_len
    x_enc = torch.randn(n, config.seq_len, config.enc_in, generator=generator)

    def marks(length):
        if config.embed == "timeF":
            return torch.rand(n, length, config.n_marks, generator=generator) - 0.5
        return torch.randint(1, 4, (n, length, config.n_marks), generator=generator).float()

    return x_enc, marks(config.seq_len), None, marks(n_dec)


def predict(config, inputs, seed=5):
    torch.manual_seed(1)
    model = Informer(config).eval()
    return model(*inputs, generator=torch.Generator().manual_seed(seed))


@given(
    model=st.sampled_from(["informer", "informerstack"]),
    attn=st.sampled_from(["prob", "full"]),
    lengths=st.tuples(st.integers(4, 31), st.integers(0, 4), st.integers(1, 13)),
    channels=st.integers(1, 4),
    distil=st.booleans(),
    mix=st.booleans(),
    activation=st.sampled_from(["gelu", "relu"]),
    instance_norm=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_any_option_and_odd_length_runs_and_backends_agree(
    model, attn, lengths, channels, distil, mix, activation, instance_norm
):
    seq_len, label_len, pred_len = lengths
    config = replace(
        SMALL,
        model=model,
        e_layers=(3, 2, 1) if model == "informerstack" else 2,
        attn=attn,
        factor=40,  # every query is kept: nothing for rounding to choose between
        seq_len=seq_len,
        label_len=label_len,
        pred_len=pred_len,
        enc_in=channels,
        dec_in=channels,
        c_out=channels,
        distil=distil,
        mix=mix,
        activation=activation,
        instance_norm=instance_norm,
    )
    inputs = make_inputs(config)
    y = predict(replace(config, backend="fast"), inputs)
    assert y.shape == (2, pred_len, channels)
    assert y.isfinite().all()
    expected = predict(replace(config, backend="reference"), inputs)
    torch.testing.assert_close(y, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("freq", ["s", "t", "h", "d", "b", "w", "m", "15min", "3h"])
@pytest.mark.parametrize("embed", ["timeF", "fixed", "learned"])
def test_every_frequency_and_embedding_runs(freq, embed):
    config = replace(SMALL, freq=freq, embed=embed)
    assert predict(config, make_inputs(config)).shape == (2, 6, 3)


def test_training_gradients_of_the_backends_agree():
    config = replace(SMALL, dropout=0.0, factor=40, e_layers=2, d_layers=2)
    inputs = make_inputs(config)
    gradients = []
    for backend in ("reference", "fast"):
        torch.manual_seed(1)
        model = Informer(replace(config, backend=backend)).train()
        model(*inputs).square().mean().backward()
        gradients.append({n: p.grad for n, p in model.named_parameters()})
        statistics = model.encoder.conv_layers[0].norm.running_mean
        assert statistics.abs().sum() > 0
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, atol=1e-6, rtol=1e-3, msg=name)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_training_step_under_bfloat16_stays_near_float32(backend):
    config = replace(SMALL, dropout=0.0, factor=40, backend=backend)
    inputs = make_inputs(config)
    torch.manual_seed(1)
    model = Informer(config).train()
    expected = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        y = model(*inputs)
    y.float().square().mean().backward()
    assert (y.float() - expected).abs().max() < 0.05 * expected.abs().max()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # of torch's own tracer
def test_a_compiled_training_step_is_the_same():
    config = replace(SMALL, dropout=0.0)
    inputs = make_inputs(config)
    gradients = []
    for compiled in (False, True):
        torch.manual_seed(1)
        model = Informer(config).train()
        run = torch.compile(model, backend="eager") if compiled else model
        torch.manual_seed(2)
        run(*inputs).square().mean().backward()
        gradients.append({n: p.grad for n, p in model.named_parameters()})
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, atol=1e-6, rtol=1e-3, msg=name)


@pytest.mark.parametrize("padding", [0, 1])
def test_the_decoder_input_is_built_from_the_last_rows_of_the_past(padding):
    config = replace(SMALL, label_len=5, padding=padding)
    x_enc, mark_enc, _, mark_dec = make_inputs(config)
    by_hand = torch.cat((x_enc[:, -5:], torch.full((2, 6, 3), float(padding))), dim=1)
    built = predict(config, (x_enc, mark_enc, None, mark_dec))
    torch.testing.assert_close(built, predict(config, (x_enc, mark_enc, by_hand, mark_dec)))


@pytest.mark.parametrize("backend", ["fast", "reference"])
@pytest.mark.parametrize("mix", [True, False])
def test_what_comes_after_the_cutoff_leaves_the_forecast_unchanged(backend, mix):
    """ProbSparse in the decoder is not strictly causal: but the horizon it sees is zeros."""
    config = replace(SMALL, backend=backend, mix=mix)
    series = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0))
    _, mark_enc, _, mark_dec = make_inputs(config)
    other = series.clone()
    other[:, 24:] = 1e3
    y, same = (predict(config, (s[:, :24], mark_enc, None, mark_dec)) for s in (series, other))
    assert torch.equal(y, same)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_a_forecast_is_a_function_of_model_data_and_generator(backend):
    config = replace(SMALL, backend=backend, factor=1)
    inputs = make_inputs(config)
    state = torch.get_rng_state()
    model = Informer(config).eval()
    torch.set_rng_state(state)
    first = model(*inputs, generator=torch.Generator().manual_seed(5))
    assert torch.equal(torch.get_rng_state(), state)  # the global generator is left alone
    assert torch.equal(first, model(*inputs, generator=torch.Generator().manual_seed(5)))
    assert not torch.equal(first, model(*inputs, generator=torch.Generator().manual_seed(6)))
    torch.manual_seed(9)
    drawn = model(*inputs)
    torch.manual_seed(9)
    assert torch.equal(drawn, model(*inputs))


def test_output_attention_gives_one_map_per_layer():
    config = replace(SMALL, output_attention=True)
    y, maps = predict(config, make_inputs(config))
    assert y.shape == (2, 6, 3)
    assert [m.shape for m in maps] == [(2, 2, 24, 24), (2, 2, 12, 12)]
    config = replace(config, model="informerstack", e_layers=(2, 1), attn="full")
    _, maps = predict(config, make_inputs(config))
    assert [[m.shape[-1] for m in encoder] for encoder in maps] == [[24, 12], [12]]


def test_instance_norm_makes_forecasts_follow_shift_and_scale():
    config = replace(SMALL, instance_norm=True, c_out=1)  # MS: the target is the last channel
    x_enc, mark_enc, _, mark_dec = make_inputs(config)
    scale, shift = torch.tensor([2.0, 0.5, 30.0]), torch.tensor([5.0, -1.0, 400.0])
    y = predict(config, (x_enc, mark_enc, None, mark_dec))
    moved = predict(config, (x_enc * scale + shift, mark_enc, None, mark_dec))
    torch.testing.assert_close(moved, y * 30 + 400, atol=1e-2, rtol=1e-4)


def test_instance_norm_survives_a_constant_channel():
    config = replace(SMALL, instance_norm=True)
    x_enc, mark_enc, _, mark_dec = make_inputs(config)
    x_enc[..., 1] = 7.0
    assert predict(config, (x_enc, mark_enc, None, mark_dec)).isfinite().all()


def test_settings_that_cannot_work_are_named():
    with pytest.raises(ConfigError, match=r"instance_norm.*enc_in"):
        Informer(replace(SMALL, instance_norm=True, c_out=4))
    with pytest.raises(ConfigError, match="seq_len=3 is too short to be halved"):
        Informer(replace(SMALL, model="informerstack", e_layers=(3, 2, 1), seq_len=3, label_len=2))


def test_inputs_that_do_not_fit_are_named():
    model = Informer(SMALL)
    x_enc, mark_enc, _, mark_dec = make_inputs(SMALL)
    with pytest.raises(ValueError, match=r"x_enc has shape \(2, 24, 2\).*must be 3"):
        model(x_enc[..., :2], mark_enc, None, mark_dec)
    with pytest.raises(ValueError, match="x_dec has shape"):
        model(x_enc, mark_enc, x_enc[..., :1], mark_dec)
    with pytest.raises(ValueError, match="position table 5000"):
        model(x_enc.repeat(1, 210, 1), mark_enc.repeat(1, 210, 1), None, mark_dec)


def test_a_model_can_be_copied_and_pickled():
    model = Informer(SMALL).eval()
    inputs = make_inputs(SMALL)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        y = twin(*inputs, generator=torch.Generator().manual_seed(0))
        assert torch.equal(y, model(*inputs, generator=torch.Generator().manual_seed(0)))
