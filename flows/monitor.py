"""Past forecasts against what came, and the inputs against the train rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow
from prefect.runtime import flow_run

from tasks.config import RunConfig
from tasks.drift import drift
from tasks.forecast import output_dir
from tasks.home import check_writable, find_home
from tasks.monitor import Findings, announce, compare, monitor_dir, watched
from tasks.monitor_report import record, report
from tasks.prepare import prepare
from tasks.registry import require_champion
from tasks.sources import load
from tasks.track import opened_run
from tasks.validate import validate
from tasks.verdict import judge
from tasks.vintages import read_vintages

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
    config: RunConfig, as_of: pd.Timestamp | None = None, output: Path | None = None
) -> Monitored:
    """Load, validate, prepare, read vintages, compare, look for drift, judge, report, tell."""
    home = find_home()
    require_champion(config, home)
    folder = monitor_dir(config, output, home)
    check_writable(folder)
    raw = load(config.data.source, config.frame, home)
    contract = home.conf_dir / config.data.contract
    validate(raw.path, contract, config.frame, home.run_dir(f"docs-{raw.sha256[:16]}"))
    subject = watched(prepare(raw, config, home), config, home, as_of)
    vintages = read_vintages(output_dir(config, home))
    settings = {"monitor": config.monitor.model_dump(mode="json")}
    run_name = f"monitor {config.name} {subject.last:%Y-%m-%d}"
    with opened_run(config.name, settings, home, run_name) as run_id:
        docs_dir = home.run_dir(run_id) / "drift"
        compared = compare(subject, vintages, config)
        moved = drift(subject.rows, subject.frame, subject.train_end, config.monitor, docs_dir)
        verdict = judge(compared.judged, moved, subject.promised, config.monitor)
        found = Findings(subject, compared, moved, verdict)
        path = report(found, config, run_id, docs_dir, folder, home)
    return Monitored(run_id, record(found), announce(found, config), path)
