"""The gate's rules, as one pure function of what the evaluation found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import stdev
from typing import Literal

from informer.evaluation import LOSSES, Comparison, Harmed
from tasks.judging.evaluate import CHALLENGER_NAME, CHAMPION_NAME
from tasks.settings import PromoteConfig

__all__ = [
    "Check", "Contest", "Evidence", "Ruling", "Verdict", "best_baseline", "decide",
    "unbeaten", "undercuts",
]  # fmt: skip

SHOWN_TARGETS = 3

Verdict = Literal["PROMOTE", "HOLD", "FALLBACK"]
Errors = Mapping[str, float]


@dataclass(frozen=True)
class Check:
    """One rule: its name, whether the candidate passed, and the numbers that say so."""

    name: str
    passed: bool
    what: str


@dataclass(frozen=True)
class Ruling:
    """A verdict, its reason in one sentence, and who serves: `informer`, `champion`, a baseline.

    `checks` are the rules that were looked at, in their order.
    """

    verdict: Verdict
    reason: str
    serves: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Contest:
    """One model against another, on the windows that both forecast.

    Attributes:
        error: pooled error of the one; each observed value weighs the same.
        other: pooled error of the other.
        n_windows: windows that both forecast.
        chance: the paired test whether the one is better; None where none was asked for.
        cannot_tell: why that test could not be made; empty where it could.
        harmed: targets and groups of targets that the one makes worse, the worst first.
        n_targets: targets that were looked at.
    """

    error: float
    other: float
    n_windows: int
    chance: Comparison | None = None
    cannot_tell: str = ""
    harmed: tuple[Harmed, ...] = ()
    n_targets: int = 0


@dataclass(frozen=True)
class Evidence:
    """What the gate judges by; all errors are in the same units.

    Attributes:
        metrics: model to metrics, `churn` among them, over all windows that it forecast.
        baselines: baseline to its compared error on the windows that all baselines forecast.
        over_baselines: baseline to the contest of the challenger with it.
        over_champion: the challenger, and the best baseline where the challenger does not beat it,
            to its contest with the champion.
        incomparable: why the champion could not be compared; empty where it could.
        seeds: the compared metric of the challenger and of its further seeds; None: not measured.
    """

    metrics: Mapping[str, Errors]
    baselines: Mapping[str, float]
    over_baselines: Mapping[str, Contest]
    over_champion: Mapping[str, Contest] = field(default_factory=dict)
    incomparable: str = ""
    seeds: tuple[float, ...] | None = None

    @property
    def broken(self) -> tuple[str, ...]:
        """Models that forecast something that is no finite number, where the truth is known."""
        judged = {CHALLENGER_NAME, CHAMPION_NAME, *self.baselines}
        return tuple(
            name
            for name, own in self.metrics.items()
            if name in judged and not all(math.isfinite(own[m]) for m in LOSSES if m in own)
        )


def best_baseline(evidence: Evidence) -> str | None:
    """The baseline that errs least on the windows that all of them forecast.

    None where there is none whose forecasts are all numbers.
    """
    sound = [name for name in evidence.baselines if _is_sound(name, evidence)]
    return min(sound, key=lambda name: evidence.baselines[name], default=None)


def unbeaten(evidence: Evidence, rules: PromoteConfig) -> str | None:
    """The best baseline that the challenger does not undercut; None where it undercuts all."""
    sound = [name for name in evidence.baselines if _is_sound(name, evidence)]
    ordered = sorted(sound, key=lambda name: evidence.baselines[name])
    return next((n for n in ordered if not undercuts(evidence.over_baselines[n], rules)), None)


def _is_sound(baseline: str, evidence: Evidence) -> bool:
    return math.isfinite(evidence.baselines[baseline]) and baseline not in evidence.broken


def decide(evidence: Evidence, rules: PromoteConfig) -> Ruling:
    """Judge the challenger, and where it fails the best baseline in its place.

    The candidate is the challenger where it beats every baseline, else the best baseline. Without a
    champion the candidate serves. A champion stays where the candidate fails one of the checks
    against it. It also stays where it cannot be compared, unless `on_new_schema` says that it is
    replaced as if there were none. PROMOTE serves the challenger, FALLBACK the baseline, HOLD the
    champion.
    """
    best = best_baseline(evidence)
    own = _own_checks(evidence, best, rules)
    wins = all(check.passed for check in own)
    candidate = CHALLENGER_NAME if wins else best
    error, others = _told(evidence, unbeaten(evidence, rules) or best, rules.metric)
    note = ""
    if evidence.incomparable:
        told = f"the champion cannot be compared: {evidence.incomparable}"
        if rules.on_new_schema == "hold":
            text = f"{error} against {others}; {told}; it stays until a person promotes another "
            text += "version (informer models promote) or sets promote.on_new_schema: replace"
            return Ruling("HOLD", text, CHAMPION_NAME, own)
        note = f"; {told}; it gives way (promote.on_new_schema: replace)"
    if candidate is None:
        text = f"{error} against {others}; no model can serve, and the champion stays"
        return Ruling("HOLD", text, CHAMPION_NAME, own)
    against: tuple[Check, ...] = ()
    if CHAMPION_NAME in evidence.metrics:
        against = _against_champion(candidate, evidence, rules)
    checks = (*own, *against)
    failed = [check for check in against if not check.passed]
    if failed:
        text = _held(error, others, candidate, failed)
        return Ruling("HOLD", text, CHAMPION_NAME, checks)
    passed = "".join(f"; {check.what}" for check in against[1:])
    if wins:
        return Ruling("PROMOTE", f"{error} beats {others}{passed}{note}", CHALLENGER_NAME, checks)
    text = f"no model beats the best baseline: {error} against {others}; {candidate} serves"
    text += f"{passed}{note}"
    return Ruling("FALLBACK", text, candidate, checks)


def _told(evidence: Evidence, baseline: str | None, metric: str) -> tuple[str, str]:
    """The challenger's error, and those of the others."""
    error = f"test {metric} {evidence.metrics[CHALLENGER_NAME][metric]:.4f}"
    if CHALLENGER_NAME in evidence.broken:
        error += " (its forecasts are not all finite numbers)"
    others = []
    if CHAMPION_NAME in evidence.metrics:
        others.append(f"champion {evidence.metrics[CHAMPION_NAME][metric]:.4f}")
    if baseline is not None:
        others.append(f"{baseline} {evidence.over_baselines[baseline].other:.4f}")
    broken = [name for name in evidence.broken if name != CHALLENGER_NAME]
    note = f" (not all finite numbers: {', '.join(broken)})" if broken else ""
    return error, f"{', '.join(others) or 'nothing'}{note}"


