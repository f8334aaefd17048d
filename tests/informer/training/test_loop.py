"""Training improves the network, is a function of its inputs, and stops when told to."""

import math
from dataclasses import replace

import pytest
import torch

from informer.config import TrainingConfig
from informer.errors import ConfigError, TrainingError
from informer.training.loop import fit
from informer.training.losses import LOSSES
from informer.training.step import evaluate
from tests.informer.training.tiny import make_network, make_windows, without_seconds

CONFIG = TrainingConfig(epochs=3, batch_size=16, learning_rate=1e-2, accelerator="cpu")


@pytest.fixture
def windows():
    return make_windows()


def test_training_improves_the_network(windows):
    history = fit(make_network(), *windows, replace(CONFIG, epochs=6)).history
    assert [record.epoch for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].train_loss < 0.5 * history[0].train_loss
    assert min(record.val_loss for record in history) < 0.5 * history[0].val_loss


def test_a_training_is_a_function_of_weights_windows_and_config(windows):
    first, again = make_network(), make_network()
    torch.manual_seed(1)
    one = fit(first, *windows, CONFIG)
    torch.manual_seed(2)
    two = fit(again, *windows, CONFIG)
    assert without_seconds(one.history) == without_seconds(two.history)
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_another_seed_is_another_training(windows):
    one = fit(make_network(), *windows, CONFIG)
    two = fit(make_network(), *windows, replace(CONFIG, seed=1))
    assert without_seconds(one.history) != without_seconds(two.history)


def test_the_caller_s_random_numbers_are_left_alone(windows):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    fit(make_network(), *windows, CONFIG)
    assert torch.equal(torch.rand(3), expected)


def test_the_network_ends_with_the_weights_of_the_best_epoch(windows):
    model = make_network()
    config = replace(CONFIG, learning_rate=0.5, schedule="constant", epochs=8, patience=8)
    result = fit(model, *windows, config)
    assert not model.training
    assert result.best_epoch < 8, "the case is worthless if the last epoch is the best"
    assert result.best_val_loss == min(record.val_loss for record in result.history)
    _, val = windows
    total = evaluate(model, val, [torch.arange(len(val))], LOSSES["mse"], config.seed)
    assert float(total[0] / total[1]) == pytest.approx(result.best_val_loss, rel=1e-5)


def test_training_stops_when_patience_runs_out(windows):
    config = replace(CONFIG, learning_rate=0.5, schedule="constant", epochs=50, patience=2)
    result = fit(make_network(), *windows, config)
    assert result.stopped_early
    assert len(result.history) == result.best_epoch + 2


