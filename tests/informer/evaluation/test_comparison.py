"""Paired tests: how often they err, what they find, and their numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from informer.errors import EvidenceError
from informer.evaluation.comparison import block_bootstrap, diebold_mariano, overlapping

TESTS = [diebold_mariano, block_bootstrap]
HORIZON = 12


def losses(seed: int, n: int, gain: float = 0.0, persistence: float = 0.0):
    """Losses alike over a horizon of overlapping windows, and beyond it by `persistence`."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=n + HORIZON + 50)
    for i in range(1, len(noise)):
        noise[i] += persistence * noise[i - 1]
    smooth = np.convolve(noise[50:], np.ones(HORIZON) / HORIZON, "valid")[:n]
    old = 1 + 0.1 * rng.normal(size=n)
    return old + smooth - gain, old


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(("n", "persistence"), [(120, 0.0), (400, 0.0), (800, 0.5)])
def test_a_model_that_is_no_better_passes_about_as_often_as_the_level_allows(test, n, persistence):
    p_values = [
        test(*losses(seed, n, persistence=persistence), overlap=HORIZON - 1).p_value
        for seed in range(200)
    ]
    share = np.mean(np.array(p_values) <= 0.05)
    assert 0.01 <= share <= 0.12  # a test blind to the overlap passes 0.3
    assert 0.08 <= np.mean(np.array(p_values) <= 0.2) <= 0.3


def test_a_test_that_ignores_the_overlap_would_be_fooled():
    passed = [diebold_mariano(*losses(s, 400), overlap=0).p_value <= 0.05 for s in range(200)]
    assert np.mean(passed) > 0.2


@pytest.mark.parametrize("test", TESTS)
def test_a_real_gain_is_found_and_a_loss_is_none(test):
    found = [test(*losses(s, 800, gain=0.3), overlap=HORIZON - 1).p_value for s in range(40)]
    assert np.mean(np.array(found) <= 0.05) > 0.9
    worse = test(*losses(0, 800, gain=-0.3), overlap=HORIZON - 1)
    assert worse.p_value > 0.95
    assert worse.mean_difference > 0.2


@pytest.mark.parametrize("test", TESTS)
def test_equal_models_are_no_improvement(test):
    old = losses(0, 100)[1]
    assert test(old, old, overlap=3).p_value == 1


def test_diebold_mariano_by_hand_without_overlap():
    old = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    new = old - np.array([0.0, 1.0, 0.0, 1.0, 3.0])
    found = diebold_mariano(new, old, overlap=0)
    # mean 1, variance (1 + 0 + 1 + 0 + 4) / 5 = 1.2; DM = 1 / sqrt(1.2 / 5) = 2.041; correction
    # sqrt((5 + 1 - 2) / 5) = 0.894; t = 1.826 with 4 degrees of freedom: 0.0710
    assert found.mean_difference == pytest.approx(-1)
    assert found.n_origins == 5
    t = math.sqrt(4 / 5) / math.sqrt(1.2 / 5)
    by_hand = 0.5 - t / math.sqrt(4 + t * t) * (1 + 2 / (4 + t * t)) / 2  # the closed form for 4
    assert found.p_value == pytest.approx(by_hand, abs=1e-6)
    assert found.p_value == pytest.approx(0.0710, abs=1e-4)


def test_diebold_mariano_by_hand_with_overlap():
    gain = np.tile([2.0, 0.0, 1.0], 4)
    found = diebold_mariano(-gain, 0 * gain, overlap=1)
    centred = gain - 1
    c0, c1, c2 = (sum(centred[k:] * centred[: 12 - k]) / 12 for k in range(3))
    variance = c0 + 2 * (2 / 3 * c1 + 1 / 3 * c2)
    statistic = math.sqrt((12 + 1 - 6 + 3 * 2 / 12) / 12) / math.sqrt(variance / 12)
    rng = np.random.default_rng(0)
    drawn = rng.standard_t(11, size=400_000)
    assert found.p_value == pytest.approx(np.mean(drawn > statistic), abs=2e-3)


def test_a_bootstrap_repeats_with_its_seed():
    pair = losses(1, 400, gain=0.1)
    p_values = [block_bootstrap(*pair, overlap=11, seed=seed).p_value for seed in (3, 3, 4)]
    assert p_values[0] == p_values[1] != p_values[2]


@pytest.mark.parametrize("test", TESTS)
def test_too_few_origins_are_refused_and_the_need_is_named(test):
    with pytest.raises(EvidenceError, match=r"60 rolling origins .* at least 92 are needed"):
        test(*losses(0, 60), overlap=11)


@pytest.mark.parametrize(("n_steps", "stride"), [(24, 1), (24, 24), (24, 7), (6, 4), (1, 1)])
def test_the_overlap_follows_from_horizon_and_stride(n_steps, stride):
    steps = np.arange(0, 40 * stride, stride)
    assert overlapping(steps, n_steps) == math.ceil(n_steps / stride) - 1


def test_cutoffs_of_series_that_are_out_of_step_overlap_more():
    steps = np.sort(np.concatenate([np.arange(0, 100, 4), np.arange(1, 100, 4)]))
    assert overlapping(steps, 6) == 3
