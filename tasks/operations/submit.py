"""A retrain handed to the workers: one flow run of the pipeline's deployment."""

from __future__ import annotations

from dataclasses import dataclass

from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.urls import url_for

from tasks.operations.server import named_server, online_workers
from tasks.settings import RunConfig, StoreError

__all__ = ["Submitted", "submit_retrain"]


@dataclass(frozen=True)
class Submitted:
    """A flow run that waits for a worker.

    Attributes:
        flow_run_id: on the Prefect server.
        name: of the flow run.
        url: its page in the Prefect UI.
        warning: why nobody would pick it up at present; empty where a worker is there.
    """

    flow_run_id: str
    name: str
    url: str
    warning: str = ""


def submit_retrain(config: RunConfig) -> Submitted:
    """Ask the server for a run of `retrain/<name>` with this configuration; do not wait for it.

    Raises:
        StoreError: no server, no such deployment, or one that does not take this configuration.
    """
    name = f"retrain/{config.name}"
    with named_server() as client:
        try:
            deployment = client.read_deployment_by_name(name)
        except ObjectNotFound as error:
            raise StoreError(
                f"the Prefect server has no deployment {name}. Run: informer deployments --write, "
                "then prefect deploy --all."
            ) from error
        try:
            run = client.create_flow_run_from_deployment(
                deployment.id, parameters={"config": config.model_dump(mode="json")}
            )
        except PrefectHTTPStatusError as error:
            raise StoreError(
                f"the deployment {name} does not accept this configuration: "
                f"{error.response.text}. If the deployment is older than the code, run: prefect "
                "deploy --all."
            ) from error
        pool = deployment.work_pool_name or config.workers.pool
        idle = not online_workers(client, pool)
    warning = f"no worker polls the pool {pool}. Start one: informer worker --pool {pool}"
    url = url_for("flow-run", obj_id=run.id) or ""
    return Submitted(str(run.id), run.name, url, warning if idle else "")
