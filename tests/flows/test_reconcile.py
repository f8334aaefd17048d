"""What is taken for dead, and what is not: on Prefect's real server and a real MLflow store."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from datetime import timedelta
from uuid import uuid4

import mlflow
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events import emit_event
from prefect.events.filters import EventNameFilter, EventRelatedFilter
from prefect.states import Cancelling, Paused, Pending, Running, Scheduled, Suspended

from tasks.operations import Reconciled, close_flow_runs, close_mlflow_runs, resume
from tasks.operations.reconcile import flow_runs
from tasks.operations.reconcile.flow_runs import worker_name
from tasks.runs.origin import origin_tags
from tests.servers import until

pytestmark = pytest.mark.slow


@flow(name="retrain")
def stand_in() -> None:
    """A flow by a name of ours."""


@pytest.fixture
def client(home):
    with get_client(sync_client=True) as made:
        yield made


@pytest.fixture
def impatient(monkeypatch):
    """No time without a sign of life is granted."""
    monkeypatch.setattr(flow_runs, "SILENCE", timedelta(0))


@pytest.fixture
def deployment(client):
    """A deployment whose pool no worker polls."""
    pool = f"pool-{uuid4().hex[:6]}"
    client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    flow_id = client.create_flow(stand_in)
    return client.create_deployment(flow_id, name=pool, work_pool_name=pool)


def opened(client, state=None, **how):
    return client.create_flow_run(stand_in, state=state or Running(), **how)


def died(client, deployment, **how):
    """A run of a deployment that was running when its worker died."""
    run = client.create_flow_run_from_deployment(deployment, **how)
    client.set_flow_run_state(run.id, Running(), force=True)
    return client.read_flow_run(run.id)


def taken_by(client, run, worker, pid=None):
    """Tell the server what a worker tells when it takes a run and starts its process."""
    sent = emit_event(
        "prefect.worker.submitted-flow-run",
        resource={"prefect.resource.id": f"worker.{worker}", "prefect.resource.name": worker},
        related=[
            {
                "prefect.resource.id": f"prefect.flow-run.{run.id}",
                "prefect.resource.role": "flow-run",
            }
        ],
    )
    event = {"event": EventNameFilter(name=[sent.event])}
    related = EventRelatedFilter(id=[f"prefect.flow-run.{run.id}"])
    newest = lambda: flow_runs._last_event(client, run, None, **event, related=related)  # noqa: E731
    until(lambda: (found := newest()) and found.id == sent.id, 30, "the worker's event")
    if pid is not None:
        client.update_flow_run(run.id, infrastructure_pid=str(pid))


def reason(run):
    """Why the run is closed now; None where it is not."""
    return {one.id: one.reason for one in close_flow_runs()[0]}.get(str(run.id))


def test_a_quiet_run_is_not_yet_dead(client):
    run = opened(client)
    assert str(run.id) not in {one.id for one in close_flow_runs()[0]}
    assert client.read_flow_run(run.id).state_type == StateType.RUNNING


def test_without_a_sign_of_life_it_crashed_or_was_cancelled_and_says_why(client, impatient):
    run, ending = opened(client), opened(client, Cancelling())
    closed, dead = close_flow_runs()
    reasons = {one.id: one.reason for one in closed}
    assert "no sign of life" in reasons[str(run.id)]
    state = client.read_flow_run(run.id).state
    assert state.type == StateType.CRASHED
    assert state.message.startswith("Reconciled: no sign of life")
    assert client.read_flow_run(ending.id).state_type == StateType.CANCELLED
    assert run.id in {one.id for one in dead}
    assert ending.id not in {one.id for one in dead}


def test_a_heartbeat_is_a_sign_of_life(client):
    run = opened(client)
    resource = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
    before = flow_runs._last_sign(client, run)
    sent = emit_event("prefect.flow-run.heartbeat", resource=resource)
    until(lambda: flow_runs._last_sign(client, run) > before, 30, "a heartbeat")
    assert flow_runs._last_sign(client, run) == sent.occurred


def test_a_run_that_was_suspended_lives_though_its_first_process_is_gone(client, deployment):
    first = subprocess.Popen([sys.executable, "-c", ""])
    first.wait()
    run = died(client, deployment)
    taken_by(client, run, worker_name("cpu"), first.pid)
    client.set_flow_run_state(run.id, Suspended(timeout_seconds=600), force=True)
    client.set_flow_run_state(run.id, Scheduled(), force=True)
    client.set_flow_run_state(run.id, Pending(), force=True)
    assert reason(run) is None
    time.sleep(1.5)  # so that the next process began after the run did
    second = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        taken_by(client, run, worker_name("cpu"), second.pid)
        client.set_flow_run_state(run.id, Running(), force=True)
        assert client.read_flow_run(run.id).start_time == run.start_time
        assert reason(run) is None
    finally:
        second.kill()
        second.wait()
    assert reason(run) == f"{run.name}: its process {second.pid} on this machine is gone"


def test_a_run_that_its_worker_took_and_never_started_is_dead(client, deployment):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = client.create_flow_run_from_deployment(deployment)
    client.set_flow_run_state(run.id, Pending(), force=True)
    taken_by(client, run, f"cpu on {platform.node()} by {gone.pid}")
    assert reason(run) == f"{run.name}: its worker is gone and did not start it"


def test_a_run_is_resumed_once_and_not_for_ever(client, deployment):
    run = died(client, deployment, tags=["mine"])
    done = resume([run])
    assert [one.resumed_from for one in done] == [str(run.id)]
    again = client.read_flow_run(done[0].flow_run_id)
    assert {"mine", f"resumed-from:{run.id}"} <= set(again.tags)
    assert resume([run]) == []  # the one before is there
    assert resume([again]) == []  # it was itself resumed


def test_a_run_with_a_successor_or_a_parent_is_left_alone(client, deployment):
    run = died(client, deployment)
    died(client, deployment)
    assert resume([run]) == []
    assert resume([opened(client)]) == []  # of no deployment


@pytest.fixture
def experiment(home):
    mlflow.set_tracking_uri(home.tracking_uri)
    tracking = mlflow.MlflowClient()
    return tracking, tracking.create_experiment(f"open-{uuid4().hex[:6]}")


def test_mlflow_runs_of_dead_processes_and_finished_flow_runs_are_closed(client, home, experiment):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    tracking, number = experiment
    here = {"host": platform.node(), "pid": str(gone.pid), "pid_since": "1.0"}
    suspended = opened(client, Paused(timeout_seconds=600))
    over = stand_in(return_state=True).state_details.flow_run_id
    runs = {
        "dead": here,
        "elsewhere": here | {"host": "another"},
        "not ours": {},
        "suspended": here | {"prefect_flow_run_id": str(suspended.id)},
        "over": {"host": "another", "pid": "1", "prefect_flow_run_id": str(over)},
        "another server's": here | {"prefect_flow_run_id": str(uuid4())},
        "asks on another server": here | {"prefect_flow_run_id": str(uuid4())},
        "asked in vain": here | {"prefect_flow_run_id": str(over)},
        "this process's": origin_tags(),
    }
    ids = {name: tracking.create_run(number, tags=tags).info.run_id for name, tags in runs.items()}
    for name in ("asks on another server", "asked in vain"):
        tracking.update_run(ids[name], status="SCHEDULED")
    closed = {one.id: one.reason for one in close_mlflow_runs(home)}
    state = {name: tracking.get_run(run_id).info.status for name, run_id in ids.items()}
    assert {name for name, status in state.items() if status == "KILLED"} == {
        "dead", "over", "another server's", "asked in vain",
    }  # fmt: skip
    assert "is Completed" in closed[ids["over"]]
    assert tracking.get_run(ids["dead"]).data.tags["closed_reason"] == closed[ids["dead"]]
    assert closed[ids["dead"]].endswith("on this machine is gone")


def test_nothing_open_is_nothing_to_tell(home):
    assert Reconciled().as_record() == {"closed": [], "resumed": []}
