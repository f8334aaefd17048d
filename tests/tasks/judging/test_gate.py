"""The gate's verdicts on made-up evidence."""

from __future__ import annotations

import math

import pytest

from informer.evaluation import Comparison, Harmed
from tasks.judging.gate import Contest, Evidence, decide
from tasks.settings import PromoteConfig

SURE = Comparison("moving-block bootstrap", -0.05, 0.002, 400)
UNSURE = Comparison("moving-block bootstrap", -0.05, 0.3, 400)


def judge(new, old, linear=0.5, *, rules=None, churn=0.1, incomparable="", seeds=None, **found):
    """`found` is what is known of whichever model stands against the champion."""
    errors = {"informer": new, "seasonal_naive": 1.0, "linear": linear}
    if old is not None:
        errors["champion"] = old
    metrics = {name: {"mse": error, "churn": 0.1} for name, error in errors.items()}
    metrics["informer"]["churn"] = churn
    against = {
        name: Contest(errors[name], old, 400, n_targets=3, **{"chance": SURE} | found)
        for name in ("informer", "linear")
        if old is not None
    }
    over = {name: Contest(new, errors[name], 400) for name in ("seasonal_naive", "linear")}
    common = {name: errors[name] for name in over}
    evidence = Evidence(metrics, common, over, against, incomparable, seeds)
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
    ruling = judge(new, old)
    assert (ruling.verdict, ruling.serves) == (verdict, serves)


def test_the_reason_names_every_error_that_was_compared():
    assert judge(0.4, None).reason == "test mse 0.4000 beats linear 0.5000"
    reason = judge(0.4, 0.45).reason
    assert reason.startswith("test mse 0.4000 beats champion 0.4500, linear 0.5000; ")
    assert "beyond chance (moving-block bootstrap: p = 0.002 at 400 cutoffs" in reason


def test_an_improvement_below_the_asked_share_does_not_promote():
    assert judge(0.396, 0.4, rules={"min_improvement": 0.05}).verdict == "HOLD"
    assert judge(0.37, 0.4, rules={"min_improvement": 0.05}).verdict == "PROMOTE"


def test_a_baseline_is_a_challenger_like_any_other():
    """0.5000 against 0.5001 displaces nobody, unless that is beyond chance."""
    ruling = judge(0.6, 0.5001, chance=UNSURE)
    assert (ruling.verdict, ruling.serves) == ("HOLD", "champion")
    assert "nor can linear replace the champion" in ruling.reason
    assert "within chance" in ruling.reason
    assert judge(0.6, 0.5001, rules={"min_improvement": 0.05}).verdict == "HOLD"
    ruling = judge(0.6, 0.5001)
    assert (ruling.verdict, ruling.serves) == ("FALLBACK", "linear")
    assert "linear serves; the gain is beyond chance" in ruling.reason


def test_a_champion_that_cannot_be_compared_stays_and_the_mend_is_named():
    ruling = judge(0.4, None, incomparable="its horizon is 48 steps, not 24")
    assert (ruling.verdict, ruling.serves) == ("HOLD", "champion")
    assert "its horizon is 48 steps, not 24" in ruling.reason
    assert "informer models promote" in ruling.reason


def test_forecasts_that_are_no_numbers_lose_by_name():
    ruling = judge(math.inf, 0.7)
    assert (ruling.verdict, ruling.serves) == ("FALLBACK", "linear")
    assert "its forecasts are not all finite numbers" in ruling.reason
    assert [c.passed for c in ruling.checks if c.name == "finite"] == [False]
    ruling = judge(0.6, None, linear=math.inf)
    assert (ruling.verdict, ruling.serves) == ("PROMOTE", "informer")
    assert "not all finite numbers: linear" in ruling.reason
    ruling = judge(0.4, math.inf, chance=None)
    assert (ruling.verdict, ruling.serves) == ("PROMOTE", "informer")
    assert "not all finite numbers: champion" in ruling.reason


@pytest.mark.parametrize("wild", [math.nan, math.inf])
def test_no_comparison_with_what_is_no_number_favours_it(wild):
    """A NaN is neither less nor more than anything, so it must not come out first by default."""
    ruling = judge(wild, 0.7)
    assert (ruling.verdict, ruling.serves) == ("FALLBACK", "linear")
    ruling = judge(wild, 0.4)
    assert (ruling.verdict, ruling.serves) == ("HOLD", "champion")
    assert "its forecasts are not all finite numbers" in ruling.reason
    ruling = judge(0.6, None, linear=wild)
    assert (ruling.verdict, ruling.serves) == ("PROMOTE", "informer")
    assert "not all finite numbers: linear" in ruling.reason
    ruling = judge(0.4, wild, chance=None)
    assert (ruling.verdict, ruling.serves) == ("PROMOTE", "informer")
    assert "not all finite numbers: champion" in ruling.reason
    ruling = judge(0.4, 0.45, seeds=(0.4, wild, 0.41))
    assert ruling.verdict == "HOLD"
    assert "1 of 3 seeds give forecasts that are not all finite numbers" in ruling.reason


