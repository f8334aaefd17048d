"""Work that a deployed flow hands to a work pool, and the slots that keep one training per GPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.concurrency.sync import concurrency
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment
from prefect.states import Cancelling

from tasks.config import RunConfig
from tasks.errors import PipelineError, StoreError

__all__ = ["is_sent_away", "run_in_pool", "training_slot"]

POLL_S = 2.0


def is_sent_away(config: RunConfig) -> bool:
    """Whether trials and training go to a pool of their own: in deployed runs alone."""
    return deployment.id is not None and config.workers.training_pool is not None


@contextmanager
def training_slot(config: RunConfig) -> Iterator[None]:
    """Hold one slot of the limit `workers.training_limit`; a local run needs none."""
    if deployment.id is None:
        yield
        return
    with concurrency(config.workers.training_limit, occupy=1):
        yield


def run_in_pool(name: str, parameters: dict[str, Any], seconds: float) -> Any:  # noqa: ANN401
    """Run a deployment as a subflow, wait for it, and return what it returned.

    Where the waiting run is cancelled or interrupted, the other one is cancelled too.

    Args:
        name: `flow/deployment`.
        parameters: of the flow.
        seconds: after which the deployment is cancelled and given up.

    Raises:
        StoreError: the server knows no such deployment.
        PipelineError: the run failed, or took too long.
    """
    try:
        run = cast(FlowRun, run_deployment(name, parameters=parameters, timeout=0))
    except ObjectNotFound as error:
        raise StoreError(
            f"the Prefect server knows no deployment {name}. Run: prefect deploy --all, or set "
            "workers.training_pool to null to train in the flow's own process."
        ) from error
    get_run_logger().info("%s runs as %s", name, run.name)
    with get_client(sync_client=True) as client:
        done = _awaited(client, run, name, seconds)
    assert done.state is not None
    if not done.state.is_completed():
        raise PipelineError(
            f"{name} ended {done.state.name}: {done.state.message or 'no message'}. Open its flow "
            f"run {done.name} in the Prefect UI, mend the cause, and run this flow again."
        )
    return done.state.result()


def _awaited(client: SyncPrefectClient, run: FlowRun, name: str, seconds: float) -> FlowRun:
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            found = client.read_flow_run(run.id)
            if found.state is not None and found.state.is_final():
                return found
            time.sleep(POLL_S)
        raise PipelineError(
            f"{name} was not done after {seconds / 3600:.3g} hours and is cancelled. Start a "
            "worker for its pool (informer worker --pool NAME), or raise workers.timeout_hours."
        )
    except BaseException:
        with suppress(Exception):
            client.set_flow_run_state(run.id, Cancelling())
        raise