def test_the_train_loss_is_the_mean_over_windows_not_over_batches():
    train, val = make_windows(n_train=17)
    config = replace(CONFIG, epochs=1, learning_rate=1e-12)
    model = make_network(dropout=0.0, batch_norm=False)
    whole = fit(model, train, val, replace(config, batch_size=17)).history[0]
    parts = fit(model, train, val, config).history[0]
    assert parts.train_loss == pytest.approx(whole.train_loss, rel=1e-2)  # keys differ by step
    assert parts.val_loss == pytest.approx(whole.val_loss, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_optimiser_loss_and_precision_trains(windows, optimizer, loss, precision):
    model = make_network()
    config = replace(CONFIG, optimizer=optimizer, loss=loss, precision=precision, weight_decay=1e-4)
    history = fit(model, *windows, config).history
    assert history[-1].train_loss < history[0].train_loss
    assert {value.dtype for value in model.parameters()} == {torch.float32}


def test_bf16_follows_fp32(windows):
    fp32, bf16 = (
        fit(make_network(), *windows, replace(CONFIG, precision=precision)).history
        for precision in ("fp32", "bf16")
    )
    for a, b in zip(fp32, bf16, strict=True):
        assert b.train_loss == pytest.approx(a.train_loss, rel=0.05)
        assert b.train_loss != a.train_loss


def test_clipping_bounds_what_a_step_can_do(windows):
    free, clipped = make_network(), make_network()
    config = replace(CONFIG, epochs=1)
    fit(free, *windows, config)
    fit(clipped, *windows, replace(config, max_grad_norm=1e-12))
    start = make_network().state_dict()["out.weight"]
    moved = [(m.state_dict()["out.weight"] - start).norm() for m in (free, clipped)]
    assert moved[1] < 0.1 * moved[0]


def test_the_rate_of_the_schedule_reaches_the_record(windows):
    history = fit(make_network(), *windows, CONFIG).history
    assert [record.learning_rate for record in history] == [0.01, 0.01, 0.005]


def test_steps_are_reported_now_and_then(windows):
    reports = []
    config = replace(CONFIG, epochs=2, batch_size=1)
    fit(make_network(batch_norm=False), *windows, config, on_step=lambda *a: reports.append(a))
    done = [report[0] for report in reports]
    assert done == [20, 40, 60, 70, 90, 110, 130, 140]
    assert {report[1] for report in reports} == {140}
    assert all(math.isfinite(report[2]) for report in reports)


def test_a_limited_epoch_reports_its_steps(windows):
    reports = []
    config = replace(CONFIG, epochs=1, steps_per_epoch=2)
    fit(make_network(), *windows, config, on_step=lambda *a: reports.append(a))
    assert [report[:2] for report in reports] == [(2, 2)]


def test_what_on_epoch_raises_comes_out(windows):
    class PrunedError(Exception):
        pass

    seen = []

    def on_epoch(record):
        seen.append(record.epoch)
        if record.epoch == 2:
            raise PrunedError

    with pytest.raises(PrunedError):
        fit(make_network(), *windows, CONFIG, on_epoch=on_epoch)
    assert seen == [1, 2]


def test_a_loss_that_explodes_names_the_step_and_the_mends(windows):
    with pytest.raises(TrainingError, match=r"train loss became \w+ in epoch 1, step \d.*1e\+30"):
        fit(make_network(), *windows, replace(CONFIG, learning_rate=1e30))


def test_missing_values_in_the_rows_are_reported_as_a_loss_that_is_not_finite(windows):
    train, val = windows
    values = val.values.clone()
    values[-1] = math.nan
    with pytest.raises(TrainingError, match="validation loss became nan in epoch 1"):
        fit(make_network(), train, replace(val, values=values), CONFIG)


def test_the_train_loss_is_the_mean_over_observed_values_not_over_batches():
    train, val = make_windows(n_train=17, share_filled=0.6)
    config = replace(CONFIG, epochs=1, learning_rate=1e-12)
    model = make_network(dropout=0.0, batch_norm=False, n_keys=0)
    whole = fit(model, train, val, replace(config, batch_size=17)).history[0]
    for size in (1, 5):
        parts = fit(model, train, val, replace(config, batch_size=size)).history[0]
        assert parts.train_loss == pytest.approx(whole.train_loss, rel=1e-5)


def test_windows_without_an_observed_value_count_nothing_and_must_not_be_all():
    train, val = make_windows(share_filled=0.2)
    observed = train.observed.clone()
    observed[30:50] = False
    known = replace(train, observed=observed)
    assert len(known.with_truth()) == len(known) - 20 + 3
    results = [fit(make_network(), windows, val, CONFIG) for windows in (known, known.with_truth())]
    assert without_seconds(results[0].history) == without_seconds(results[1].history)
    with pytest.raises(TrainingError, match=r"no value was observed .* of the 30 val windows"):
        fit(make_network(), train, replace(val, observed=torch.zeros_like(val.observed)), CONFIG)


@pytest.mark.parametrize("part", [0, 1])
def test_no_windows_are_refused(windows, part):
    pair = list(windows)
    pair[part] = pair[part].subset(slice(0, 0))
    with pytest.raises(TrainingError, match=f"no {('train', 'val')[part]} window"):
        fit(make_network(), *pair, CONFIG)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(windows):
    with pytest.raises(ConfigError, match="torch finds no CUDA device; use auto or cpu"):
        fit(make_network(), *windows, replace(CONFIG, accelerator="cuda"))


def test_without_a_compiler_training_warns_and_runs(windows, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.warns(UserWarning, match="training is not compiled"):
        result = fit(make_network(), *windows, replace(CONFIG, compile=True))
    assert len(result.history) == 3


@pytest.mark.slow
# torch 2.13 deprecates what its own compiler imports.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_a_compiled_network_trains_as_the_plain_one(windows):
    settings = {"dropout": 0.0, "batch_norm": False, "n_keys": 0}
    plain, compiled = (
        fit(make_network(**settings), *windows, replace(CONFIG, compile=flag)).history
        for flag in (False, True)
    )
    for a, b in zip(plain, compiled, strict=True):
        assert b.train_loss == pytest.approx(a.train_loss, rel=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("share_filled", [None, 0.3])
def test_a_gpu_trains_as_the_cpu_does(precision, share_filled):
    windows = make_windows(share_filled=share_filled)
    config = replace(CONFIG, precision=precision)
    model = make_network(dropout=0.0)
    cpu = fit(make_network(dropout=0.0), *windows, config).history
    gpu = fit(model, *windows, replace(config, accelerator="cuda")).history
    assert next(model.parameters()).device.type == "cpu", "the model comes back where it was"
    for a, b in zip(cpu, gpu, strict=True):
        assert b.val_loss == pytest.approx(a.val_loss, rel=1e-3 if precision == "fp32" else 0.1)
