"""One policy, cutoff by cutoff: watch what came, retrain when due, forecast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from informer.data import series_names
from informer.evaluation import Scales, Stream, moves, realized_errors, train_scales
from tasks.monitoring import drift_of, in_window, judge
from tasks.replay.models import Cost, Models, Served
from tasks.replay.policies import Policy
from tasks.settings import RunConfig

__all__ = ["DEGRADED", "DRIFTED", "Played", "Retraining", "play"]

DRIFTED, DEGRADED = "drifted", "degraded"


@dataclass(frozen=True)
class Retraining:
    """A retraining of a policy.

    Attributes:
        cutoff: the last time known.
        cause: `schedule`, or the alarms that led to it.
        verdict: of the gate: PROMOTE, HOLD or FALLBACK.
        reason: the gate's sentence.
        cost: of training and judging.
    """

    cutoff: pd.Timestamp
    cause: str
    verdict: str
    reason: str
    cost: Cost


@dataclass
class Played:
    """What a policy did over the stream.

    Attributes:
        policy: its name.
        scores: cutoff, unique_id, n, mse, mae, mase, coverage and more of each forecast; mse and
            mae in units of the first Informer's train deviation.
        days: a row each cutoff: cutoff, churn (in the same units; NaN where horizons do not
            overlap), trained_at (the cutoff of the serving model), serving, alarms.
        forecasts: unique_id, ds, cutoff, y, y_hat and quantiles, in the data's units.
        retrainings: in the order of time.
    """

    policy: str
    scores: pd.DataFrame
    days: pd.DataFrame
    forecasts: pd.DataFrame
    retrainings: list[Retraining] = field(default_factory=list)


def play(
    policy: Policy,
    first: Served,
    stream: Stream,
    scales: Scales,
    models: Models,
    config: RunConfig,
    on_cutoff: Callable[[int], None] | None = None,
) -> Played:
    """Forecast from every cutoff of the stream with the model that the policy has serve there.

    Args:
        policy: when to retrain.
        first: serves from the first cutoff on.
        stream: what is known when.
        scales: what errors are in units of.
        models: trains and judges.
        config: the monitor's limits and the gate's.
        on_cutoff: told how many cutoffs are done, after each.
    """
    served, last, answered = first, stream.cutoffs[0], dict[str, pd.Timestamp]()
    forecasts: list[pd.DataFrame] = []
    scores, days, retrainings = [], [], []
    deviation = _by_series(scales, stream)
    for k, cutoff in enumerate(stream.cutoffs):
        alarms = _alarms(served, forecasts, stream, k, config) if policy.rest and k else ()
        cause = policy.cause(cutoff, last, alarms, answered) if k else ""
        if cause:
            served, judged, cost = models.challenge(k, served)
            decision = judged.ruling
            done = Retraining(cutoff, cause, decision.verdict, decision.reason, cost)
            retrainings.append(done)
            last = cutoff
            answered |= dict.fromkeys(alarms, cutoff)
        forecast, errors = stream.forecast(served.forecaster, k, scales)
        days.append({
            "cutoff": cutoff,
            "churn": moves(forecasts[-1], forecast, deviation) if k else float("nan"),
            "trained_at": stream.cutoffs[served.k],
            "serving": served.name,
            "alarms": ", ".join(alarms),
        })  # fmt: skip
        forecasts.append(forecast)
        scores.append(errors)
        if on_cutoff is not None:
            on_cutoff(k + 1)
    return Played(
        policy.name,
        pd.concat(scores, ignore_index=True),
        pd.DataFrame(days),
        pd.concat(forecasts, ignore_index=True),
        retrainings,
    )


def _alarms(
    served: Served, forecasts: list[pd.DataFrame], stream: Stream, k: int, config: RunConfig
) -> tuple[str, ...]:
    """What the monitor says at a cutoff, by the rows known then."""
    cutoff, known, settings = stream.cutoffs[k], stream.known(k), config.monitor
    made = [table for table in forecasts if table["cutoff"].iloc[0] >= stream.cutoffs[served.k]]
    came = pd.concat([forecasts[-1][:0], *made], ignore_index=True)
    came = in_window(came, cutoff, settings).dropna(subset=["y"])
    errors = realized_errors(came, train_scales(served.forecaster, known, served.train_end))
    drift = drift_of(known, config.frame, served.train_end, settings)
    verdict = judge(errors, drift, served.promised, settings)
    found = {DRIFTED: verdict.drifted, DEGRADED: verdict.degraded}
    return tuple(kind for kind, raised in found.items() if raised)


def _by_series(scales: Scales, stream: Stream) -> pd.Series:
    """The train deviation by `unique_id`."""
    names = series_names(stream.panel.ids, stream.frame)
    return pd.Series(scales.deviation.ravel(), index=[name for own in names for name in own])
