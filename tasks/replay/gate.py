"""Challenger against champion on the rows known at a cutoff: what the gate of a retraining says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from informer.backtest import Backtest, backtest
from informer.baselines import CLASSICAL
from informer.comparison import Comparison, block_bootstrap, diebold_mariano
from informer.data.split import Split
from informer.errors import EvidenceError
from informer.forecaster import Forecaster
from informer.metrics import summarize
from informer.origins import paired_losses
from tasks.config import RunConfig
from tasks.evaluate import CHALLENGER_NAME, CHAMPION_NAME, metrics_of
from tasks.gate import Decision, Evidence, decide

__all__ = ["Judgement", "judge_challenger"]


@dataclass(frozen=True)
class Judgement:
    """What the gate decided, and the errors on the test rows known then.

    Attributes:
        decision: the verdict, its reason and who serves.
        metrics: model to mse, mae, mase, coverage and more, each in units of the challenger's train
            deviation; `informer` is the challenger.
    """

    decision: Decision
    metrics: dict[str, dict[str, float]]

    @property
    def serves(self) -> str:
        """`informer` (the challenger), `champion`, or the name of a baseline."""
        return self.decision.serves


def judge_challenger(
    challenger: Forecaster,
    champion: Forecaster | None,
    baselines: Mapping[str, Forecaster],
    seeds: Callable[[], Mapping[str, Forecaster]],
    known: pd.DataFrame,
    split: Split,
    config: RunConfig,
) -> Judgement:
    """Forecast the same rolling origins of the last rows known with all models, and decide.

    Args:
        challenger: the new model.
        champion: the one that serves; None where there is none yet.
        baselines: name to model, fitted on the challenger's train and validation rows.
        seeds: trains the challenger anew with further seeds; called only where the challenger is
            about to displace a champion, and the gate asks for their spread.
        known: the rows known now; the test part of `split` is their end.
        split: where the test part begins.
        config: the gate's values, and the stride of the origins.
    """
    models = {CHALLENGER_NAME: challenger, **baselines}
    if champion is not None:
        models[CHAMPION_NAME] = champion
    found = _scored(models, known, split, config)
    metrics, rules = metrics_of(found), config.promote
    evidence = _evidence(found, metrics, config)
    decision = decide(evidence, rules)
    if decision.verdict == "PROMOTE" and champion is not None and rules.spread_seeds:
        others = metrics_of(_scored(seeds(), known, split, config))
        own = [metrics[CHALLENGER_NAME], *others.values()]
        values = tuple(errors[rules.metric] for errors in own)
        decision = decide(replace(evidence, seeds=values), rules)
    return Judgement(decision, metrics)


def _scored(
    models: Mapping[str, Forecaster], known: pd.DataFrame, split: Split, config: RunConfig
) -> Backtest:
    slow = [name for name, model in models.items() if model.estimator in CLASSICAL]
    return backtest(
        models,
        known,
        (split.test_start, split.test_end),
        stride=config.evaluate.stride,
        strides=dict.fromkeys(slow, config.baselines.classical_stride),
        n_examples=1,
    )


def _evidence(found: Backtest, metrics: dict[str, dict[str, float]], config: RunConfig) -> Evidence:
    """What the gate judges by, as `tasks.promote` gathers it from the files of an evaluation."""
    rules, judged = config.promote, (CHALLENGER_NAME, CHAMPION_NAME)
    baselines = {name: errors for name, errors in metrics.items() if name not in judged}
    if CHAMPION_NAME not in metrics:
        return Evidence(metrics[CHALLENGER_NAME], baselines)
    errors = summarize(found.scores, ["model", "unique_id"]).set_index(["unique_id", "model"])
    targets = errors[rules.metric].unstack()
    chance, cannot_tell = None, ""
    if rules.test != "none":
        try:
            chance = _compare(found.losses, config)
        except EvidenceError as error:
            cannot_tell = str(error)
    return Evidence(
        metrics[CHALLENGER_NAME],
        baselines,
        champion=metrics[CHAMPION_NAME],
        targets={
            str(name): (float(row[CHALLENGER_NAME]), float(row[CHAMPION_NAME]))
            for name, row in targets.iterrows()
        },
        chance=chance,
        cannot_tell=cannot_tell,
    )


def _compare(losses: pd.DataFrame, config: RunConfig) -> Comparison:
    rules = config.promote
    new, old, overlap = paired_losses(
        losses, CHALLENGER_NAME, CHAMPION_NAME, rules.metric, config.model.pred_len
    )
    if rules.test == "diebold_mariano":
        return diebold_mariano(new, old, overlap=overlap)
    return block_bootstrap(new, old, overlap=overlap, seed=config.train.seed)
