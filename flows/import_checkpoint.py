"""A checkpoint of the reference implementation becomes a registered model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from tasks.models import register
from tasks.reference import Adopted, Flags, adopt_checkpoint, given_flags
from tasks.runs import connect, opened_run
from tasks.settings import find_home

__all__ = ["Imported", "import_checkpoint"]


@dataclass(frozen=True)
class Imported:
    """What one import did."""

    run_id: str
    version: str
    adopted: Adopted


def _name() -> str:
    return f"import {flow_run.parameters['name']}"


@flow(name="import", flow_run_name=_name)
def import_checkpoint(checkpoint: Path, flags: Flags, name: str) -> Imported:
    """Adopt and register; no alias moves, so that nothing is displaced."""
    home = find_home()
    connect(home)
    with opened_run(name, given_flags(flags), home, flow_run.name) as run_id:
        adopted = adopt_checkpoint(checkpoint, flags, run_id, home.run_dir(run_id), home)
        version = register(
            adopted.model_dir, adopted.prepared, name, adopted.metrics, run_id, home, alias=None
        )
    return Imported(run_id, version, adopted)
