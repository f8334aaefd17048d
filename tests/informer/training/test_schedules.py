"""Learning rates are those of the reference, and of torch's own schedulers."""

import math

import pytest
import torch

from informer.config import TrainingConfig
from informer.training.schedules import learning_rate


def rates(n_steps=1, **settings):
    config = TrainingConfig(**settings)
    return [
        learning_rate(config, epoch, step, n_steps)
        for epoch in range(1, config.epochs + 1)
        for step in range(n_steps)
    ]


def reference_rates(adjustment, base, n_epochs):
    """The reference changes the optimiser's rate after epoch e where its table names e."""
    rate, used = base, []
    for epoch in range(1, n_epochs + 1):
        used.append(rate)
        rate = adjustment(epoch) or rate
    return used


def test_type1_halves_the_rate_after_every_epoch_as_the_reference_does():
    expected = reference_rates(lambda epoch: 1e-4 * 0.5 ** (epoch - 1), 1e-4, 8)
    assert rates(schedule="type1", learning_rate=1e-4, epochs=8) == pytest.approx(expected)


def test_type2_follows_the_reference_s_list():
    table = {2: 5e-5, 4: 1e-5, 6: 5e-6, 8: 1e-6, 10: 5e-7, 15: 1e-7, 20: 5e-8}
    expected = reference_rates(table.get, 3e-4, 25)
    assert rates(schedule="type2", learning_rate=3e-4, epochs=25) == expected


def test_constant_stays():
    assert rates(schedule="constant", learning_rate=0.01, epochs=3, n_steps=2) == [0.01] * 6


def test_cosine_falls_from_the_base_rate_towards_zero():
    found = rates(schedule="cosine", learning_rate=1.0, epochs=4, n_steps=5)
    expected = [(1 + math.cos(math.pi * i / 20)) / 2 for i in range(20)]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("epochs", "n_steps"), [(4, 5), (1, 10), (7, 3)])
def test_onecycle_equals_torch(epochs, n_steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=epochs * n_steps
    )
    expected = []
    for _ in range(epochs * n_steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < epochs * n_steps:
            scheduler.step()
    found = rates(schedule="onecycle", learning_rate=0.1, epochs=epochs, n_steps=n_steps)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["cosine", "onecycle"])
def test_a_training_of_one_step_has_a_rate(schedule):
    (rate,) = rates(schedule=schedule, learning_rate=0.1, epochs=1)
    assert 0 < rate <= 0.1
