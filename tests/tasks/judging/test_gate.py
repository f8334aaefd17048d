"""The gate's verdicts on made-up evidence."""

from __future__ import annotations

import math

import pytest

from informer.evaluation import Comparison
from tasks.judging.gate import Evidence, decide
from tasks.settings import PromoteConfig

SURE = Comparison("moving-block bootstrap", -0.05, 0.002, 400)
UNSURE = Comparison("moving-block bootstrap", -0.05, 0.3, 400)


def judge(new, old, linear=0.5, *, rules=None, **found):
    evidence = Evidence(
        challenger={"mse": new, "churn": found.pop("churn", 0.1)},
        champion=None if old is None else {"mse": old, "churn": 0.1},
        baselines={"seasonal_naive": {"mse": 1.0}, "linear": {"mse": linear}},
        **{"chance": SURE} | found,
    )
    return decide(evidence, PromoteConfig(**(rules or {})))


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
    assert judge(0.4, None).reason == "test mse 0.4000 beats linear 0.5000"
    reason = judge(0.4, 0.45).reason
    assert reason.startswith("test mse 0.4000 beats champion 0.4500, linear 0.5000; ")
    assert "beyond chance (moving-block bootstrap: p = 0.002 at 400 cutoffs" in reason


def test_an_improvement_below_the_asked_share_does_not_promote():
    assert judge(0.396, 0.4, rules={"min_improvement": 0.05}).verdict == "HOLD"
    assert judge(0.37, 0.4, rules={"min_improvement": 0.05}).verdict == "PROMOTE"


def test_a_champion_that_cannot_be_compared_is_mentioned():
    decision = judge(0.4, None, incomparable="its horizon is 48 steps, not 24")
    assert decision.verdict == "PROMOTE"
    assert "its horizon is 48 steps" in decision.reason


def test_a_gain_within_chance_holds_and_says_how_likely_it_is():
    decision = judge(0.4, 0.41, chance=UNSURE)
    assert decision.verdict == "HOLD"
    assert "within chance" in decision.reason
    assert "p = 0.300 at 400 cutoffs, level 0.05" in decision.reason
    assert judge(0.4, 0.41, chance=UNSURE, rules={"level": 0.4}).verdict == "PROMOTE"
    assert judge(0.4, 0.41, chance=None, rules={"test": "none"}).verdict == "PROMOTE"


def test_where_chance_cannot_be_told_the_champion_stays():
    decision = judge(0.4, 0.41, chance=None, cannot_tell="5 rolling origins are too few.")
    assert decision.verdict == "HOLD"
    assert "cannot be told: 5 rolling origins are too few" in decision.reason


def test_a_target_that_gets_much_worse_is_named():
    targets = {"north": (0.2, 0.4), "south": (0.5, 0.4), "dead": (math.nan, math.nan)}
    decision = judge(0.4, 0.45, targets=targets)
    assert decision.verdict == "HOLD"
    assert "of 3 targets 1 would be worse by more than 10%" in decision.reason
    assert "south by 25% (0.5000 against 0.4000)" in decision.reason
    assert "north" not in decision.reason
    assert judge(0.4, 0.45, targets=targets, rules={"max_harm": 0.3}).verdict == "PROMOTE"


def test_a_target_that_was_perfect_may_not_get_worse_at_all():
    assert judge(0.4, 0.45, targets={"flat": (0.1, 0.0)}).verdict == "HOLD"


def test_forecasts_that_move_too_much_hold_only_where_a_limit_is_set():
    assert judge(0.4, 0.45, churn=0.9).verdict == "PROMOTE"
    assert judge(0.4, 0.45, churn=0.11, rules={"max_churn": 0.2}).verdict == "PROMOTE"
    decision = judge(0.4, 0.45, churn=0.9, rules={"max_churn": 0.2})
    assert decision.verdict == "HOLD"
    assert "move by 0.9000 from one cutoff to the next, the champion's by 0.1000" in decision.reason
    unknown = judge(0.4, 0.45, churn=math.nan, rules={"max_churn": 0.2})
    assert unknown.verdict == "HOLD"
    assert "lower evaluate.stride" in unknown.reason


def test_a_gain_within_the_spread_of_seeds_is_none():
    decision = judge(0.40, 0.41, seeds=(0.40, 0.42, 0.38))
    assert decision.verdict == "HOLD"
    assert "the gain of 0.0100 is not larger than the spread of mse over 3 seeds (0.0200)" in (
        decision.reason
    )
    assert judge(0.40, 0.45, seeds=(0.40, 0.42, 0.38)).verdict == "PROMOTE"


def test_a_spread_that_nobody_asked_for_is_mentioned():
    assert "not measured" in judge(0.4, 0.45, rules={"spread_seeds": 0}).reason


def test_a_champion_worse_than_a_baseline_stays_until_the_gain_is_beyond_chance():
    decision = judge(0.4, 0.6, chance=UNSURE)
    assert (decision.verdict, decision.serves) == ("HOLD", "champion")


def test_every_check_is_listed_with_its_outcome():
    decision = judge(0.4, 0.45, chance=UNSURE, seeds=(0.4, 0.41), rules={"max_churn": 1})
    assert [(check.name, check.passed) for check in decision.checks] == [
        ("baselines", True), ("champion", True), ("chance", False), ("targets", True),
        ("churn", True), ("seeds", True),
    ]  # fmt: skip
