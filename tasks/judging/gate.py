"""The gate's rules, as one pure function of what the evaluation found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import stdev
from typing import Literal

from informer.evaluation import Comparison
from tasks.judging.evaluate import CHALLENGER_NAME, CHAMPION_NAME
from tasks.settings import PromoteConfig

__all__ = ["Check", "Decision", "Evidence", "Verdict", "decide"]

SHOWN_TARGETS = 3

Verdict = Literal["PROMOTE", "HOLD", "FALLBACK"]
Errors = Mapping[str, float]


@dataclass(frozen=True)
class Check:
    """One rule: its name, whether the challenger passed, and the numbers that say so."""

    name: str
    passed: bool
    what: str


@dataclass(frozen=True)
class Decision:
    """A verdict, its reason in one sentence, and who serves: `informer`, `champion`, a baseline.

    `checks` are the rules that were looked at, in their order.
    """

    verdict: Verdict
    reason: str
    serves: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What the gate judges by; all errors come from the same windows, in the same units.

    Attributes:
        challenger: metric to value; `churn` among them.
        baselines: name to the same.
        champion: the same of the champion; None where there is none that can be compared.
        incomparable: why a champion could not be compared; empty where it could, or there is none.
        targets: `unique_id` to the compared metric of challenger and champion.
        chance: the paired test of the two, None where none was asked for.
        cannot_tell: why that test could not be made; empty where it could.
        seeds: the compared metric of the challenger and of its further seeds; None: not measured.
    """

    challenger: Errors
    baselines: Mapping[str, Errors]
    champion: Errors | None = None
    incomparable: str = ""
    targets: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    chance: Comparison | None = None
    cannot_tell: str = ""
    seeds: tuple[float, ...] | None = None


def decide(evidence: Evidence, rules: PromoteConfig) -> Decision:
    """Judge the challenger.

    PROMOTE where it undercuts every baseline and, against a champion that can be compared, passes
    every check below; HOLD where it does not and the champion stays; FALLBACK where neither beats
    the best baseline, which then serves in their place.
    """
    metric = rules.metric
    best = min(evidence.baselines, key=lambda name: evidence.baselines[name][metric])
    base = evidence.baselines[best][metric]
    old = None if evidence.champion is None else evidence.champion[metric]
    over_baselines = _beats("baselines", evidence.challenger[metric], base, best, rules)
    checks = (over_baselines, *(() if old is None else _against_champion(evidence, old, rules)))
    failed = [check for check in checks if not check.passed]

    error = f"test {metric} {evidence.challenger[metric]:.4f}"
    against = f"{best} {base:.4f}"
    if old is not None:
        against = f"champion {old:.4f}, {against}"
    note = ""
    if evidence.incomparable:
        note = f" (the champion could not be compared: {evidence.incomparable})"
    if not failed:
        others = "".join(f"; {check.what}" for check in checks[2:])
        return Decision(
            "PROMOTE", f"{error} beats {against}{note}{others}", CHALLENGER_NAME, checks
        )
    if old is not None and (old <= base or over_baselines.passed):
        text = f"{error} does not beat {against}"
        if all(check.passed for check in checks[:2]):
            text = f"{error} beats {against}, but " + "; ".join(check.what for check in failed)
        return Decision("HOLD", f"{text}; the champion stays", CHAMPION_NAME, checks)
    text = f"no model beats the best baseline: {error} against {against}{note}"
    return Decision("FALLBACK", text, best, checks)


def _beats(check: str, new: float, other: float, name: str, rules: PromoteConfig) -> Check:
    bar = (1.0 - rules.min_improvement) * other
    need = f"below {bar:.4f}"
    if rules.min_improvement:
        need += f", {rules.min_improvement:.1%} under {name} {other:.4f}"
    else:
        need += f", that of {name}"
    return Check(check, new < bar, f"{rules.metric} {new:.4f}, to be {need}")


def _against_champion(evidence: Evidence, old: float, rules: PromoteConfig) -> tuple[Check, ...]:
    new = evidence.challenger[rules.metric]
    checks = [
        _beats("champion", new, old, CHAMPION_NAME, rules),
        _beyond_chance(evidence, rules),
        _no_harm(evidence.targets, rules),
    ]
    if rules.max_churn is not None:
        checks.append(_calm(evidence, rules.max_churn))
    if evidence.seeds is not None:
        checks.append(_beyond_seeds(evidence.seeds, old - new, rules.metric))
    elif rules.spread_seeds == 0:
        checks.append(Check("seeds", True, "the spread over seeds was not measured (0 asked for)"))
    return tuple(checks)


def _beyond_chance(evidence: Evidence, rules: PromoteConfig) -> Check:
    if rules.test == "none":
        return Check("chance", True, "no test against chance was asked for")
    if evidence.chance is None:
        return Check(
            "chance",
            False,
            f"whether that is chance cannot be told: {evidence.cannot_tell.rstrip('.')}, or set "
            "promote.test: none",
        )
    found = evidence.chance
    passed = found.p_value <= rules.level
    return Check(
        "chance",
        passed,
        f"the gain is {'beyond' if passed else 'within'} chance ({found.test}: p = "
        f"{found.p_value:.3f} at {found.n_origins:,} cutoffs, level {rules.level:g})",
    )


def _no_harm(targets: Mapping[str, tuple[float, float]], rules: PromoteConfig) -> Check:
    """NaN, a target that was never observed, harms nobody."""
    harmed = sorted(
        ((new / old - 1 if old > 0 else math.inf, name, new, old)
         for name, (new, old) in targets.items() if new > (1 + rules.max_harm) * old),
        reverse=True,
    )  # fmt: skip
    if not harmed:
        return Check("targets", True, f"no target is worse by more than {rules.max_harm:.0%}")
    shown = [
        f"{name} by {share:.0%} ({new:.4f} against {old:.4f})"
        for share, name, new, old in harmed[:SHOWN_TARGETS]
    ]
    more = len(harmed) - len(shown)
    rest = f" and {more} more" if more else ""
    return Check(
        "targets",
        False,
        f"of {len(targets)} targets {len(harmed)} would be worse by more than "
        f"{rules.max_harm:.0%}: {', '.join(shown)}{rest}",
    )


def _calm(evidence: Evidence, max_churn: float) -> Check:
    assert evidence.champion is not None
    new = evidence.challenger.get("churn", math.nan)
    old = evidence.champion.get("churn", math.nan)
    if math.isnan(new) or math.isnan(old):
        return Check(
            "churn",
            False,
            "churn cannot be compared, as neighbouring origins share no forecast time: lower "
            "evaluate.stride, or take promote.max_churn out",
        )
    passed = new <= (1 + max_churn) * old
    return Check(
        "churn",
        passed,
        f"its forecasts move by {new:.4f} from one cutoff to the next, the champion's by "
        f"{old:.4f} ({'within' if passed else 'more than'} {max_churn:.0%} more)",
    )


def _beyond_seeds(seeds: tuple[float, ...], gain: float, metric: str) -> Check:
    spread = stdev(seeds)
    passed = gain > spread
    return Check(
        "seeds",
        passed,
        f"the gain of {gain:.4f} is {'larger' if passed else 'not larger'} than the spread of "
        f"{metric} over {len(seeds)} seeds ({spread:.4f})",
    )
