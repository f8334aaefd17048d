"""Train in several processes of one machine while the caller's functions run in the caller's own.

The first process reports through a pipe; after each epoch it waits for a word to go on. So a
function that stops the training, or that keeps a connection open, needs no copy in a process.
"""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from informer.errors import InformerError
from informer.training.records import EpochRecord, OnEpoch, OnStep, TrainingResult

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["run_in_processes"]

Job = Callable[["Fabric", nn.Module, OnEpoch | None, OnStep | None], TrainingResult]

POLL_SECONDS = 0.05


class _StopTrainingError(Exception):
    """The caller's function raised: end the processes, the caller knows why."""


def run_in_processes(
    fabric: Fabric, job: Job, model: nn.Module, on_epoch: OnEpoch | None, on_step: OnStep | None
) -> tuple[TrainingResult, Mapping[str, Tensor]]:
    """Run `job` in as many processes as `fabric` has devices.

    Args:
        fabric: Set up to start processes.
        job: Can be pickled; every process calls it with its own fabric and copy of `model`.
        model: Left as it is.
        on_epoch: Called here with each record of the first process; what it raises ends all.
        on_step: Called here with what the first process reports.

    Returns:
        What `job` gave in the first process, and the weights of its model.

    Raises:
        InformerError: What `job` raised in a process.
    """
    here, there = torch.multiprocessing.get_context("spawn").Pipe()
    with _environment_kept("MASTER_PORT"), ThreadPoolExecutor(max_workers=1) as pool:
        processes = pool.submit(fabric.launch, _work, job, _Parcel(model), there)
        try:
            outcome = _listen(here, processes, on_epoch, on_step)
        finally:
            with suppress(OSError):
                here.send(False)  # a process that still waits for a word ends
    if outcome is None:
        processes.result()  # raises what went wrong
        raise RuntimeError("the training processes ended without a result")
    if isinstance(outcome, InformerError):
        raise outcome
    result, weights = outcome
    return result, torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)


def _listen(
    pipe: Connection, processes: Future[Any], on_epoch: OnEpoch | None, on_step: OnStep | None
) -> Any:  # noqa: ANN401 - a result with weights, an error, or None
    """Pass on what the first process reports until it is done."""
    while not processes.done() or pipe.poll():
        if not pipe.poll(POLL_SECONDS):
            continue
        kind, content = pipe.recv()
        if kind == "outcome":
            return content
        if kind == "step" and on_step is not None:
            on_step(*content)
        if kind == "epoch":
            if on_epoch is not None:
                on_epoch(content)
            pipe.send(True)
    return None


def _work(fabric: Fabric, job: Job, parcel: _Parcel, pipe: Connection) -> None:
    """What each process does."""

    def on_epoch(record: EpochRecord) -> None:
        pipe.send(("epoch", record))
        if not pipe.recv():
            raise _StopTrainingError

    def on_step(*report: object) -> None:
        pipe.send(("step", report))

    # The caller's tensors lie in memory that all processes share: train a copy.
    model = copy.deepcopy(parcel.model)
    try:
        result = job(fabric, model, on_epoch, on_step)
    except InformerError as error:
        if fabric.is_global_zero:
            pipe.send(("outcome", error))
        raise
    if fabric.is_global_zero:
        weights = io.BytesIO()
        torch.save({k: v.cpu() for k, v in model.state_dict().items()}, weights)
        pipe.send(("outcome", (result, weights.getvalue())))


class _Parcel:
    """Carries a model past Fabric, which would look into it."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model


@contextmanager
def _environment_kept(name: str) -> Iterator[None]:
    """Undo what happens to an environment variable."""
    before = os.environ.get(name)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
