"""Past forecasts against what came, and the inputs against the train rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from tasks.forecasts import output_dir, read_vintages
from tasks.models import champion_version
from tasks.monitoring import (
    Findings,
    announce,
    compare,
    judge,
    measure_drift,
    monitor_dir,
    record,
    watched,
    write_report,
)
from tasks.rows import load_rows, prepare_rows, validate_snapshot
from tasks.runs import opened_run
from tasks.settings import RunConfig, check_writable, find_home, utc_naive

__all__ = ["Monitored", "monitor"]


@dataclass(frozen=True)
class Monitored:
    """What one run of `monitor` found.

    Attributes:
        run_id: the MLflow run.
        found: the findings as plain values.
        events: names of the events that were emitted.
        path: the folder of the report.
    """

    run_id: str
    found: dict[str, Any]
    events: list[str]
    path: Path


def _name() -> str:
    return f"monitor {flow_run.parameters['config'].name}"


@flow(name="monitor", flow_run_name=_name)
def monitor(
    config: RunConfig, as_of: datetime | None = None, output: Path | None = None
) -> Monitored:
    """Load, validate, prepare, read vintages, compare, look for drift, judge, report, tell."""
    home = find_home()
    champion_version(config.name, home)  # without one, nothing is begun
    folder = monitor_dir(config, output, home)
    check_writable(folder)
    raw = load_rows(config, home)
    contract = home.conf_dir / config.data.contract
    validate_snapshot(raw.path, contract, config.frame, home.docs_dir(raw.sha256))
    until = None if as_of is None else utc_naive(as_of)
    subject = watched(prepare_rows(raw, config, home), config, home, until)
    vintages = read_vintages(output_dir(config, home))
    settings = {"monitor": config.monitor.model_dump(mode="json")}
    run_name = f"monitor {config.name} {subject.last:%Y-%m-%d}"
    with opened_run(config.name, settings, home, run_name) as run_id:
        docs_dir = home.run_dir(run_id) / "drift"
        compared = compare(subject, vintages, config)
        moved = measure_drift(
            subject.rows, subject.frame, subject.train_end, config.monitor, docs_dir
        )
        verdict = judge(compared.judged, moved, subject.promised, config.monitor)
        found = Findings(subject, compared, moved, verdict)
        path = write_report(found, config, run_id, docs_dir, folder, home)
    return Monitored(run_id, record(found), announce(found, config), path)
