"""Whether a service of compose.yaml works: `health.py URL`, or `health.py worker POOL`."""

from __future__ import annotations

import os
import platform
import sys

import httpx

TIMEOUT_S = 10


def answers(url: str) -> bool:
    """Whether a server says that it is well."""
    return httpx.get(url, timeout=TIMEOUT_S).status_code == 200


def polls(pool: str) -> bool:
    """Whether the Prefect server has lately heard of a worker of the pool on this machine."""
    auth = os.environ.get("PREFECT_API_AUTH_STRING")
    answer = httpx.post(
        f"{os.environ['PREFECT_API_URL']}/work_pools/{pool}/workers/filter",
        json={"workers": {"status": {"any_": ["ONLINE"]}}},
        auth=httpx.BasicAuth(*auth.split(":", 1)) if auth else None,
        timeout=TIMEOUT_S,
    )
    answer.raise_for_status()
    return any(f" on {platform.node()} " in worker["name"] for worker in answer.json())


if __name__ == "__main__":
    well = polls(sys.argv[2]) if sys.argv[1] == "worker" else answers(sys.argv[1])
    sys.exit(not well)
