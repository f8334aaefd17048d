"""Flow runs that the server takes for running, though their process is gone.

A run of a worker of this machine is dead when its process is. Of any other run nothing but its
signs of life are known, the heartbeats that every running flow sends: it counts as dead when there
was none for `SILENCE` and its worker has not been heard of either.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import (
    EventFilter,
    EventNameFilter,
    EventOccurredFilter,
    EventOrder,
    EventRelatedFilter,
    EventResourceFilter,
)
from prefect.events.schemas.events import Event
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as this_run
from prefect.states import Cancelled, Crashed

from tasks.operations.reconcile.record import Closed, Resumed
from tasks.operations.server import online_workers
from tasks.runs import alive

__all__ = ["FLOWS", "OPEN", "close_flow_runs", "resume", "runs_of", "worker_name"]

FLOWS = ("retrain", "tune", "train", "forecast", "monitor", "reconcile", "backtest", "replay")
RESUMABLE = ("retrain", "train", "forecast", "monitor")
OPEN = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)
SILENCE = timedelta(minutes=15)  # a flow sends a heartbeat every three minutes, or more often
RESUMED_FROM = "resumed-from:"
WORKER = re.compile(r"^(?P<pool>.*) on (?P<host>.+) by (?P<pid>\d+)$")


def worker_name(pool: str) -> str:
    """The name of a worker that this process runs: it says where its runs can be looked for."""
    return f"{pool} on {platform.node()} by {os.getpid()}"


def close_flow_runs() -> tuple[list[Closed], list[FlowRun]]:
    """Set the dead ones to Crashed, or to Cancelled where that was asked for; and give them."""
    closed, dead = [], []
    with get_client(sync_client=True) as client:
        for run in list(runs_of(client, OPEN)):
            reason = None if str(run.id) == str(this_run.id) else _death(client, run)
            if reason is None:
                continue
            cancelled = run.state_type == StateType.CANCELLING
            state: State[None] = (Cancelled if cancelled else Crashed)(
                message=f"Reconciled: {reason}."
            )
            client.set_flow_run_state(run.id, state)
            _close_tasks(client, run, reason)
            closed.append(Closed("flow run", str(run.id), f"{run.name}: {reason}"))
            dead.append(run)
    return closed, [run for run in dead if run.state_type != StateType.CANCELLING]


def _close_tasks(client: SyncPrefectClient, run: FlowRun, reason: str) -> None:
    """Its tasks would be shown as running for ever."""
    for task in client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
        task_run_filter=TaskRunFilter(
            state=TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.RUNNING]))
        ),
    ):
        crashed: State[None] = Crashed(message=f"Reconciled: {reason}.")
        client.set_task_run_state(task.id, crashed, force=True)


def runs_of(client: SyncPrefectClient, states: tuple[StateType, ...]) -> Iterator[FlowRun]:
    """Every run of the project's flows in one of these states."""
    page, offset = 200, 0
    while True:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=list(FLOWS))),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=page,
            offset=offset,
        )
        yield from found
        offset += page
        if len(found) < page:
            return


def resume(dead: list[FlowRun]) -> list[Resumed]:
    """Run the deployments of dead runs again, once, with the same parameters.

    A run that another one waits for is left to that one, and one that has a successor already,
    newer or itself resumed, is not run again.
    """
    resumed = []
    with get_client(sync_client=True) as client:
        for run in dead:
            again = any(tag.startswith(RESUMED_FROM) for tag in run.tags)
            if run.deployment_id is None or run.parent_task_run_id is not None or again:
                continue
            try:
                deployment = client.read_deployment(run.deployment_id)
            except ObjectNotFound:
                continue
            flow_name = client.read_flow(deployment.flow_id).name
            if flow_name not in RESUMABLE or _has_successor(client, run):
                continue
            tag = f"{RESUMED_FROM}{run.id}"
            new = client.create_flow_run_from_deployment(
                deployment.id, parameters=run.parameters, tags=[*run.tags, tag], idempotency_key=tag
            )
            name = f"{flow_name}/{deployment.name}"
            resumed.append(Resumed(str(new.id), new.name, name, str(run.id)))
    return resumed


def _has_successor(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether a later run of the deployment began, or is due."""
    now = datetime.now(UTC)
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[run.deployment_id])),  # type: ignore[list-item]
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=200,
    )
    since = run.expected_start_time or run.created
    assert since is not None
    return any(
        since < other.expected_start_time <= now
        for other in runs
        if other.id != run.id and other.expected_start_time and not _came_to_nothing(other)
    )


def _came_to_nothing(run: FlowRun) -> bool:
    """A run that was refused because another one went on."""
    return run.state_type == StateType.CANCELLED and run.start_time is None


def _death(client: SyncPrefectClient, run: FlowRun) -> str | None:
    """Why a run must be dead; None where it may well live.

    A run that was suspended and comes back keeps its first start and, until its new process has
    begun, the number of the old one: its latest state says since when this attempt goes on.
    """
    assert run.state is not None
    began, pending = run.state.timestamp, run.state_type == StateType.PENDING
    worker = _worker(client, run, began if pending else None)
    known = WORKER.match(worker or "")
    if known and known["host"] == platform.node() and (run.infrastructure_pid or "0").isdigit():
        if pending or run.infrastructure_pid is None:
            gone = not alive(int(known["pid"]), began.timestamp())
            gone = gone and not _worker_is_heard(client, run, worker)
            return "its worker is gone and did not start it" if gone else None
        gone = not alive(int(run.infrastructure_pid), began.timestamp())
        return f"its process {run.infrastructure_pid} on this machine is gone" if gone else None
    heard = _last_sign(client, run)
    if datetime.now(UTC) - heard < SILENCE or _worker_is_heard(client, run, worker):
        return None
    return f"no sign of life since {heard:%Y-%m-%d %H:%M} UTC, and its worker is gone"


def _worker_is_heard(client: SyncPrefectClient, run: FlowRun, worker: str | None) -> bool:
    """Whether the run's worker polls; where nobody knows which it was, whether any of its pool."""
    if run.work_pool_name is None:
        return False
    try:
        online = online_workers(client, run.work_pool_name)
    except ObjectNotFound:
        return False
    return worker in online if worker is not None else bool(online)


def _worker(client: SyncPrefectClient, run: FlowRun, since: datetime | None) -> str | None:
    """The name of the worker that took the run last, and not before `since`."""
    event = _last_event(
        client, run, since,
        event=EventNameFilter(name=["prefect.worker.submitted-flow-run"]),
        related=EventRelatedFilter(id=[f"prefect.flow-run.{run.id}"]),
    )  # fmt: skip
    return None if event is None else event.resource.get("prefect.resource.name")


def _last_sign(client: SyncPrefectClient, run: FlowRun) -> datetime:
    """When the run changed its state or sent a heartbeat, whichever was later."""
    assert run.state is not None
    event = _last_event(
        client, run, run.state.timestamp,
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
    )  # fmt: skip
    return event.occurred if event else run.state.timestamp


def _last_event(
    client: SyncPrefectClient,
    run: FlowRun,
    since: datetime | None,
    *,
    event: EventNameFilter,
    related: EventRelatedFilter | None = None,
    resource: EventResourceFilter | None = None,
) -> Event | None:
    since = since or (run.created or datetime.now(UTC)) - timedelta(hours=1)
    wanted = EventFilter(
        occurred=EventOccurredFilter(since=since),  # type: ignore[arg-type]
        event=event,
        related=related,
        resource=resource,
        order=EventOrder.DESC,
    )
    events = client.read_events(wanted, limit=1).events
    return events[0] if events else None
