"""What was decided is carried out here: tags, ledger, aliases, and what people see of it.

All of it follows from the decision, and may be done again: what is there already stays as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import mlflow
import pandas as pd
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from informer.errors import EvidenceError
from tasks.judging.decision import Decision
from tasks.judging.evaluate import Evaluation
from tasks.judging.evidence import rule, weigh
from tasks.judging.gate import Evidence, Ruling
from tasks.models import (
    CHAMPION,
    Action,
    alias_version,
    carry_move_out,
    facts_of,
    record,
    register,
)
from tasks.rows import Prepared
from tasks.runs import (
    RETRIES,
    connect,
    data_asset,
    materialized,
    model_asset,
    resumed_run,
)
from tasks.settings import Home, RunConfig, by_size

__all__ = ["Promotion", "carry_out", "comparison_table", "judge", "require_candidate"]


@dataclass(frozen=True)
class Promotion:
    """What became of a decision.

    Attributes:
        decision: the record.
        champion_version: the version that serves from now on; None where none does.
        overtaken: why a version that should serve does not: the champion is no longer the one that
            it was compared with. Empty where the decision was carried out.
    """

    decision: Decision
    champion_version: str | None
    overtaken: str = ""

    @property
    def reason(self) -> str:
        """The verdict's reason, and why it could not be carried out."""
        return "; ".join(part for part in (self.decision.reason, self.overtaken) if part)


def require_candidate(evaluation: Evaluation, config: RunConfig) -> None:
    """Make sure that something can serve: a model that forecasts finite numbers, or a champion.

    Raises:
        EvidenceError: there is neither, so that there is nothing to register or to decide.
    """
    errors = {name: own[config.promote.metric] for name, own in evaluation.metrics.items()}
    if evaluation.champion_version is not None or any(map(math.isfinite, errors.values())):
        return
    told = ", ".join(f"{name} {error}" for name, error in errors.items())
    raise EvidenceError(
        f"no model of {config.name} can serve: on the test rows none forecasts finite numbers "
        f"alone (test {config.promote.metric}: {told}), and there is no champion. Look for extreme "
        "values in the data."
    )


def judge(
    evaluation: Evaluation, config: RunConfig, errors_by_seed: Callable[[], tuple[float, ...]]
) -> tuple[Evidence, Ruling]:
    """Hold the challenger to every rule, see `tasks.judging.evidence.rule`."""
    windows = pd.read_parquet(evaluation.losses)
    evidence = weigh(evaluation.metrics, windows, config, evaluation.incomparable)
    return rule(evidence, config, errors_by_seed)


@task(
    name="promote",
    **RETRIES,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def carry_out(
    decision: Decision, baseline_dirs: Mapping[str, Path], prepared: Prepared, name: str, home: Home
) -> Promotion:
    """Carry a decision out: the ledger, the aliases, and what people see of it.

    A champion that was moved by others while the run lasted stays: the decision speaks of the one
    that served when the run began.

    Args:
        decision: the record.
        baseline_dirs: baseline to the folder of its model.
        prepared: the rows, for the version of a baseline that is to serve.
        name: of the pipeline.
        home: where the stores are.
    """
    _mark(name, decision.challenger, decision, home)
    if decision.verdict == "HOLD":
        done = _hold(decision, name, home)
    elif decision.verdict == "FALLBACK":
        model_dir, errors = baseline_dirs[decision.serves], decision.evidence.metrics
        version = register(
            model_dir, prepared, name, errors[decision.serves], decision.run_id, home, alias=None
        )
        _mark(name, version, decision, home)
        done = _serve(decision, version, "fallback", name, home)
    else:
        done = _serve(decision, decision.challenger, "promote", name, home)
    _show(done, name)
    with resumed_run(decision.run_id, home):
        mlflow.set_tags({"verdict": decision.verdict, "reason": done.reason})
        mlflow.log_dict(decision.as_record(), "gate.json")
    about = {"version": done.champion_version, "verdict": decision.verdict, "reason": done.reason}
    about |= {"mlflow_run": decision.run_id, "data_sha256": prepared.raw.sha256}
    materialized(model_asset(name), [data_asset(name)], about)
    return done


def _hold(decision: Decision, name: str, home: Home) -> Promotion:
    """Say in the ledger that the challenger was not promoted."""
    client = connect(home)
    facts = facts_of(client.get_model_version(name, decision.challenger))
    between = (decision.champion, decision.champion)
    record(
        client, name, "hold", decision.challenger, between, decision.reason, facts,
        run_id=decision.run_id,
    )  # fmt: skip
    return Promotion(decision, alias_version(client, name, CHAMPION))


def _serve(decision: Decision, version: str, action: Action, name: str, home: Home) -> Promotion:
    """Let a version serve, unless the champion is no longer the one that was compared."""
    reason = decision.reason
    if version != decision.challenger:
        reason = f"{reason} (version {decision.challenger} was judged)"
    serves = carry_move_out(
        name, version, decision.champion, home,
        reason=reason, action=action, run_id=decision.run_id,
    )  # fmt: skip
    if serves == version:
        return Promotion(decision, version)
    told = f"version {decision.champion}" if decision.champion else "no version"
    return Promotion(
        decision,
        serves,
        f"version {version} does not serve: {told} did when the run began, and since then the "
        f"champion was moved to version {serves}. Run informer retrain {name} again, or "
        f"informer models promote {name} --version {version}",
    )


def _mark(name: str, version: str, decision: Decision, home: Home) -> None:
    """Tags and description of a version that was judged, or that serves in its place."""
    client = connect(home)
    windows = decision.windows
    tags = {
        "verdict": decision.verdict,
        "reason": decision.reason,
        "windows": json.dumps(asdict(windows)),
    }
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
    estimator = client.get_model_version(name, version).tags["estimator"]
    lines = [
        f"**{estimator}**, judged on {windows.n:,} windows with cutoffs from "
        f"{windows.first} to {windows.last}.",
        "",
        comparison_table(decision.evidence),
        "",
        f"**{decision.verdict}**: {decision.reason}.",
    ]
    if str(flow_run.ui_url).startswith("http"):
        lines += ["", f"Prefect: [{flow_run.name}]({flow_run.ui_url})"]
    client.update_model_version(name, version, "\n".join(lines))


def comparison_table(evidence: Evidence) -> str:
    """Every model's errors as a Markdown table, the best first."""
    shown = ("mse", "mae", "mase", "coverage", "churn")
    rows = sorted(evidence.metrics.items(), key=lambda item: by_size(item[1]["mse"]))
    lines = [f"| model | {' | '.join(shown)} |", f"|---{'|--:' * len(shown)}|"]
    lines += [
        f"| {name} | {' | '.join(f'{errors[key]:.4f}' for key in shown)} |" for name, errors in rows
    ]
    return "\n".join(lines)


def _show(done: Promotion, name: str) -> None:
    decision = done.decision
    checks = [
        f"| {check.name} | {'passed' if check.passed else 'FAILED'} | {check.what} |"
        for check in decision.checks
    ]
    lines = [
        f"**{decision.verdict}**: {done.reason}.",
        "",
        f"Version {decision.challenger} of `{name}` was judged; version "
        f"{done.champion_version} serves.",
        "",
        "| check | | what |",
        "|---|---|---|",
        *checks,
        "",
        comparison_table(decision.evidence),
    ]
    create_markdown_artifact(
        "\n".join(lines), key="verdict", description="Which model serves from now on"
    )
