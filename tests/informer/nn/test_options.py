"""The options that are not the paper's: what each does, alone and together, and what none does."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings, strategies as st

from informer.config import BESIDE_THE_PAPER, InformerConfig
from informer.errors import ConfigError
from informer.network import HIGHWAYS
from informer.nn.model import Informer
from informer.nn.tokens import Patches, rows_of_tokens

LEVELS = (0.1, 0.5, 0.9)
SMALL = InformerConfig(
    enc_in=3, dec_in=3, c_out=3, seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2,
    d_ff=16, factor=40,
)  # fmt: skip
ALL = replace(
    SMALL,
    instance_norm=True,
    highway="ridge_seen",
    channel_independent=True,
    patch_len=5,
)


def make_inputs(config, n=2):
    generator = torch.Generator().manual_seed(0)

    def marks(length):
        return torch.rand(n, length, config.n_marks, generator=generator) - 0.5

    x_enc = 3 + torch.randn(n, config.seq_len, config.enc_in, generator=generator)
    return x_enc, marks(config.seq_len), None, marks(config.label_len + config.pred_len)


def make_model(config, *, trained=True):
    """With `trained`, weights and highway are random, none is at its start."""
    torch.manual_seed(1)
    model = Informer(config).eval()
    if trained:
        torch.nn.init.normal_(model.projection.weight)
        if config.linear.fit:
            model.highway.normal_(std=0.1)
    return model


def run(model, inputs):
    return model(*inputs, generator=torch.Generator().manual_seed(5))


def test_with_every_option_off_the_network_is_the_papers():
    assert SMALL.options == ()
    assert SMALL.core == SMALL
    assert set(ALL.options) == set(BESIDE_THE_PAPER) - {"quantiles"}
    assert ALL.core.options == ()


@given(
    lengths=st.tuples(st.integers(8, 31), st.integers(0, 8), st.integers(1, 13)),
    channels=st.tuples(st.integers(1, 3), st.integers(0, 2)),
    patch_len=st.integers(1, 7),
    flags=st.tuples(*[st.booleans()] * 3),
    highway=st.sampled_from(sorted(HIGHWAYS)),
    levels=st.sampled_from([(), (0.5,), LEVELS]),
    embed=st.sampled_from(["timeF", "fixed"]),
)
@settings(max_examples=40, deadline=None)
def test_any_options_and_odd_lengths_run_and_backends_agree(
    lengths, channels, patch_len, flags, highway, levels, embed
):
    n_targets, n_others = channels
    normed, independent, stacked = flags
    config = replace(
        SMALL,
        seq_len=lengths[0], label_len=lengths[1], pred_len=lengths[2],
        enc_in=n_targets + n_others, dec_in=n_targets + n_others, c_out=n_targets,
        instance_norm=normed, highway=highway, channel_independent=independent,
        patch_len=patch_len, quantiles=levels,
        model="informerstack" if stacked else "informer", e_layers=(2, 1) if stacked else 2,
        embed=embed,
    )  # fmt: skip
    inputs = make_inputs(config)
    if embed == "fixed":
        inputs = tuple(None if x is None else x.abs().round() for x in inputs)
    y = run(make_model(config), inputs)
    shape = (lengths[2], n_targets)
    assert y.shape == ((2, len(levels), *shape) if levels else (2, *shape))
    assert y.isfinite().all()
    expected = run(make_model(replace(config, backend="reference")), inputs)
    torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-3)


def test_an_impossible_stack_names_its_tokens():
    with pytest.raises(
        ConfigError, match="seq_len=24, 3 tokens of 8 rows, is too short to be halved"
    ):
        Informer(replace(SMALL, model="informerstack", e_layers=(3, 2, 1), patch_len=8))


@pytest.mark.parametrize("extra", [{}, {"quantiles": LEVELS, "patch_len": 1}])
def test_independent_channels_are_forecast_as_if_each_were_alone(extra):
    config = replace(ALL, **extra)
    x, marks, _, marks_dec = make_inputs(config)
    model = make_model(config)
    alone = Informer(replace(config, enc_in=1, dec_in=1, c_out=1)).eval()
    alone.load_state_dict(model.state_dict())
    parts = [run(alone, (x[..., i : i + 1], marks, None, marks_dec)) for i in range(3)]
    y = run(model, (x, marks, None, marks_dec))
    torch.testing.assert_close(y, torch.cat(parts, dim=-1))


@pytest.mark.parametrize("n_targets", [1, 2])
def test_independent_channels_do_not_read_the_others(n_targets):
    config = replace(ALL, c_out=n_targets)
    x, *rest = make_inputs(config)
    other = x.clone()
    other[..., :-n_targets] = 99.0
    model = make_model(config)
    y, same = (run(model, (values, *rest)) for values in (x, other))
    assert y.shape == (2, 6, n_targets)
    assert torch.equal(y, same)


@pytest.mark.parametrize("independent", [False, True])
def test_the_decoder_reads_the_highways_forecast_for_the_horizon(independent):
    config = replace(ALL, channel_independent=independent, c_out=2)
    x, marks, _, marks_dec = make_inputs(config)
    model = make_model(config)
    last = x[:, -1:]
    linear = ((x - last).mT @ model.highway).mT + last
    by_hand = torch.cat((x[:, -12:], linear), dim=1)
    y = run(model, (x, marks, None, marks_dec))
    torch.testing.assert_close(y, run(model, (x, marks, by_hand, marks_dec)))
    zeros = replace(config, highway="ridge")
    other = make_model(zeros)
    other.load_state_dict(model.state_dict())
    assert not torch.allclose(y, run(other, (x, marks, None, marks_dec)))


@pytest.mark.parametrize("levels", [(), LEVELS])
def test_before_training_the_forecast_is_the_highways(levels):
    config = replace(ALL, instance_norm=False, quantiles=levels)
    model = make_model(config, trained=False)
    model.highway.normal_(std=0.1)
    x, *rest = make_inputs(config)
    last = x[:, -1:]
    linear = ((x - last).mT @ model.highway).mT + last
    y = run(model, (x, *rest))
    if levels:
        torch.testing.assert_close(y[:, 1], linear)
        spread = torch.full_like(linear, 1.2816 * 0.5)  # of a normal's q90, half a deviation wide
        torch.testing.assert_close(y[:, 2] - linear, spread, atol=1e-3, rtol=0)
        torch.testing.assert_close(linear - y[:, 0], spread, atol=1e-3, rtol=0)
    else:
        torch.testing.assert_close(y, linear)


@pytest.mark.parametrize("scale", [0.1, 10.0, 1e4])
def test_quantiles_of_any_weights_do_not_cross(scale):
    levels = tuple(q / 20 for q in range(1, 20))
    config = replace(ALL, quantiles=levels)
    model = make_model(config)
    torch.nn.init.normal_(model.projection.weight, std=scale)
    y = run(model, make_inputs(config))
    assert y.shape == (2, 19, 6, 3)
    assert (y.diff(dim=1) >= 0).all()
    assert (y[:, 0] < y[:, -1]).any()


@pytest.mark.parametrize(("n_rows", "patch_len"), [(12, 1), (12, 4), (11, 4), (1, 3)])
def test_patches_hold_every_row_in_order_and_fill_up_with_the_outermost(n_rows, patch_len):
    x = torch.arange(float(n_rows * 2)).view(1, n_rows, 2)
    n_missing = -n_rows % patch_len
    past = Patches(n_rows, patch_len, is_past=True)
    rows = rows_of_tokens(past.values(x), patch_len, n_rows + n_missing)
    assert torch.equal(rows[:, n_missing:], x)
    assert torch.equal(rows[:, :n_missing], x[:, :1].expand(-1, n_missing, -1))
    assert torch.equal(past.marks(x)[:, -1], x[:, -1])
    ahead = Patches(n_rows, patch_len, is_past=False)
    assert torch.equal(rows_of_tokens(ahead.values(x), patch_len, n_rows), x)
    assert torch.equal(ahead.marks(x)[:, -1], x[:, -1])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"highway": "blend_seen", "padding": 1}, "padding=1 has no effect.*or highway to blend"),
        ({"highway": "mean"}, "use one of none, ridge, blend"),
        ({"patch_len": 0}, "patch_len is 0"),
        ({"channel_independent": True, "dec_in": 2}, "c_out=3 channels from its own past"),
        ({"quantiles": (0.9, 0.5)}, "rising levels"),
        ({"quantiles": (0.1, 0.9)}, r"without the median.*add 0\.5"),
    ],
)
def test_options_that_cannot_work_are_named(setting, message):
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **setting)
