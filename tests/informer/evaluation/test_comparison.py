"""Paired tests: how often they err, what they find, and their numbers by hand."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
from arch.bootstrap import optimal_block_length

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


def p_values(test, n: int, persistence: float, overlap: int) -> np.ndarray:
    """Of models that are no better, in 200 draws; without the draws that are too few to tell."""
    found = []
    for seed in range(200):
        with suppress(EvidenceError):
            pair = losses(seed, n, persistence=persistence)
            found.append(test(*pair, overlap=overlap).p_value)
    return np.array(found)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(("n", "persistence"), [(120, 0.0), (400, 0.0), (800, 0.5)])
def test_a_model_that_is_no_better_passes_about_as_often_as_the_level_allows(test, n, persistence):
    found = p_values(test, n, persistence, HORIZON - 1)
    assert len(found) > 160
    assert 0.01 <= np.mean(found <= 0.05) <= 0.12  # a test blind to the overlap passes 0.3
    assert 0.08 <= np.mean(found <= 0.2) <= 0.3


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("overlap", [0, HORIZON - 1])
def test_regimes_that_outlast_the_horizon_do_not_fool_a_test(test, overlap):
    """Losses alike over a hundred origins: blocks of the overlap alone pass 0.17 and more."""
    found = p_values(test, 1000, 0.98, overlap)
    assert len(found) == 200
    assert np.mean(found <= 0.05) <= 0.13


@pytest.mark.parametrize("test", TESTS)
def test_an_overlap_that_is_not_told_is_found_in_the_losses(test):
    assert np.mean(p_values(test, 400, 0.0, overlap=0) <= 0.05) <= 0.12


@pytest.mark.parametrize("test", TESTS)
def test_origins_that_are_alike_for_too_long_are_refused(test):
    walk = np.random.default_rng(4).normal(size=16).cumsum()
    message = r"16 rolling .* up to 6 .* depend on each other, .* at least 24 are"
    with pytest.raises(EvidenceError, match=message):
        test(walk, 0 * walk, overlap=0)
    with pytest.raises(EvidenceError, match=r"11 rolling origins .* at least 12 are needed"):
        test(walk[:11], 0 * walk[:11], overlap=0)


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


@pytest.mark.parametrize("overlap", [0, 2])
def test_diebold_mariano_by_hand(overlap):
    gain = 0.2 + np.random.default_rng(7).normal(size=40)
    found = diebold_mariano(-gain, 0 * gain, overlap=overlap)
    block = float(optimal_block_length(gain)["circular"].iloc[0])
    h = max(2 * overlap + 1, math.ceil(2 * block))
    assert h == (5 if overlap else 2)
    centred = gain - gain.mean()
    covariances = [sum(centred[k:] * centred[: 40 - k]) / 40 for k in range(h)]
    variance = covariances[0] + 2 * sum((1 - k / h) * covariances[k] for k in range(1, h))
    correction = math.sqrt((40 + 1 - 2 * h + h * (h - 1) / 40) / 40)
    statistic = correction * gain.mean() / math.sqrt(variance / 40)
    drawn = np.random.default_rng(0).standard_t(1.5 * 40 / h, size=400_000)
    assert found.mean_difference == pytest.approx(-gain.mean())
    assert found.n_origins == 40
    assert found.p_value == pytest.approx(np.mean(drawn > statistic), abs=3e-3)


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
