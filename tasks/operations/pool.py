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

from tasks.settings import PipelineError, RunConfig, StoreError

__all__ = ["is_sent_away", "run_in_pool", "share_in_pool", "training_slot"]

POLL_S = 2.0
SHARED_S = 20.0


def is_sent_away(config: RunConfig) -> bool:
    """Whether trials and training go to a pool of their own: in deployed runs alone."""
    return deployment.id is not None and config.workers.training_pool is not None


@contextmanager
def training_slot(config: RunConfig) -> Iterator[None]:
    """Hold one slot of the limit `workers.training_limit`; a local run needs none.

    Raises:
        PipelineError: what is done with it took too long.
    """
    try:
        if deployment.id is None:
            yield
            return
        with concurrency(config.workers.training_limit, occupy=1):
            yield
    except TimeoutError as error:
        raise PipelineError(
            f"the search or the training of {config.name} did not finish within "
            f"workers.timeout_hours={config.workers.timeout_hours:.3g} and was stopped. Raise the "
            "limit or make the work smaller. The next run continues from the last epoch."
        ) from error


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
    (done,) = _ended(name, parameters, 1, seconds)
    if not _is_completed(done):
        raise PipelineError(
            f"{name} {_ending(done)}. Open its flow run {done.name} in the Prefect UI, fix the "
            "cause, and run this flow again."
        )
    assert done.state is not None
    return done.state.result()


def share_in_pool(name: str, parameters: dict[str, Any], n_runs: int, seconds: float) -> None:
    """Run a deployment several times at once, as subflows that share one piece of work.

    One that has completed says that nothing is left to do: the others are given `SHARED_S` to end,
    and are then cancelled. So it takes no harm from a run whose worker died or that never began.

    Args:
        name: `flow/deployment`.
        parameters: of the flow.
        n_runs: how many runs.
        seconds: after which all of them are cancelled and given up.

    Raises:
        StoreError: the server knows no such deployment.
        PipelineError: none completed, or it took too long.
    """
    runs = _ended(name, parameters, n_runs, seconds)
    if not any(map(_is_completed, runs)):
        endings = "; ".join(f"{run.name} {_ending(run)}" for run in runs)
        raise PipelineError(
            f"none of {n_runs} runs of {name} completed: {endings}. Open them in the Prefect UI, "
            "fix the cause, and run this flow again. It continues where they stopped."
        )


def _ended(name: str, parameters: dict[str, Any], n_runs: int, seconds: float) -> list[FlowRun]:
    """Start so many runs and wait for them; whatever happens, none is left to itself."""
    runs: list[FlowRun] = []
    with get_client(sync_client=True) as client:
        try:
            for _ in range(n_runs):
                runs.append(_started(name, parameters))
            return _awaited(client, runs, name, seconds)
        except BaseException:
            _cancel(client, runs)
            raise


def _started(name: str, parameters: dict[str, Any]) -> FlowRun:
    try:
        run = cast(FlowRun, run_deployment(name, parameters=parameters, timeout=0))
    except ObjectNotFound as error:
        raise StoreError(
            f"the Prefect server has no deployment {name}. Run: prefect deploy --all, or set "
            "workers.training_pool to null to train in the flow's own process."
        ) from error
    get_run_logger().info("%s runs as %s", name, run.name)
    return run


def _awaited(
    client: SyncPrefectClient, runs: list[FlowRun], name: str, seconds: float
) -> list[FlowRun]:
    """The runs once all have ended, or one has completed and the others had time to."""
    end, completed = time.monotonic() + seconds, False
    while time.monotonic() < end:
        runs = [client.read_flow_run(run.id) for run in runs]
        left = [run for run in runs if run.state is None or not run.state.is_final()]
        if not left:
            return runs
        if not completed and any(map(_is_completed, runs)):
            completed, end = True, min(end, time.monotonic() + SHARED_S)
        time.sleep(POLL_S)
    if completed:
        _cancel(client, left)
        return runs
    raise PipelineError(
        f"{name} did not finish within {seconds / 3600:.3g} hours and was cancelled. Start a "
        "worker for its pool (informer worker --pool NAME), or raise workers.timeout_hours."
    )


def _cancel(client: SyncPrefectClient, runs: list[FlowRun]) -> None:
    for run in runs:
        with suppress(Exception):
            client.set_flow_run_state(run.id, Cancelling())


def _is_completed(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_completed()


def _ending(run: FlowRun) -> str:
    assert run.state is not None
    return f"ended {run.state.name}: {run.state.message or 'no message'}"
