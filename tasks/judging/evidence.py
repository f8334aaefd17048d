"""What the gate judges by, of an evaluation of any kind, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd

from informer.errors import EvidenceError
from informer.evaluation import Comparison, block_bootstrap, diebold_mariano, paired_losses
from tasks.judging.evaluate import CHALLENGER_NAME, CHAMPION_NAME
from tasks.judging.gate import Decision, Evidence, decide
from tasks.settings import RunConfig

__all__ = ["rule", "weigh"]

Errors = Mapping[str, float]


def weigh(
    metrics: Mapping[str, Errors],
    by_target: Mapping[str, Mapping[str, Errors]],
    losses: pd.DataFrame | None,
    config: RunConfig,
    incomparable: str = "",
) -> Evidence:
    """The evidence; the spread over seeds is not measured yet.

    Args:
        metrics: model to errors; all but challenger and champion are baselines.
        by_target: model and target to errors.
        losses: by cutoff, as `informer.Backtest` has them; None where no champion was
            compared.
        config: the rules, and what was trained.
        incomparable: why a champion could not be compared.
    """
    rules = config.promote
    chance, cannot_tell = None, ""
    if losses is not None and rules.test != "none":
        try:
            chance = _compare(losses, config)
        except EvidenceError as error:
            cannot_tell = str(error)
    judged = (CHALLENGER_NAME, CHAMPION_NAME)
    return Evidence(
        challenger=metrics[CHALLENGER_NAME],
        baselines={name: errors for name, errors in metrics.items() if name not in judged},
        champion=metrics.get(CHAMPION_NAME),
        incomparable=incomparable,
        targets={
            name: (by_target[CHALLENGER_NAME][name][rules.metric], errors[rules.metric])
            for name, errors in by_target.get(CHAMPION_NAME, {}).items()
        },
        chance=chance,
        cannot_tell=cannot_tell,
    )


def rule(
    evidence: Evidence, config: RunConfig, errors_by_seed: Callable[[], tuple[float, ...]]
) -> Decision:
    """Hold the challenger to every rule.

    Args:
        evidence: as `weigh` gives it.
        config: the rules.
        errors_by_seed: trains further seeds and tells their errors; called only where all else
            speaks for the challenger and a champion would be displaced.
    """
    rules = config.promote
    decision = decide(evidence, rules)
    if decision.verdict == "PROMOTE" and evidence.champion is not None and rules.spread_seeds:
        own = evidence.challenger[rules.metric]
        decision = decide(replace(evidence, seeds=(own, *errors_by_seed())), rules)
    return decision


def _compare(losses: pd.DataFrame, config: RunConfig) -> Comparison:
    rules = config.promote
    new, old, overlap = paired_losses(
        losses, CHALLENGER_NAME, CHAMPION_NAME, rules.metric, config.model.pred_len
    )
    if rules.test == "diebold_mariano":
        return diebold_mariano(new, old, overlap=overlap)
    return block_bootstrap(new, old, overlap=overlap, seed=config.train.seed)
