"""Where ProbSparse begins to pay."""

from __future__ import annotations

import pytest

from informer.nn.crossing import Timing, crossing_length, measure


@pytest.mark.parametrize(
    ("prob", "expected"),
    [([2, 2, 2], None), ([2, 2, 0.5], 300), ([0.5, 2, 0.5], 300), ([0.5, 0.5, 0.5], 100)],
)
def test_the_crossing_is_the_length_from_which_on_prob_sparse_always_wins(prob, expected):
    timings = [Timing(length, p, 1.0) for length, p in zip((100, 200, 300), prob, strict=True)]
    assert crossing_length(timings) == expected


def test_both_attentions_are_timed_at_each_length():
    timings = measure((32, 64))
    assert [t.length for t in timings] == [32, 64]
    assert all(t.prob > 0 and t.full > 0 for t in timings)
