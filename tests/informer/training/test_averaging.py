"""Averaged weights: what they are, that they are what is judged and kept, and that they resume."""

from dataclasses import replace

import pytest
import torch

from informer.config import TrainingConfig
from informer.training.averaging import WeightAverage, ema_share, swa_share
from informer.training.loop import fit
from informer.training.losses import LOSSES
from informer.training.step import evaluate
from tests.informer.training.tiny import make_network, make_windows, without_seconds

CONFIG = TrainingConfig(
    epochs=4, batch_size=16, learning_rate=1e-2, schedule="constant", accelerator="cpu"
)


class CutOffError(Exception):
    pass


def follow(kind, n_steps):
    """The average after each step of a network whose only moving weight counts the steps."""
    model = make_network()
    average = WeightAverage(model, kind, n_steps)
    found = []
    for step in range(1, n_steps + 1):
        with torch.no_grad():
            model.out.bias.fill_(float(step))
            model.norm.running_mean.fill_(float(step))
            model.norm.num_batches_tracked.fill_(step)
        average.update(model, step)
        assert average.model.norm.num_batches_tracked == step
        mean = float(average.model.norm.running_mean[0])
        assert mean == pytest.approx(float(average.model.out.bias[0]), rel=1e-3)
        found.append(float(average.model.out.bias[0]))
    return found


def test_swa_is_the_mean_of_the_second_half_of_the_steps():
    assert follow("swa", 8) == pytest.approx([1, 2, 3, 4, 5, 5.5, 6, 6.5])


def test_ema_lags_behind_by_a_share_of_the_steps():
    found = follow("ema", 100)
    assert found == sorted(found)
    assert 80 < found[-1] < 99


def test_shares_are_shares():
    assert [swa_share(step, 4) for step in (1, 2, 3, 4)] == [1, 1, 1, 0.5]
    assert ema_share(1) == pytest.approx(9 / 11)
    assert ema_share(10**6) == pytest.approx(0.001)


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_what_is_validated_and_kept_is_the_average(kind):
    train, val = make_windows()
    averaged, plain = make_network(), make_network()
    result = fit(averaged, train, val, replace(CONFIG, weight_average=kind))
    raw = fit(plain, train, val, CONFIG)
    losses = [[record.train_loss for record in run.history] for run in (result, raw)]
    assert losses[0] == losses[1], "the average has no say in the training"
    assert not torch.equal(averaged.out.weight, plain.out.weight)
    total = evaluate(averaged, val, [torch.arange(len(val))], LOSSES["mse"], CONFIG.seed)
    assert float(total[0] / total[1]) == pytest.approx(result.best_val_loss, rel=1e-5)
    assert all(value.requires_grad for value in averaged.parameters())


@pytest.mark.parametrize("kind", ["ema", "swa"])
@pytest.mark.parametrize("n_epochs", [1, 3])
def test_an_averaged_training_resumes_exactly(kind, n_epochs, tmp_path):
    windows = make_windows()
    config = replace(CONFIG, weight_average=kind)
    expected = make_network()
    whole = fit(expected, *windows, config)

    def on_epoch(record):
        if record.epoch == n_epochs:
            raise CutOffError

    with pytest.raises(CutOffError):
        fit(make_network(), *windows, config, checkpoint_dir=tmp_path, on_epoch=on_epoch)
    model = make_network()
    result = fit(model, *windows, config, checkpoint_dir=tmp_path)
    assert result.resumed_from == n_epochs
    assert without_seconds(result.history) == without_seconds(whole.history)
    for name, value in expected.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
