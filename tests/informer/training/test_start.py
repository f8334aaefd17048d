"""Epoch 0: a network that begins as a model of its own is kept unless an epoch beats it."""

import math
from dataclasses import replace

import pytest
import torch

from informer.config import TrainingConfig
from informer.training.loop import fit
from tests.informer.training.tiny import make_network, make_windows, without_seconds

CONFIG = TrainingConfig(epochs=3, batch_size=16, learning_rate=1e-2, accelerator="cpu")
HARMFUL = replace(CONFIG, learning_rate=5.0, schedule="constant", epochs=9, patience=2)


@pytest.fixture(scope="module")
def good_start():
    """Weights that no epoch with a far too high rate will beat."""
    windows = make_windows()
    model = make_network()
    fit(model, *windows, replace(CONFIG, epochs=6))
    return model.state_dict(), windows


def begun(state):
    model = make_network()
    model.load_state_dict(state)
    return model


def test_a_start_that_no_epoch_beats_is_kept(good_start):
    state, windows = good_start
    model = begun(state)
    result = fit(model, *windows, HARMFUL, validate_start=True)
    assert (result.best_epoch, result.stopped_early) == (0, True)
    assert [record.epoch for record in result.history] == [0, 1, 2]
    assert result.best_val_loss == result.history[0].val_loss
    assert math.isnan(result.history[0].train_loss)
    for name, value in state.items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_a_start_that_an_epoch_beats_is_not_kept():
    result = fit(make_network(), *make_windows(), CONFIG, validate_start=True)
    assert result.best_epoch > 0
    assert result.best_val_loss < result.history[0].val_loss


def test_validating_the_start_changes_nothing_that_follows():
    one, two = make_network(), make_network()
    plain = fit(one, *make_windows(), CONFIG)
    judged = fit(two, *make_windows(), CONFIG, validate_start=True)
    assert without_seconds(judged.history[1:]) == without_seconds(plain.history)
    assert [record.epoch for record in plain.history] == [1, 2, 3]
    assert torch.equal(one.out.weight, two.out.weight)


@pytest.mark.parametrize("last", [0, 1])
def test_a_training_cut_off_after_any_epoch_still_knows_its_start(good_start, tmp_path, last):
    state, windows = good_start

    class CutOffError(Exception):
        pass

    def on_epoch(record):
        if record.epoch == last:
            raise CutOffError

    with pytest.raises(CutOffError):
        fit(
            begun(state), *windows, HARMFUL,
            checkpoint_dir=tmp_path, on_epoch=on_epoch, validate_start=True,
        )  # fmt: skip
    model = make_network()
    result = fit(model, *windows, HARMFUL, checkpoint_dir=tmp_path, validate_start=True)
    assert (result.best_epoch, result.resumed_from) == (0, last)
    assert [record.epoch for record in result.history] == [0, 1, 2]
    for name, value in state.items():
        assert torch.equal(value, model.state_dict()[name]), name
