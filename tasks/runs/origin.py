"""Which process and which flow run opened an MLflow run: what tells later that it was left open."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import psutil
from prefect.runtime import flow_run

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = [
    "FLOW_RUN_TAG", "HOST_TAG", "PID_TAG", "SINCE_TAG", "alive", "is_abandoned",
    "origin_tags",
]  # fmt: skip

FLOW_RUN_TAG, HOST_TAG, PID_TAG, SINCE_TAG = "prefect_flow_run_id", "host", "pid", "pid_since"
CLOCK_S = 1.0  # a clock that is set moves the time at which a process began


def origin_tags() -> dict[str, str]:
    """Tags for an MLflow run: this process, and the flow run that it works for if there is one."""
    process = psutil.Process()
    tags = {
        HOST_TAG: platform.node(),
        PID_TAG: str(process.pid),
        SINCE_TAG: f"{process.create_time():.1f}",
    }
    if flow_run.id:
        tags |= {FLOW_RUN_TAG: str(flow_run.id), "prefect_flow_run_url": str(flow_run.ui_url)}
    return tags


def is_abandoned(run: Run) -> bool:
    """Whether an open MLflow run belongs to a process of this machine that is gone."""
    tags = run.data.tags
    if run.info.status != "RUNNING" or tags.get(HOST_TAG) != platform.node():
        return False
    return SINCE_TAG in tags and not alive(int(tags[PID_TAG]), float(tags[SINCE_TAG]))


def alive(pid: int, since: float) -> bool:
    """Whether a process of this machine goes on that was there at a time.

    Args:
        pid: its number, which may have been given to another process meanwhile.
        since: seconds since 1970; a process that began later is another one.
    """
    try:
        process = psutil.Process(pid)
        was_there = process.create_time() <= since + CLOCK_S
        return bool(was_there and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
