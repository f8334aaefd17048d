"""Challenger against champion on the rows known at a cutoff: what the gate of a retraining says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from informer.data import Split
from informer.forecaster import Forecaster
from tasks.judging import (
    CHALLENGER_NAME,
    CHAMPION_NAME,
    Ruling,
    metrics_of,
    rule,
    score_rows,
    weigh,
)
from tasks.settings import RunConfig

__all__ = ["Judgement", "judge_challenger"]


@dataclass(frozen=True)
class Judgement:
    """What the gate decided, and the errors on the test rows known then.

    Attributes:
        ruling: the verdict, its reason and who serves.
        metrics: model to mse, mae, mase, coverage and more, each in units of the challenger's train
            deviation; `informer` is the challenger.
    """

    ruling: Ruling
    metrics: dict[str, dict[str, float]]

    @property
    def serves(self) -> str:
        """`informer` (the challenger), `champion`, or the name of a baseline."""
        return self.ruling.serves


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
    found = score_rows(models, known, split, config)
    metrics = metrics_of(found)

    def errors_by_seed() -> tuple[float, ...]:
        others = metrics_of(score_rows(seeds(), known, split, config))
        return tuple(errors[config.promote.metric] for errors in others.values())

    evidence = weigh(metrics, found.windows, config)
    _, ruling = rule(evidence, config, errors_by_seed)
    return Judgement(ruling, metrics)
