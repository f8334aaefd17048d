"""Concurrency slots that nobody holds any more.

Prefect's server keeps in its memory who leased a slot: after a restart of the server, a slot whose
holder died is never given back, and what needs one waits, or is refused, for ever.
"""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from tasks.operations.deployments import PROJECT_TAG
from tasks.operations.reconcile.flow_runs import OPEN, runs_of
from tasks.operations.reconcile.record import Closed

__all__ = ["free_slots"]

HOLDERS = (*OPEN, StateType.PAUSED)
NO_TRAINING = ("forecast", "monitor", "reconcile")


def free_slots(training_limits: set[str]) -> list[Closed]:
    """Take back slots of trainings and of deployments, down to the runs that are really open."""
    with get_client(sync_client=True) as client:
        # The slots first: one that is taken later belongs to a run that the next line sees.
        taken = _training(client, training_limits) | _deployments(client)
        open_runs = list(runs_of(client, HOLDERS))
        flows = {run.flow_id: client.read_flow(run.flow_id).name for run in open_runs}
        closed = []
        for limit, (slots, deployment) in taken.items():
            holders = [run for run in open_runs if _may_hold(run, deployment, flows)]
            if len(holders) >= slots:
                continue
            client.update_global_concurrency_limit(
                limit, GlobalConcurrencyLimitUpdate(active_slots=len(holders))
            )
            reason = f"{slots} slots were taken, but only {len(holders)} runs may hold one"
            closed.append(Closed("slot", limit, reason))
    return closed


def _may_hold(run: FlowRun, deployment: str, flows: dict[UUID, str]) -> bool:
    if deployment:
        return str(run.deployment_id) == deployment
    return flows[run.flow_id] not in NO_TRAINING


def _training(client: SyncPrefectClient, names: set[str]) -> dict[str, tuple[int, str]]:
    taken = {}
    for name in names:
        try:
            limit = client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            continue
        taken[limit.name] = (limit.active_slots, "")
    return taken


def _deployments(client: SyncPrefectClient) -> dict[str, tuple[int, str]]:
    """The slots of each deployment that runs once at a time."""
    found = client.read_deployments(
        deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[PROJECT_TAG]))
    )
    return {
        limit.name: (limit.active_slots, str(deployment.id))
        for deployment in found
        if (limit := deployment.global_concurrency_limit) is not None
    }
