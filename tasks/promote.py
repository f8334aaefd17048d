"""The gate: which model serves from now on, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import mlflow
from prefect import task
from prefect.artifacts import create_markdown_artifact

from tasks.evaluate import CHALLENGER_NAME, CHAMPION_NAME, Evaluation
from tasks.home import Home
from tasks.prepare import Prepared
from tasks.registry import promote_version, register
from tasks.track import connect, resumed_run
from tasks.train import Trained

__all__ = ["Decision", "Promotion", "decide", "promote"]

Verdict = Literal["PROMOTE", "HOLD", "FALLBACK"]
Errors = Mapping[str, float]


@dataclass(frozen=True)
class Decision:
    """A verdict, its reason in one sentence, and who serves: `informer`, `champion`, a baseline."""

    verdict: Verdict
    reason: str
    serves: str


@dataclass(frozen=True)
class Promotion:
    """What the gate did.

    Attributes:
        decision: the verdict and its reason.
        champion_version: the version that serves from now on.
    """

    decision: Decision
    champion_version: str


def decide(
    challenger: Errors,
    champion: Errors | None,
    baselines: Mapping[str, Errors],
    *,
    metric: str,
    min_improvement: float,
    incomparable: str = "",
) -> Decision:
    """Compare errors on the same windows.

    PROMOTE where the challenger undercuts the champion and every baseline by the share
    `min_improvement`; HOLD where the champion is at least as good as the rest; FALLBACK where
    neither beats the best baseline, which then serves in their place.

    Args:
        challenger: metric to value.
        champion: the same; None where there is none, or none that can be compared.
        baselines: name to the same.
        metric: the name of the error compared.
        min_improvement: share, in [0, 1).
        incomparable: why a champion could not be compared.
    """
    bar = 1.0 - min_improvement
    best = min(baselines, key=lambda name: baselines[name][metric])
    new, base = challenger[metric], baselines[best][metric]
    old = None if champion is None else champion[metric]
    against = f"{best} {base:.4f}"
    if old is not None:
        against = f"champion {old:.4f}, {against}"
    note = f" (the champion could not be compared: {incomparable})" if incomparable else ""
    if new < bar * base and (old is None or new < bar * old):
        text = f"test {metric} {new:.4f} beats {against}{note}"
        return Decision("PROMOTE", text, CHALLENGER_NAME)
    if old is not None and old <= base:
        text = f"test {metric} {new:.4f} does not beat {against}; the champion stays"
        return Decision("HOLD", text, CHAMPION_NAME)
    text = f"no model beats the best baseline: test {metric} {new:.4f} against {against}{note}"
    return Decision("FALLBACK", text, best)


@task(name="promote")
def promote(
    version: str,
    evaluation: Evaluation,
    prepared: Prepared,
    trained: Trained,
    run_id: str,
    home: Home,
) -> Promotion:
    """Judge the challenger and move the aliases accordingly."""
    config = trained.config
    decision = decide(
        evaluation.metrics[CHALLENGER_NAME],
        evaluation.metrics.get(CHAMPION_NAME),
        evaluation.baselines,
        metric=config.promote.metric,
        min_improvement=config.promote.min_improvement,
        incomparable=evaluation.incomparable,
    )
    client = connect(home)
    for key, value in {"verdict": decision.verdict, "reason": decision.reason}.items():
        client.set_model_version_tag(config.name, version, key, value)
    serving = version
    if decision.verdict == "FALLBACK":
        serving = register.fn(
            evaluation.baseline_dirs[decision.serves], prepared, config.name,
            evaluation.metrics[decision.serves], run_id, home, alias=None,
        )  # fmt: skip
        client.set_model_version_tag(config.name, serving, "verdict", decision.verdict)
        client.set_model_version_tag(config.name, serving, "reason", decision.reason)
    if decision.verdict == "HOLD":
        assert evaluation.champion_version is not None
        serving = evaluation.champion_version
    else:
        promote_version(config.name, serving, home)
    with resumed_run(run_id, home):
        mlflow.set_tags({"verdict": decision.verdict, "reason": decision.reason})
    create_markdown_artifact(
        f"**{decision.verdict}**: {decision.reason}.\n\nVersion {version} of `{config.name}` was "
        f"judged; version {serving} serves.",
        key="verdict",
        description="Which model serves from now on",
    )
    return Promotion(decision, serving)