@pytest.mark.parametrize("wild", [math.nan, math.inf])
def test_where_nothing_is_finite_nothing_serves_and_the_champion_stays(wild):
    metrics = {name: {"mse": wild, "mae": wild, "churn": 0.1} for name in ("informer", "linear")}
    over = {"linear": Contest(wild, wild, 400)}
    found = Evidence(metrics, {"linear": wild}, over)
    ruling = decide(found, PromoteConfig())
    assert (ruling.verdict, ruling.serves) == ("HOLD", "champion")
    assert "no model can serve, and the champion stays" in ruling.reason


def test_a_champion_of_another_schema_gives_way_only_where_the_rules_say_so():
    why = "its horizon is 48 steps, not 24"
    held = judge(0.4, None, incomparable=why)
    assert (held.verdict, held.serves) == ("HOLD", "champion")
    assert "promote.on_new_schema: replace" in held.reason
    rules = {"on_new_schema": "replace"}
    ruling = judge(0.4, None, incomparable=why, rules=rules)
    assert (ruling.verdict, ruling.serves) == ("PROMOTE", "informer")
    assert f"the champion cannot be compared: {why}; it gives way" in ruling.reason
    ruling = judge(0.6, None, incomparable=why, rules=rules)
    assert (ruling.verdict, ruling.serves) == ("FALLBACK", "linear")
    assert "it gives way (promote.on_new_schema: replace)" in ruling.reason
    nothing = judge(math.nan, None, incomparable=why, rules=rules, linear=0.5)
    assert (nothing.verdict, nothing.serves) == ("FALLBACK", "linear")


def test_a_gain_within_chance_holds_and_says_how_likely_it_is():
    ruling = judge(0.4, 0.41, chance=UNSURE)
    assert ruling.verdict == "HOLD"
    assert "within chance" in ruling.reason
    assert "p = 0.300 at 400 cutoffs, level 0.05" in ruling.reason
    assert judge(0.4, 0.41, chance=UNSURE, rules={"level": 0.4}).verdict == "PROMOTE"
    assert judge(0.4, 0.41, chance=None, rules={"test": "none"}).verdict == "PROMOTE"


def test_where_chance_cannot_be_told_the_champion_stays():
    ruling = judge(0.4, 0.41, chance=None, cannot_tell="5 rolling origins are too few.")
    assert ruling.verdict == "HOLD"
    assert (
        "it is unknown whether the gain is chance: 5 rolling origins are too few" in ruling.reason
    )


def test_targets_that_get_much_worse_are_named():
    harmed = (Harmed("target", "south", 0.5, 0.4, 0.001), Harmed("series", "north", 0.4, 0.3, 0.01))
    ruling = judge(0.4, 0.45, harmed=harmed)
    assert ruling.verdict == "HOLD"
    assert "1 of 3 targets would be worse by more than 10% beyond chance" in ruling.reason
    assert "south by 25% (0.5000 against 0.4000)" in ruling.reason
    assert "all targets of north by 33%" in ruling.reason


def test_forecasts_that_move_too_much_hold_only_where_a_limit_is_set():
    assert judge(0.4, 0.45, churn=0.9).verdict == "PROMOTE"
    assert judge(0.4, 0.45, churn=0.11, rules={"max_churn": 0.2}).verdict == "PROMOTE"
    ruling = judge(0.4, 0.45, churn=0.9, rules={"max_churn": 0.2})
    assert ruling.verdict == "HOLD"
    assert "move by 0.9000 from one cutoff to the next, the champion's by 0.1000" in ruling.reason
    unknown = judge(0.4, 0.45, churn=math.nan, rules={"max_churn": 0.2})
    assert unknown.verdict == "HOLD"
    assert "lower evaluate.stride" in unknown.reason


def test_a_gain_within_the_spread_of_seeds_is_none():
    ruling = judge(0.40, 0.41, seeds=(0.40, 0.42, 0.38))
    assert ruling.verdict == "HOLD"
    assert "the gain of 0.0100 is not larger than the spread of mse over 3 seeds (0.0200)" in (
        ruling.reason
    )
    assert judge(0.40, 0.45, seeds=(0.40, 0.42, 0.38)).verdict == "PROMOTE"


def test_a_spread_that_nobody_asked_for_is_mentioned():
    assert "not measured" in judge(0.4, 0.45, rules={"spread_seeds": 0}).reason


def test_a_champion_worse_than_a_baseline_stays_until_the_gain_is_beyond_chance():
    ruling = judge(0.4, 0.6, chance=UNSURE)
    assert (ruling.verdict, ruling.serves) == ("HOLD", "champion")


def test_every_check_is_listed_with_its_outcome():
    ruling = judge(0.4, 0.45, chance=UNSURE, seeds=(0.4, 0.41), rules={"max_churn": 1})
    assert [(check.name, check.passed) for check in ruling.checks] == [
        ("finite", True), ("baselines", True), ("champion", True), ("chance", False),
        ("targets", True), ("churn", True), ("seeds", True),
    ]  # fmt: skip
