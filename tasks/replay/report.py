"""What the policies of a replay came to, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from informer.evaluation import summarize
from tasks.replay.engine import Played
from tasks.replay.models import Cost

__all__ = ["Outcome", "by_cutoff", "by_month", "markdown", "outcome_of", "retrainings_of"]

ERRORS = ["mse", "mae", "mase", "coverage"]
SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """What a policy came to.

    Attributes:
        name: of the policy.
        mse, mae: over all forecasts, in units of the first Informer's train deviation.
        mase: in units of the seasonal naive's error before the stream.
        coverage: share of the values within the 80 % interval.
        churn: how far forecasts of the same time moved from one cutoff to the next, in the units of
            `mae`; None where horizons do not overlap.
        n_retrains: trainings after the first model, and of these
        n_promoted: those whose model then served,
        n_held: those after which the champion stayed,
        n_fallbacks: those after which a baseline served.
        cpu_seconds, wall_seconds: of these trainings and their judging.
    """

    name: str
    mse: float
    mae: float
    mase: float
    coverage: float
    churn: float | None
    n_retrains: int
    n_promoted: int
    n_held: int
    n_fallbacks: int
    cpu_seconds: float
    wall_seconds: float


def outcome_of(played: Played) -> Outcome:
    """The means and counts of one policy."""
    total = summarize(played.scores.assign(policy=played.policy), ["policy"]).iloc[0]
    churn = played.days["churn"].mean()
    verdicts = [done.verdict for done in played.retrainings]
    cost = sum((done.cost for done in played.retrainings), Cost(0.0, 0.0))
    return Outcome(
        played.policy,
        mse=float(total["mse"]),
        mae=float(total["mae"]),
        mase=float(total["mase"]),
        coverage=float(total["coverage"]),
        churn=None if np.isnan(churn) else float(churn),
        n_retrains=len(verdicts),
        n_promoted=verdicts.count("PROMOTE"),
        n_held=verdicts.count("HOLD"),
        n_fallbacks=verdicts.count("FALLBACK"),
        cpu_seconds=cost.cpu_seconds,
        wall_seconds=cost.wall_seconds,
    )


def by_cutoff(played: Sequence[Played]) -> pd.DataFrame:
    """policy, cutoff, n, errors of the forecast, mae_so_far, and the columns of `Played.days`."""
    parts = []
    for one in played:
        table = summarize(one.scores, ["cutoff"])[["cutoff", "n", *ERRORS]]
        so_far = (table["mae"] * table["n"]).cumsum() / table["n"].cumsum()
        table = table.assign(mae_so_far=so_far).merge(one.days, on="cutoff", validate="1:1")
        table.insert(0, "policy", one.policy)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def by_month(played: Sequence[Played]) -> pd.DataFrame:
    """policy, month (of the cutoff, such as 2018-03), n and the errors."""
    scores = pd.concat([one.scores.assign(policy=one.policy) for one in played])
    scores["month"] = scores["cutoff"].dt.strftime("%Y-%m")
    return summarize(scores, ["policy", "month"])[["policy", "month", "n", *ERRORS]]


def retrainings_of(played: Sequence[Played]) -> pd.DataFrame:
    """policy, cutoff, cause, verdict, reason, cpu_seconds, wall_seconds of every retraining."""
    columns = ["policy", "cutoff", "cause", "verdict", "reason", "cpu_seconds", "wall_seconds"]
    records = [
        (one.policy, done.cutoff, done.cause, done.verdict, done.reason,
         done.cost.cpu_seconds, done.cost.wall_seconds)
        for one in played
        for done in one.retrainings
    ]  # fmt: skip
    return pd.DataFrame(records, columns=columns)


def markdown(
    outcomes: Sequence[Outcome],
    references: Sequence[Outcome],
    months: pd.DataFrame,
    recommendation: str,
    about: str,
) -> str:
    """The report: what was played, the tables, which policy to take."""
    lines = [about, "", f"**{recommendation}**", ""]
    lines += [
        "| policy | MSE | MAE | MASE | coverage of 80 % | churn | retrainings | promoted | held "
        "| fallback | CPU minutes |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {_errors(o)} | {o.n_retrains} | {o.n_promoted} | {o.n_held} | {o.n_fallbacks} "
        f"| {o.cpu_seconds / SECONDS:.1f} |"
        for o in outcomes
    ]
    lines += [f"| {_errors(o)} | | | | | |" for o in references]
    names = [o.name for o in (*outcomes, *references)]
    wide = months.pivot(index="month", columns="policy", values="mae")
    lines += ["", "MAE by month of the cutoff:", "", f"| month | {' | '.join(names)} |"]
    lines += ["|---|" + "--:|" * len(names)]
    lines += [
        f"| {month} | {' | '.join(f'{row[name]:.4f}' for name in names)} |"
        for month, row in wide.iterrows()
    ]
    return "\n".join(lines)


def _errors(outcome: Outcome) -> str:
    churn = "none" if outcome.churn is None else f"{outcome.churn:.4f}"
    return (
        f"{outcome.name} | {outcome.mse:.4f} | {outcome.mae:.4f} | {outcome.mase:.4f} "
        f"| {outcome.coverage:.1%} | {churn}"
    )
