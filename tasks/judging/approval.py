"""A person's word before a promotion: the flow run suspends with a form, and its worker is free."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment
from pydantic import Field

from informer.errors import ConfigError
from tasks.judging.evaluate import CHAMPION_NAME, Evaluation
from tasks.judging.gate import Evidence, Ruling, best_baseline
from tasks.judging.promote import comparison_table
from tasks.models import facts_of, record, version_url
from tasks.runs import connect
from tasks.settings import Home, RunConfig

__all__ = ["Approval", "answered", "approved", "check_approval"]

HOUR_S = 3600


class Approval(RunInput):
    """The form that the Prefect UI shows on a suspended run, under Resume."""

    approve: bool = Field(default=False, description="Make this version the champion")
    reason: str = Field(default="", description="Your reason, for the ledger")
    name: str = Field(default="", description="Your name, for the ledger")


def check_approval(config: RunConfig) -> None:
    """Make sure, before any work is done, that a person can be asked.

    Raises:
        ConfigError: approval is wanted of a run that no deployment started: it cannot be suspended.
    """
    if config.promote.approval and deployment.id is None:
        raise ConfigError(
            "promote.approval is true. It needs a deployed run, which can be suspended and "
            f"resumed. Run: informer retrain {config.name} --deployment. For a run in this "
            "process, set promote.approval=false."
        )


def approved(
    evidence: Evidence,
    ruling: Ruling,
    version: str,
    evaluation: Evaluation,
    config: RunConfig,
    run_id: str,
    home: Home,
) -> Ruling:
    """Ask a person whether a promotion may be carried out, where the configuration wants that.

    To be called by the flow itself: it suspends the flow run, which ends the process; resumed, the
    flow runs from its top and comes back here, and then this returns. Without an answer within
    `promote.approval_hours` the flow run fails and the champion stays; the ledger says so from the
    start.
    """
    if ruling.verdict != "PROMOTE" or not config.promote.approval:
        return ruling
    hours = config.promote.approval_hours
    _say_waiting(ruling, version, evaluation, config, run_id, home)
    question = [
        f"Should version {version} of **{config.name}** serve? The gate would promote it: "
        f"{ruling.reason}.",
        "",
        comparison_table(evidence),
        "",
        f"[The version in MLflow]({version_url(config.name, version, home)})",
    ]
    answer = suspend_flow_run(
        wait_for_input=Approval.with_initial_data(description="\n".join(question), approve=False),
        timeout=int(hours * HOUR_S),
        key=f"approval-{version}",
    )
    return answered(evidence, ruling, answer, config)


def answered(evidence: Evidence, ruling: Ruling, answer: Approval, config: RunConfig) -> Ruling:
    """The ruling with a person's word in it.

    Rejected, the champion stays; where there is none yet, the best baseline serves.
    """
    who = answer.name.strip() or "a person in the Prefect UI"
    why = answer.reason.strip().rstrip(".") or "no reason was given"
    if answer.approve:
        return replace(ruling, reason=f"{ruling.reason}; approved by {who}: {why}")
    reason = f"rejected by {who}: {why} (the gate would promote it: {ruling.reason})"
    best = best_baseline(evidence)
    if CHAMPION_NAME in evidence.metrics or best is None:
        return replace(ruling, verdict="HOLD", reason=reason, serves=CHAMPION_NAME)
    return replace(ruling, verdict="FALLBACK", reason=reason, serves=best)


def _say_waiting(
    ruling: Ruling,
    version: str,
    evaluation: Evaluation,
    config: RunConfig,
    run_id: str,
    home: Home,
) -> None:
    """In the ledger and on the version, once: the flow comes here again when it is resumed."""
    client, name = connect(home), config.name
    until = datetime.now(UTC) + timedelta(hours=config.promote.approval_hours)
    reason = (
        f"waits for a person's approval until {until:%Y-%m-%d %H:%M} UTC. Without an answer it is "
        f"then rejected (the gate would promote it: {ruling.reason})"
    )
    serving = evaluation.champion_version
    facts = facts_of(client.get_model_version(name, version))
    facts = replace(facts, windows=asdict(evaluation.windows))
    waiting = f"{run_id} waits"
    record(client, name, "hold", version, (serving, serving), reason, facts, run_id=waiting)
    for key, value in {"verdict": "WAITING", "reason": reason}.items():
        client.set_model_version_tag(name, version, key, value)
