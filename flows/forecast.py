"""The next horizon, by the champion."""

from __future__ import annotations

import pandas as pd
from prefect import flow
from prefect.runtime import flow_run

from tasks.config import RunConfig
from tasks.forecast import Forecast, output_dir
from tasks.forecast import forecast as write_forecast
from tasks.home import check_writable, find_home
from tasks.prepare import prepare
from tasks.registry import require_champion
from tasks.sources import load
from tasks.validate import validate

__all__ = ["forecast"]


def _name() -> str:
    return f"forecast {flow_run.parameters['config'].name}"


@flow(name="forecast", flow_run_name=_name)
def forecast(config: RunConfig, as_of: pd.Timestamp | None = None) -> Forecast:
    """Load, validate, prepare, forecast."""
    home = find_home()
    require_champion(config, home)
    check_writable(output_dir(config, home))
    raw = load(config.data.source, config.frame, home)
    contract = home.conf_dir / config.data.contract
    validate(raw.path, contract, config.frame, home.run_dir(f"docs-{raw.sha256[:16]}"))
    prepared = prepare(raw, config, home)
    return write_forecast(prepared.snapshot.path, config, home, as_of=as_of)
