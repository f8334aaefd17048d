"""Which policy of a replay to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from informer.errors import EvidenceError
from informer.evaluation import Stream, block_bootstrap, overlapping
from tasks.replay.engine import Played
from tasks.replay.report import Outcome, by_cutoff, outcome_of

__all__ = ["Recommendation", "recommend"]

SECONDS = 60


@dataclass(frozen=True)
class Recommendation:
    """Which policy to take, None where that cannot be told, and why, in a sentence."""

    policy: str | None
    reason: str


def recommend(played: Sequence[Played], stream: Stream, level: float) -> Recommendation:
    """The cheapest policy whose MAE is not worse than the lowest beyond chance.

    The cheapest is the one with the fewest retrainings. Chance is judged by a paired moving-block
    bootstrap over the forecasts, `informer.evaluation.comparison`.

    Args:
        played: the policies, no baselines among them.
        stream: what they forecast.
        level: p-value up to which a difference counts as beyond chance.
    """
    days = by_cutoff(played)
    # A cutoff weighs by its observed values, as it does in the MAE that is compared.
    share = days["n"] / days.groupby("policy")["n"].transform("mean")
    days = days.assign(loss=days["mae"] * share)
    days = days.pivot(index="cutoff", columns="policy", values="loss").dropna()
    outcomes = sorted(
        (outcome_of(one) for one in played), key=lambda o: (o.n_retrains, o.cpu_seconds)
    )
    sound = [own for own in outcomes if math.isfinite(own.mae)]
    if not sound:
        told = "no policy forecasts finite numbers only"
        return Recommendation(None, f"No policy can be recommended: {told}.")
    best = min(sound, key=lambda o: o.mae)
    overlap = overlapping(stream.steps, stream.n_ahead)
    wild = [own.name for own in outcomes if own not in sound]
    worse = [f"{name}, whose forecasts are not all finite numbers" for name in wild]
    for own in sound:
        if own is best:
            break
        losses = (days[name].to_numpy(dtype=np.float64) for name in (best.name, own.name))
        try:
            p_value = block_bootstrap(*losses, overlap=overlap).p_value
        except EvidenceError as error:
            return Recommendation(None, f"No policy can be recommended: {error}")
        if p_value > level:
            return Recommendation(own.name, _not_worse(own, best, p_value, len(days)))
        worse.append(f"{own.name} by {own.mae - best.mae:.4f} (p = {p_value:.3f})")
    told = f"; worse beyond chance are the cheaper {', '.join(worse)}" if worse else ""
    return Recommendation(
        best.name,
        f"Take {best.name}: it has the lowest MAE, {best.mae:.4f}, of {len(days)} forecasts{told}.",
    )


def _not_worse(own: Outcome, best: Outcome, p_value: float, n: int) -> str:
    return (
        f"Take {own.name}: its MAE {own.mae:.4f} over {n} forecasts is not worse beyond chance "
        f"than the lowest one, {best.mae:.4f} of {best.name} (p = {p_value:.2f}). It retrains "
        f"{own.n_retrains} times ({own.cpu_seconds / SECONDS:.1f} CPU minutes), {best.name} "
        f"{best.n_retrains} times ({best.cpu_seconds / SECONDS:.1f})."
    )