def _held(error: str, others: str, candidate: str, failed: list[Check]) -> str:
    """Why the champion stays. Where the candidate errs more, what else it fails says nothing."""
    errs_more = failed[0].name == "champion"
    why = "; ".join(check.what for check in (failed[:1] if errs_more else failed))
    if candidate != CHALLENGER_NAME:
        text = f"{error} does not beat {others}; nor can {candidate} replace the champion: {why}"
    elif errs_more:
        text = f"{error} does not beat {others}"
    else:
        text = f"{error} beats {others}, but {why}"
    return f"{text}; the champion stays"


def _own_checks(evidence: Evidence, best: str | None, rules: PromoteConfig) -> tuple[Check, ...]:
    """What the challenger must show by itself."""
    is_finite = CHALLENGER_NAME not in evidence.broken
    words = "are finite numbers" if is_finite else "hold values that are not finite numbers"
    finite = Check("finite", is_finite, f"its forecasts {words} wherever the truth is known")
    if best is None:
        return finite, Check("baselines", True, "no baseline could be compared")
    hardest = unbeaten(evidence, rules) or best
    return finite, _beats("baselines", evidence.over_baselines[hardest], hardest, rules)


def undercuts(contest: Contest, rules: PromoteConfig) -> bool:
    """Whether the one errs less than the other, by the share that is asked for.

    An error that is not finite never undercuts, and is undercut by every one that is.
    """
    if not (math.isfinite(contest.error) and math.isfinite(contest.other)):
        return math.isfinite(contest.error)
    return contest.error < (1.0 - rules.min_improvement) * contest.other


def _beats(check: str, contest: Contest, other: str, rules: PromoteConfig) -> Check:
    bar = (1.0 - rules.min_improvement) * contest.other
    need = f"below {bar:.4f}"
    if rules.min_improvement:
        need += f", which is {rules.min_improvement:.1%} under {other} {contest.other:.4f}"
    else:
        need += f", the error of {other}"
    return Check(
        check, undercuts(contest, rules), f"{rules.metric} {contest.error:.4f}, required {need}"
    )


