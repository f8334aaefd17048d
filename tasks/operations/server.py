"""The Prefect server: whether one is named and answers, and what is asked of it more than once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import WorkerFilter, WorkerFilterStatus
from prefect.settings import PREFECT_API_URL

from tasks.settings import StoreError

__all__ = ["named_server", "online_workers"]


@contextmanager
def named_server() -> Iterator[SyncPrefectClient]:
    """A client of the server that PREFECT_API_URL points to; it has answered once.

    Raises:
        StoreError: no server is named, it cannot be reached, or it is lost meanwhile.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise StoreError(
            "this command needs a Prefect server, but PREFECT_API_URL names none. Start one "
            "(prefect server start) and set its address, such as "
            "PREFECT_API_URL=http://127.0.0.1:4200/api."
        )
    with get_client(sync_client=True) as client:
        if error := client.api_healthcheck():
            raise StoreError(_unreachable(url, error)) from error
        try:
            yield client
        except httpx.TransportError as error:
            raise StoreError(_unreachable(url, error)) from error


def online_workers(client: SyncPrefectClient, pool: str) -> set[str]:
    """Names of the workers of a pool that the server has heard of lately; the pool must exist."""
    online = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
    return {worker.name for worker in client.read_workers_for_work_pool(pool, online)}


def _unreachable(url: str, error: Exception) -> str:
    return (
        f"the Prefect server {url} does not answer ({type(error).__name__}: {error}). Start it, "
        "or correct PREFECT_API_URL."
    )
