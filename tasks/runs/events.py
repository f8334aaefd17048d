"""What the pipeline tells the world through Prefect events; automations listen for these.

Every event is about the resource `informer.pipeline.<name>`.
"""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL

from tasks.settings import finite

__all__ = ["DEGRADED", "DRIFTED", "PROMOTED", "resource_id", "tell"]

DRIFTED = "informer.drift.detected"
DEGRADED = "informer.forecast.degraded"
PROMOTED = "informer.model.promoted"
ANSWER_S = 3


def resource_id(pipeline: str) -> str:
    """The Prefect resource that the events of a pipeline are about."""
    return f"informer.pipeline.{pipeline}"


def tell(event: str, pipeline: str, payload: Mapping[str, Any]) -> None:
    """Emit one event about a pipeline.

    Outside a flow run nothing is started for it and nothing fails for it: where PREFECT_API_URL is
    not set there is no server that would listen, and one that does not answer makes a warning.

    Args:
        event: one of the names above.
        pipeline: the configuration's name.
        payload: plain values; a trigger of an automation can hand them on to a flow.
    """
    if flow_run.id is None and not _answered(event):
        return
    resource = {
        "prefect.resource.id": resource_id(pipeline),
        "prefect.resource.name": pipeline,
        "prefect.resource.role": "pipeline",
    }
    emit_event(event, resource=resource, payload=finite(payload))


def _answered(event: str) -> bool:
    url = PREFECT_API_URL.value()
    if url is None:
        return False
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=ANSWER_S):
            return True
    except OSError as error:
        logging.getLogger(__name__).warning(
            "the Prefect API %s does not answer (%s), so no automation gets the event %s",
            url,
            error,
            event,
        )
        return False
