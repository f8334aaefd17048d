"""Who is harmed beyond chance, among few targets and among thousands."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from informer.evaluation.harm import false_discovery, find_harmed
from informer.evaluation.windows import Pairs

N_CUTOFFS = 160


def pairs(change: np.ndarray, noise: float, overlap: int = 0, seed: int = 0) -> Pairs:
    """Targets (series x column) whose new loss is `change` times the old one, and noise."""
    rng = np.random.default_rng(seed)
    n_series, n_columns = change.shape
    index = pd.MultiIndex.from_product(
        [[f"s{i}" for i in range(n_series)], [f"c{i}" for i in range(n_columns)], range(N_CUTOFFS)]
    )
    series, column, cutoff = (index.get_level_values(i) for i in range(3))
    old = 1 + 0.2 * rng.standard_normal(len(index))
    new = old * np.repeat(change.ravel(), N_CUTOFFS) + noise * rng.standard_normal(len(index))
    windows = pd.DataFrame(
        {"unique_id": series + "/" + column, "series": series, "target": column, "cutoff": cutoff}
    )
    return Pairs(windows, cutoff.to_numpy(), np.full(len(index), 24.0), new, old, overlap)


@pytest.mark.parametrize("n_series", [3, 100, 3000])
def test_the_number_of_targets_decides_nothing(n_series):
    """Uniformly 5 % better, each target with noise that makes some of them look much worse."""
    better = np.full((n_series, 1), 0.95)
    found = [find_harmed(pairs(better, 1.5, seed=s), 0.1, 0.05) for s in range(20)]
    assert sum(map(bool, found)) <= 3
    looks = find_harmed(pairs(better, 1.5), 0.1, None)
    assert n_series < 100 or len(looks) > n_series / 100  # by their means alone many would be


def test_the_targets_that_are_really_worse_are_found_and_no_others():
    change = np.full((1000, 1), 0.95)
    change[[3, 77]] = 1.5
    found = find_harmed(pairs(change, 0.3), 0.1, 0.05)
    assert {one.name for one in found} == {"s3/c0", "s77/c0"}
    assert all(one.new > 1.3 * one.old for one in found)
    assert all(one.p_value < 1e-3 for one in found)


def test_harm_that_many_share_is_found_by_group_where_none_of_them_tells():
    change = np.full((300, 2), 0.95)
    change[:, 1] = 1.14
    found = find_harmed(pairs(change, 1.5), 0.1, 0.05)
    assert [(one.group, one.name) for one in found] == [("column", "c1")]
    change = np.full((3, 100), 0.95)
    change[2] = 1.18
    found = find_harmed(pairs(change, 1.5), 0.1, 0.05)
    assert [(one.group, one.name) for one in found] == [("series", "s2")]


def test_what_was_perfect_may_not_get_worse():
    made = pairs(np.ones((2, 1)), 0.0)
    made.old[:N_CUTOFFS] = 0.0
    (one,) = find_harmed(made, 0.1, 0.05)
    assert (one.name, one.old) == ("s0/c0", 0.0)


def test_too_few_blocks_prove_nothing():
    assert find_harmed(pairs(np.full((2, 1), 2.0), 0.1, overlap=30), 0.1, 0.05) == ()
    assert len(find_harmed(pairs(np.full((2, 1), 2.0), 0.1, overlap=19), 0.1, 0.05)) == 2


def test_false_discoveries_are_bounded_as_benjamini_and_hochberg_have_it():
    p = np.array([0.001, 0.2, 0.011, 0.035, 0.9, 0.0125])
    assert false_discovery(p, 0.05).tolist() == [True, False, True, False, False, True]
    bars = [Fraction(5, 100) * k / 6 for k in range(1, 7)]
    assert sum(x <= bar for x, bar in zip(sorted(p), bars, strict=True)) == 3
    assert not false_discovery(np.ones(4), 0.05).any()
