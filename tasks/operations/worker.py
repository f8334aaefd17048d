"""A Prefect worker that ends when it is told to, and its flow runs with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

import psutil

from tasks.operations.reconcile.flow_runs import worker_name

__all__ = ["supervise"]

GRACE_S = 30.0
POLL_S = 0.5
HEARTBEAT_S = "60"


def supervise(pool: str, grace_s: float = GRACE_S, limit: int | None = None) -> int:
    """Run a worker of a pool, with at most `limit` runs at once, until it ends or is told to.

    A Prefect worker waits for its runs when it is told to end, and may not end at all. So its runs
    are told too, which lets them close what they opened, and after `grace_s` seconds whoever is
    left is killed.

    Returns:
        The worker's exit status; 0 where it was told to end.
    """
    command = [
        sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process",
        "--name", worker_name(pool), "--install-policy", "never",
    ]  # fmt: skip
    if limit is not None:
        command += ["--limit", str(limit)]
    environment = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": HEARTBEAT_S} | os.environ
    told = False

    def tell(_signal: int, _frame: FrameType | None) -> None:
        nonlocal told
        told = True

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    # In a session of its own, the worker does not hear Ctrl-C by itself, and hears it once.
    worker = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        while not told:
            try:
                return worker.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue
        return 0
    finally:
        end(worker.pid, grace_s)
        worker.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def end(pid: int, grace_s: float) -> None:
    """End a process and all that it started: SIGTERM, and SIGKILL after `grace_s` seconds."""
    try:
        worker = psutil.Process(pid)
        family = [worker, *worker.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        _signal(process, signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=grace_s)
    for process in left:
        _signal(process, signal.SIGKILL)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