def _against_champion(
    candidate: str, evidence: Evidence, rules: PromoteConfig
) -> tuple[Check, ...]:
    """What a candidate must show against the champion; a baseline has no seeds."""
    contest = evidence.over_champion[candidate]
    checks = [
        _beats("champion", contest, CHAMPION_NAME, rules),
        _beyond_chance(contest, rules),
        _no_harm(contest, rules),
    ]
    if rules.max_churn is not None:
        checks.append(_calm(candidate, evidence, rules.max_churn))
    if candidate == CHALLENGER_NAME:
        if evidence.seeds is not None:
            gain = contest.other - contest.error
            checks.append(_beyond_seeds(evidence.seeds, gain, rules.metric))
        elif rules.spread_seeds == 0:
            told = "the spread over seeds was not measured (promote.spread_seeds: 0)"
            checks.append(Check("seeds", True, told))
    return tuple(checks)


def _beyond_chance(contest: Contest, rules: PromoteConfig) -> Check:
    if not math.isfinite(contest.other):
        return Check("chance", True, "the champion's forecasts are not all finite numbers")
    if rules.test == "none":
        return Check("chance", True, "the test against chance is switched off (promote.test: none)")
    if contest.chance is None:
        return Check(
            "chance",
            False,
            f"it is unknown whether the gain is chance: {contest.cannot_tell.rstrip('.')}, or set "
            "promote.test: none",
        )
    found = contest.chance
    passed = found.p_value <= rules.level
    return Check(
        "chance",
        passed,
        f"the gain is {'beyond' if passed else 'within'} chance ({found.test}: p = "
        f"{found.p_value:.3f} at {found.n_origins:,} cutoffs, level {rules.level:g})",
    )


def _no_harm(contest: Contest, rules: PromoteConfig) -> Check:
    """Harm beyond chance, see `informer.evaluation.harm`."""
    share = f"{rules.max_harm:.0%}"
    sure = "" if rules.test == "none" else " beyond chance"
    if not contest.harmed:
        return Check("targets", True, f"no target is worse by more than {share}{sure}")
    shown = [
        f"{_named(one)} by {one.new / one.old - 1 if one.old > 0 else math.inf:.0%} "
        f"({one.new:.4f} against {one.old:.4f})"
        for one in contest.harmed[:SHOWN_TARGETS]
    ]
    more = len(contest.harmed) - len(shown)
    rest = f" and {more} more" if more else ""
    n = sum(one.group == "target" for one in contest.harmed)
    return Check(
        "targets",
        False,
        f"{n:,} of {contest.n_targets:,} targets would be worse by more than {share}{sure}: "
        f"{', '.join(shown)}{rest}",
    )


def _named(one: Harmed) -> str:
    kinds = {"series": "all targets of ", "column": "all series' "}
    return f"{kinds.get(one.group, '')}{one.name}"


def _calm(candidate: str, evidence: Evidence, max_churn: float) -> Check:
    new, old = (evidence.metrics[name]["churn"] for name in (candidate, CHAMPION_NAME))
    if math.isnan(new) or math.isnan(old):
        return Check(
            "churn",
            False,
            "churn cannot be compared, because neighbouring origins share no forecast time: lower "
            "evaluate.stride, or remove promote.max_churn",
        )
    passed = new <= (1 + max_churn) * old
    return Check(
        "churn",
        passed,
        f"its forecasts move by {new:.4f} from one cutoff to the next, the champion's by "
        f"{old:.4f} ({'within' if passed else 'more than'} {max_churn:.0%} more)",
    )


def _beyond_seeds(seeds: tuple[float, ...], gain: float, metric: str) -> Check:
    wild = sum(not math.isfinite(error) for error in seeds)
    if wild:
        told = f"{wild} of {len(seeds)} seeds give forecasts that are not all finite numbers"
        return Check("seeds", False, told)
    spread = stdev(seeds)
    passed = gain > spread
    return Check(
        "seeds",
        passed,
        f"the gain of {gain:.4f} is {'larger' if passed else 'not larger'} than the spread of "
        f"{metric} over {len(seeds)} seeds ({spread:.4f})",
    )
