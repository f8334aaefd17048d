"""One step does what the reference's training does, and validation is a function of weights."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from informer.config import InformerConfig
from informer.data import ETT_HOUR, StandardScaler, Windows
from informer.data.calendar import calendar_features
from informer.data.windows import window_origins
from informer.errors import ConfigError
from informer.nn import Informer
from informer.training.losses import LOSSES, pinball
from informer.training.step import evaluate, forecast_loss, train_step
from tests.informer.training.tiny import make_network, make_windows

N_TRAIN = ETT_HOUR.train


def etth1_train_windows(path, config):
    frame = pd.read_csv(path, parse_dates=["date"])
    times = pd.DatetimeIndex(frame.pop("date"))
    values = frame[["OT"] if config.enc_in == 1 else list(frame)].to_numpy()
    return Windows.cut(
        StandardScaler.fit(values[:N_TRAIN]).transform(values),
        calendar_features(times, config.freq, config.embed),
        window_origins(0, 0, N_TRAIN, config.seq_len, config.pred_len),
        seq_len=config.seq_len,
        label_len=config.label_len,
        pred_len=config.pred_len,
        n_targets=config.c_out,
    )


@pytest.mark.parametrize("backend", ["fast", "reference"])
@pytest.mark.parametrize("trace", ["S", "MS_full"])
def test_twelve_steps_follow_the_reference(shared_golden, etth1_path, trace, backend):
    golden = np.load(shared_golden / f"training_etth1_{trace}.npz")
    flags = json.loads(str(golden["config"]))
    names = InformerConfig.__dataclass_fields__.keys() & flags.keys()
    config = InformerConfig(**{name: flags[name] for name in names}, backend=backend)
    windows = etth1_train_windows(etth1_path, config)
    model = Informer(config).train()
    start = {k.removeprefix("param/"): golden[k] for k in golden if k.startswith("param/")}
    model.load_state_dict({k: torch.from_numpy(v) for k, v in start.items()}, strict=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=flags["learning_rate"], fused=True)

    torch.manual_seed(flags["forward_seed"])
    steps = [
        train_step(
            model,
            model.parameters(),
            optimizer,
            windows.batch(torch.from_numpy(index).long()),
            LOSSES["mse"],
            max_grad_norm=math.inf,
        )
        for index in golden["batch_indices"]
    ]

    np.testing.assert_allclose([float(s.loss) for s in steps], golden["losses"], rtol=1e-4)
    norms = [float(s.grad_norm) for s in steps]
    np.testing.assert_allclose(norms, golden["grad_norms"], rtol=1e-3)
    weights = model.state_dict()
    final = [name.removeprefix("final/") for name in golden if name.startswith("final/")]
    assert {name for name, _ in model.named_parameters()} <= set(final)
    for name in final:
        np.testing.assert_allclose(weights[name], golden[f"final/{name}"], atol=2e-3, err_msg=name)


@pytest.fixture
def windows():
    return make_windows()[1]


def test_gradients_are_clipped_to_the_bound_and_the_norm_before_is_told(windows):
    model = make_network(dropout=0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    batch = windows.batch(torch.arange(8))
    step = train_step(
        model, model.parameters(), optimizer, batch, LOSSES["mse"], max_grad_norm=0.01
    )
    after = math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters()))
    assert float(step.grad_norm) > 0.01
    assert after == pytest.approx(0.01, rel=1e-3)


def test_without_a_bound_no_norm_is_computed(windows):
    model = make_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = windows.batch(torch.arange(8))
    step = train_step(model, model.parameters(), optimizer, batch, LOSSES["mse"])
    assert step.grad_norm is None


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("mse", lambda e: e.square()),
        ("mae", lambda e: e.abs()),
        ("huber", lambda e: torch.where(e.abs() < 1, e.square() / 2, e.abs() - 0.5)),
    ],
)
def test_losses_are_means_of_what_their_names_say(windows, name, by_hand):
    model = make_network().eval()
    batch = windows.batch(torch.arange(8))
    generator = torch.Generator().manual_seed(0)
    forecast = model(*batch[:2], None, batch[2], generator=torch.Generator().manual_seed(0))
    value = forecast_loss(model, batch, LOSSES[name], generator)
    torch.testing.assert_close(value, by_hand(forecast - batch.y).mean())


@pytest.mark.parametrize("name", [*LOSSES, "pinball"])
def test_a_loss_is_the_mean_over_observed_values_and_so_is_its_gradient(name):
    batch = make_windows(share_filled=0.4)[1].batch(torch.arange(8))
    shape = (8, 3, *batch.y.shape[1:]) if name == "pinball" else batch.y.shape
    forecast = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = pinball((0.1, 0.5, 0.9)) if name == "pinball" else LOSSES[name]
    value = forecast_loss(lambda *_, **__: forecast, batch, loss)
    (gradient,) = torch.autograd.grad(value, forecast)
    at = [place.tolist() for place in batch.seen.nonzero()]
    assert 0 < len(at) < batch.seen.numel()
    single = [
        loss(
            forecast[b : b + 1, ..., p : p + 1, c : c + 1], batch.y[b : b + 1, p : p + 1, c : c + 1]
        )
        for b, p, c in at
    ]
    by_hand = torch.stack(single).mean()
    torch.testing.assert_close(value, by_hand)
    torch.testing.assert_close(gradient, torch.autograd.grad(by_hand, forecast)[0])


def test_a_batch_without_an_observed_value_moves_nothing():
    windows = make_windows(share_filled=1.0)[1]
    model = make_network()
    value = forecast_loss(model, windows.batch(torch.arange(8)), LOSSES["mse"])
    value.backward()
    assert float(value.detach()) == 0
    assert all((p.grad == 0).all() for p in model.parameters())


def test_each_observed_value_of_the_validation_rows_counts_once_however_they_are_batched():
    windows = make_windows(share_filled=0.6)[1]
    model = make_network().eval()
    seeded = torch.Generator().manual_seed
    batch = windows.batch(windows.numbers)
    errors = (model(*batch[:2], None, batch[2], generator=seeded(0)) - batch.y)[batch.seen]
    for size in (1, 7, 30):
        total, count = evaluate(model, windows, windows.parts(size), LOSSES["mse"], seed=0)
        assert int(count) == len(errors) < 0.5 * batch.seen.numel()
        assert float(total / count) == pytest.approx(
            float(errors.detach().square().mean()), rel=1e-5
        )


def test_the_validation_loss_is_a_function_of_weights_however_it_is_batched(windows):
    model = make_network().eval()
    index = torch.arange(len(windows))
    torch.manual_seed(1)
    whole = evaluate(model, windows, [index], LOSSES["mse"], seed=0)
    torch.manual_seed(2)
    parts = evaluate(model, windows, index.split(7), LOSSES["mse"], seed=0)
    torch.testing.assert_close(parts, whole, rtol=1e-6, atol=0)


def test_a_network_that_returns_attention_too_is_judged_by_its_forecast(windows):
    model = make_network().eval()
    batch = windows.batch(torch.arange(8))
    seeded = torch.Generator().manual_seed
    both = forecast_loss(lambda *a, **k: (model(*a, **k), []), batch, LOSSES["mse"], seeded(0))
    assert torch.equal(both, forecast_loss(model, batch, LOSSES["mse"], seeded(0)))


def test_a_network_that_does_not_fit_the_windows_is_refused(windows):
    def network(*inputs, generator):
        return torch.zeros(8, 4, 1)

    with pytest.raises(ConfigError, match=r"forecasts .* = \(8, 4, 1\), but the windows hold"):
        forecast_loss(network, windows.batch(torch.arange(8)), LOSSES["mse"])
