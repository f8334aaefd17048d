"""What the gate decides is carried out here: tags, ledger, aliases, and what people see of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import mlflow
import pandas as pd
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from tasks.fitting import Trained
from tasks.judging.evaluate import CHAMPION_NAME, Evaluation
from tasks.judging.evidence import rule, weigh
from tasks.judging.gate import Decision, Evidence
from tasks.models import facts_of, promote_version, record, register
from tasks.rows import Prepared
from tasks.runs import (
    BACK_OFF_S,
    connect,
    data_asset,
    is_passing,
    materialized,
    model_asset,
    resumed_run,
    stage_key,
)
from tasks.settings import Home, RunConfig

__all__ = ["Promotion", "carry_out", "comparison_table", "gather", "judge"]


@dataclass(frozen=True)
class Promotion:
    """What the gate did.

    Attributes:
        decision: the verdict and its reason.
        champion_version: the version that serves from now on.
    """

    decision: Decision
    champion_version: str


def judge(
    evaluation: Evaluation, config: RunConfig, errors_by_seed: Callable[[], tuple[float, ...]]
) -> Decision:
    """Hold the challenger to every rule, see `tasks.judging.evidence.rule`."""
    return rule(gather(evaluation, config), config, errors_by_seed)


def gather(evaluation: Evaluation, config: RunConfig) -> Evidence:
    """What the gate judges by, of what the evaluation found and kept."""
    is_compared = CHAMPION_NAME in evaluation.metrics
    losses = pd.read_parquet(evaluation.losses) if is_compared else None
    return weigh(evaluation.metrics, evaluation.by_target, losses, config, evaluation.incomparable)


def _key(_context: object, given: dict[str, Any]) -> str:
    decision = asdict(given["decision"])
    return stage_key("promote", given["home"], given["run_id"], given["version"], decision)


@task(
    name="promote",
    retries=len(BACK_OFF_S),
    retry_delay_seconds=BACK_OFF_S,
    retry_condition_fn=is_passing,
    cache_key_fn=_key,
    persist_result=True,
)
def carry_out(
    version: str,
    decision: Decision,
    evaluation: Evaluation,
    prepared: Prepared,
    trained: Trained,
    run_id: str,
    home: Home,
) -> Promotion:
    """Carry the decision out: the ledger, the aliases, and what people see of it."""
    name = trained.config.name
    _mark(name, version, decision, evaluation, home)
    serving = version
    if decision.verdict == "FALLBACK":
        serving = register.fn(
            evaluation.baseline_dirs[decision.serves], prepared, name,
            evaluation.metrics[decision.serves], run_id, home, alias=None,
        )  # fmt: skip
        _mark(name, serving, decision, evaluation, home)
        reason = f"{decision.reason} (version {version} was judged)"
        promote_version(name, serving, home, reason=reason, action="fallback")
    elif decision.verdict == "HOLD":
        assert evaluation.champion_version is not None
        serving = evaluation.champion_version
        client = connect(home)
        facts = facts_of(client.get_model_version(name, version))
        record(client, name, "hold", version, (serving, serving), decision.reason, facts)
    else:
        promote_version(name, serving, home, reason=decision.reason)
    _show(version, serving, decision, evaluation, name)
    with resumed_run(run_id, home):
        mlflow.set_tags({"verdict": decision.verdict, "reason": decision.reason})
        mlflow.log_dict(asdict(decision), "gate.json")
    about = {"version": serving, "verdict": decision.verdict, "reason": decision.reason}
    about |= {"mlflow_run": run_id, "data_sha256": prepared.raw.sha256}
    materialized(model_asset(name), [data_asset(name)], about)
    return Promotion(decision, serving)


def _mark(name: str, version: str, decision: Decision, evaluation: Evaluation, home: Home) -> None:
    """Tags and description of a version that was judged, or that serves in its place."""
    client = connect(home)
    tags = {
        "verdict": decision.verdict,
        "reason": decision.reason,
        "windows": json.dumps(asdict(evaluation.windows)),
    }
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
    estimator = client.get_model_version(name, version).tags["estimator"]
    lines = [
        f"**{estimator}**, judged on {evaluation.n_windows:,} windows with cutoffs from "
        f"{evaluation.windows.first} to {evaluation.windows.last}.",
        "",
        comparison_table(evaluation),
        "",
        f"**{decision.verdict}**: {decision.reason}.",
    ]
    if str(flow_run.ui_url).startswith("http"):
        lines += ["", f"Prefect: [{flow_run.name}]({flow_run.ui_url})"]
    client.update_model_version(name, version, "\n".join(lines))


def comparison_table(evaluation: Evaluation) -> str:
    """Every model's errors on the same windows as a Markdown table, the best first."""
    shown = ("mse", "mae", "mase", "coverage", "churn")
    rows = sorted(evaluation.metrics.items(), key=lambda item: item[1]["mse"])
    lines = [f"| model | {' | '.join(shown)} |", f"|---{'|--:' * len(shown)}|"]
    lines += [
        f"| {name} | {' | '.join(f'{errors[key]:.4f}' for key in shown)} |" for name, errors in rows
    ]
    return "\n".join(lines)


def _show(
    version: str, serving: str, decision: Decision, evaluation: Evaluation, name: str
) -> None:
    checks = [
        f"| {check.name} | {'passed' if check.passed else 'FAILED'} | {check.what} |"
        for check in decision.checks
    ]
    lines = [
        f"**{decision.verdict}**: {decision.reason}.",
        "",
        f"Version {version} of `{name}` was judged; version {serving} serves.",
        "",
        "| check | | what |",
        "|---|---|---|",
        *checks,
        "",
        comparison_table(evaluation),
    ]
    create_markdown_artifact(
        "\n".join(lines), key="verdict", description="Which model serves from now on"
    )
