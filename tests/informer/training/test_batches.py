"""Every window counts, in an order that only the seed and the epoch decide."""

import pytest
import torch

from informer.config import TrainingConfig
from informer.training.batches import epoch_batches, epoch_seed, n_batches, share


def test_an_epoch_visits_every_window_once_the_short_last_batch_included():
    config = TrainingConfig(batch_size=32)
    batches = epoch_batches(70, config, epoch=1)
    assert [len(index) for index in batches] == [32, 32, 6]
    assert n_batches(70, config) == 3
    assert torch.cat(batches).sort().values.tolist() == list(range(70))


def test_another_epoch_and_another_seed_have_another_order():
    orders = {
        tuple(torch.cat(epoch_batches(70, TrainingConfig(seed=seed), epoch)).tolist())
        for seed in (0, 1)
        for epoch in (1, 2)
    }
    assert len(orders) == 4


def test_the_same_epoch_has_the_same_order_again():
    first, again = (torch.cat(epoch_batches(70, TrainingConfig(), 3)) for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("steps", [1, 2, 3, 20])
def test_a_limited_epoch_has_as_many_full_batches_as_asked_for(steps):
    config = TrainingConfig(batch_size=32, steps_per_epoch=steps)
    batches = epoch_batches(70, config, epoch=1)
    assert [len(index) for index in batches] == [32] * steps == [32] * n_batches(70, config)
    drawn = torch.cat(batches).bincount(minlength=70)
    assert drawn.max() - drawn.min() <= 1


def test_the_shares_of_a_batch_are_the_batch():
    index = torch.arange(7)
    shares = [share(index, process, 3) for process in range(3)]
    assert torch.cat([part for part, _ in shares]).sort().values.tolist() == list(range(7))
    assert sum(portion for _, portion in shares) == pytest.approx(1)


def test_a_process_without_a_window_counts_for_nothing():
    part, portion = share(torch.tensor([5]), process=1, n_processes=2)
    assert part.tolist() == [5]
    assert portion == 0.0


def test_no_two_uses_of_random_numbers_share_a_seed():
    seeds = {
        epoch_seed(seed, epoch, stream, process)
        for seed in (0, 1)
        for epoch in (1, 2)
        for stream in ("order", "keys", "dropout")
        for process in (0, 1)
    }
    assert len(seeds) == 24
