"""What intervals cover, from two windows to many, and what they do where nothing is known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from informer.config import QUANTILES
from informer.estimators.conformal import n_needed, offsets, order_statistics, rank

ENDS = (0.1, 0.9)
N_DRAWS = 20_000  # coverages are then known to half a hundredth

# Coverage of the 80 % interval, simulated, by the number of windows that it is calibrated on. With
# the outermost residuals in place of Student's t it was 0.33 at 2, 0.50 at 3 and 0.67 at 5.
COVERAGE = {
    "normal": {2: 0.803, 3: 0.802, 5: 0.799, 8: 0.831, 9: 0.800, 20: 0.812, 100: 0.805},
    "heavy": {2: 0.788, 3: 0.793, 5: 0.803, 8: 0.830, 9: 0.803, 20: 0.807, 100: 0.808},
    "skewed": {2: 0.779, 3: 0.798, 5: 0.829, 8: 0.876, 9: 0.798, 20: 0.805, 100: 0.803},
}
DRAW = {
    "normal": lambda rng, size: rng.normal(size=size),
    "heavy": lambda rng, size: rng.standard_t(3, size=size),
    "skewed": lambda rng, size: rng.exponential(size=size) - 1,
}


def covered(kind: str, n_windows: int) -> float:
    """How often the next error lies in the interval from n independent ones before it."""
    errors = DRAW[kind](np.random.default_rng(n_windows), (n_windows + 1, 1, N_DRAWS, 1))
    errors = torch.from_numpy(errors)
    low, high = offsets(errors[:-1], ENDS)
    return float(((errors[-1, 0] >= low) & (errors[-1, 0] <= high)).double().mean())


@pytest.mark.parametrize("kind", DRAW)
def test_an_interval_of_few_windows_covers_what_it_promises_as_one_of_many_does(kind):
    found = {n: covered(kind, n) for n in COVERAGE[kind]}
    assert found == pytest.approx(COVERAGE[kind], abs=0.01)
    assert min(found.values()) > 0.77


@pytest.mark.parametrize("kind", DRAW)
def test_a_single_window_has_an_interval_too(kind):
    errors = torch.from_numpy(DRAW[kind](np.random.default_rng(1), (2, 1, 600, 1)))
    inside = []
    for before, after in zip(errors[0, 0], errors[1, 0], strict=True):
        low, high = offsets(before.view(1, 1, 1, 1), ENDS)
        inside.append(low.item() <= after.item() <= high.item())
    assert 0.75 < np.mean(inside) < 0.85


def test_a_rank_is_exact_at_every_level_and_number_of_residuals():
    count = torch.arange(2001)
    for level in (*QUANTILES, 0.005, 0.025, 0.05, 0.95, 0.975, 0.99, 0.995):
        exact = Fraction(str(level))
        up = level > 0.5
        wanted = [-(-(n + 1) * exact // 1) if up else (n + 1) * exact // 1 for n in range(2001)]
        assert rank(count, level).tolist() == wanted, level


def test_the_need_is_the_least_number_whose_ranks_are_among_the_residuals():
    assert n_needed(ENDS) == n_needed(QUANTILES) == 9
    assert n_needed((0.025, 0.5)) == 39
    assert n_needed((0.5,)) == 1
    assert n_needed((0.6,)) == 2


def test_within_the_ranks_a_quantile_is_a_residual():
    error = torch.randn(99, 1, 3, 2, generator=torch.Generator().manual_seed(0))
    found = offsets(error, QUANTILES)
    ordered = error[:, 0].sort(dim=0).values
    assert torch.equal(found, ordered[[9, 19, 29, 39, 49, 59, 69, 79, 89]])
    chosen, exact = order_statistics(error, QUANTILES)
    assert torch.equal(chosen, found)
    assert exact.all()


@pytest.mark.parametrize("n_windows", [1, 2, 3, 5, 8, 9])
@pytest.mark.parametrize("n_forecasts", [1, 9])
def test_quantiles_rise_and_no_interval_is_certain(n_windows, n_forecasts):
    rng = np.random.default_rng(n_windows)
    error = torch.from_numpy(rng.normal(size=(n_windows, n_forecasts, 6, 3))).float()
    error[:, :, :, 2] = torch.nan  # a target that was never observed
    error[1:, :, 3, 1] = torch.nan  # a step that was observed once
    error[:, :, 4, 1] = torch.nan  # and one that never was
    found = offsets(error, QUANTILES)
    assert found.dtype == torch.float32
    assert not found.isnan().any()
    if n_forecasts == 1:
        assert (found.diff(dim=0) >= 0).all()
    assert (found[-1] > found[0]).all()


def test_what_was_never_observed_takes_the_spread_of_its_other_steps_else_of_other_targets():
    generator = torch.Generator().manual_seed(0)
    error = torch.randn(400, 1, 4, 3, generator=generator)
    error[:, :, :, 1] *= 10
    error[:, :, 2, 1] = torch.nan
    error[:, :, :, 2] = torch.nan
    width = offsets(error, ENDS).diff(dim=0)[0]  # (P, C_t), 2.56 deviations
    assert width[2, 1] == pytest.approx(25.6, rel=0.05)
    assert width[:, 2].tolist() == pytest.approx([2.56 * (304 / 7) ** 0.5] * 4, rel=0.05)


def test_no_residual_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one residual"):
        offsets(torch.full((3, 1, 2, 1), torch.nan), ENDS)
