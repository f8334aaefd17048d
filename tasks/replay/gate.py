"""Challenger against champion on the rows known at a cutoff: what the gate of a retraining says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from informer.backtest import backtest
from informer.baselines import CLASSICAL
from informer.data.split import Split
from informer.forecaster import Forecaster
from tasks.config import RunConfig
from tasks.evaluate import CHALLENGER_NAME, CHAMPION_NAME, metrics_of
from tasks.promote import Decision, decide

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
    known: pd.DataFrame,
    split: Split,
    config: RunConfig,
) -> Judgement:
    """Forecast the same rolling origins of the last rows known with all models, and decide.

    Args:
        challenger: the new model.
        champion: the one that serves; None where there is none yet.
        baselines: name to model, fitted on the challenger's train and validation rows.
        known: the rows known now; the test part of `split` is their end.
        split: where the test part begins.
        config: the gate's values, and the stride of the origins.
    """
    models = {CHALLENGER_NAME: challenger, **baselines}
    if champion is not None:
        models[CHAMPION_NAME] = champion
    slow = [name for name, model in models.items() if model.estimator in CLASSICAL]
    found = backtest(
        models,
        known,
        (split.test_start, split.test_end),
        stride=config.evaluate.stride,
        strides=dict.fromkeys(slow, config.baselines.classical_stride),
        n_examples=1,
    )
    metrics = metrics_of(found)
    decision = decide(
        metrics[CHALLENGER_NAME],
        metrics.get(CHAMPION_NAME),
        {name: metrics[name] for name in baselines},
        metric=config.promote.metric,
        min_improvement=config.promote.min_improvement,
    )
    return Judgement(decision, metrics)
