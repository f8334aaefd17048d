"""What the pipeline tells the world through Prefect events; automations listen for these.

Every event is about the resource `informer.pipeline.<name>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event

__all__ = ["DEGRADED", "DRIFTED", "PROMOTED", "resource_id", "tell"]

DRIFTED = "informer.drift.detected"
DEGRADED = "informer.forecast.degraded"
PROMOTED = "informer.model.promoted"


def resource_id(pipeline: str) -> str:
    """The Prefect resource that the events of a pipeline are about."""
    return f"informer.pipeline.{pipeline}"


def tell(event: str, pipeline: str, payload: Mapping[str, Any]) -> None:
    """Emit one event about a pipeline.

    Args:
        event: one of the names above.
        pipeline: the configuration's name.
        payload: plain values; a trigger of an automation can hand them on to a flow.
    """
    resource = {
        "prefect.resource.id": resource_id(pipeline),
        "prefect.resource.name": pipeline,
        "prefect.resource.role": "pipeline",
    }
    emit_event(event, resource=resource, payload=dict(payload))
