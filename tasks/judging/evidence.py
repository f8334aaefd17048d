"""What the gate judges by, of an evaluation of any kind, and the verdict that follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from informer.errors import EvidenceError
from informer.evaluation import (
    LOSSES,
    Comparison,
    Pairs,
    block_bootstrap,
    diebold_mariano,
    find_harmed,
    on_common_windows,
    paired,
)
from tasks.judging.evaluate import CHALLENGER_NAME, CHAMPION_NAME
from tasks.judging.gate import Contest, Evidence, Ruling, best_baseline, decide, unbeaten
from tasks.settings import RunConfig

__all__ = ["rule", "weigh"]

Errors = Mapping[str, float]


def weigh(
    metrics: Mapping[str, Errors],
    windows: pd.DataFrame,
    config: RunConfig,
    incomparable: str = "",
) -> Evidence:
    """The evidence; the spread over seeds is not measured yet.

    Args:
        metrics: model to errors; all but challenger and champion are baselines.
        windows: the table of windows of all these models, see `informer.evaluation.windows`.
        config: the rules, and what was trained.
        incomparable: why a champion could not be compared.
    """
    metrics = _unbounded(metrics, windows)
    judged = (CHALLENGER_NAME, CHAMPION_NAME)
    metric = config.promote.metric
    seen = set(windows.loc[windows["n"] > 0, "model"].unique())
    baselines = [  # those that forecast a window of which something was observed
        name for name in metrics if name not in judged and name in seen
    ]
    over = {name: _errors(_pairs(windows, CHALLENGER_NAME, name, config)) for name in baselines}
    sound = [name for name in baselines if math.isfinite(metrics[name][metric])]
    common = on_common_windows(windows, sound, metric) if sound else {}
    alone = dict.fromkeys(baselines, math.inf) | common
    evidence = Evidence(metrics, alone, over, incomparable=incomparable)
    if CHAMPION_NAME not in metrics:
        return evidence
    best = best_baseline(evidence)
    candidates = [CHALLENGER_NAME]
    if best is not None and unbeaten(evidence, config.promote) is not None:
        candidates.append(best)
    return replace(
        evidence,
        over_champion={
            name: _contest(_pairs(windows, name, CHAMPION_NAME, config), config)
            for name in candidates
        },
    )


def _unbounded(metrics: Mapping[str, Errors], windows: pd.DataFrame) -> Mapping[str, Errors]:
    """The errors, infinite for each model with a window whose loss is no finite number."""
    seen = windows[windows["n"] > 0]
    is_sound = np.isfinite(seen[list(LOSSES)].to_numpy(dtype=np.float64)).all(axis=1)
    wild = set(seen.loc[~is_sound, "model"].unique())
    return {
        name: {**own, **dict.fromkeys(LOSSES, math.inf)} if name in wild else own
        for name, own in metrics.items()
    }


def rule(
    evidence: Evidence, config: RunConfig, errors_by_seed: Callable[[], tuple[float, ...]]
) -> tuple[Evidence, Ruling]:
    """Hold the challenger to every rule.

    Args:
        evidence: as `weigh` gives it.
        config: the rules.
        errors_by_seed: trains further seeds and tells their errors; called only where all else
            speaks for the challenger and a champion would be displaced.

    Returns:
        The evidence, with the errors by seed where they were measured, and the ruling.
    """
    rules = config.promote
    ruling = decide(evidence, rules)
    if ruling.verdict == "PROMOTE" and evidence.over_champion and rules.spread_seeds:
        own = evidence.metrics[CHALLENGER_NAME][rules.metric]
        evidence = replace(evidence, seeds=(own, *errors_by_seed()))
        ruling = decide(evidence, rules)
    return evidence, ruling


def _pairs(windows: pd.DataFrame, new: str, old: str, config: RunConfig) -> Pairs:
    return paired(windows, new, old, config.promote.metric, config.model.pred_len)


def _errors(pairs: Pairs) -> Contest:
    error, other = pairs.errors
    return Contest(error, other, len(pairs.n))


def _contest(pairs: Pairs, config: RunConfig) -> Contest:
    """The errors, the test against chance, and who is harmed; only the first of what is broken."""
    contest, rules = _errors(pairs), config.promote
    contest = replace(contest, n_targets=pairs.windows["unique_id"].nunique())
    if not (math.isfinite(contest.error) and math.isfinite(contest.other)):
        return contest
    level = None if rules.test == "none" else rules.level
    contest = replace(contest, harmed=find_harmed(pairs, rules.max_harm, level))
    if level is None:
        return contest
    try:
        return replace(contest, chance=_compare(pairs, config))
    except EvidenceError as error:
        return replace(contest, cannot_tell=str(error))


def _compare(pairs: Pairs, config: RunConfig) -> Comparison:
    new, old = pairs.by_cutoff()
    if config.promote.test == "diebold_mariano":
        return diebold_mariano(new, old, overlap=pairs.overlap)
    return block_bootstrap(new, old, overlap=pairs.overlap, seed=config.train.seed)
