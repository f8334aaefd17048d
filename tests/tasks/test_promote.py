"""The gate's verdicts on made-up errors."""

from __future__ import annotations

import pytest

from tasks.promote import decide


def judge(new, old, naive=1.0, linear=0.5, min_improvement=0.0, incomparable=""):
    return decide(
        {"mse": new},
        None if old is None else {"mse": old},
        {"seasonal_naive": {"mse": naive}, "linear": {"mse": linear}},
        metric="mse",
        min_improvement=min_improvement,
        incomparable=incomparable,
    )


@pytest.mark.parametrize(
    ("new", "old", "verdict", "serves"),
    [
        (0.4, None, "PROMOTE", "informer"),
        (0.4, 0.45, "PROMOTE", "informer"),
        (0.45, 0.4, "HOLD", "champion"),
        (0.4, 0.4, "HOLD", "champion"),
        (0.6, 0.4, "HOLD", "champion"),
        (0.6, None, "FALLBACK", "linear"),
        (0.6, 0.7, "FALLBACK", "linear"),
        (0.6, 0.5, "HOLD", "champion"),  # the champion is that baseline already
        (0.5, None, "FALLBACK", "linear"),  # a tie is no improvement
    ],
)
def test_the_best_model_serves_and_ties_change_nothing(new, old, verdict, serves):
    decision = judge(new, old)
    assert (decision.verdict, decision.serves) == (verdict, serves)


def test_the_reason_names_every_error_that_was_compared():
    assert judge(0.4, 0.45).reason == "test mse 0.4000 beats champion 0.4500, linear 0.5000"


def test_an_improvement_below_the_asked_share_does_not_promote():
    assert judge(0.396, 0.4, min_improvement=0.05).verdict == "HOLD"
    assert judge(0.37, 0.4, min_improvement=0.05).verdict == "PROMOTE"


def test_a_champion_that_cannot_be_compared_is_mentioned():
    decision = judge(0.4, None, incomparable="its horizon is 48 steps, not 24")
    assert decision.verdict == "PROMOTE"
    assert "its horizon is 48 steps" in decision.reason
