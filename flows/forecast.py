"""The next horizon, by the champion."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from prefect import flow
from prefect.runtime import flow_run

from tasks.forecasts import Forecast, check_forecast, write_forecast
from tasks.models import champion_version
from tasks.rows import layout_for, load_rows, newest_read, prepare_rows, validate_snapshot
from tasks.settings import RunConfig, find_home, utc_naive, utc_now

__all__ = ["forecast"]


def _name() -> str:
    return f"forecast {flow_run.parameters['config'].name}"


@flow(name="forecast", flow_run_name=_name)
def forecast(config: RunConfig, as_of: datetime | None = None) -> Forecast:
    """Load, validate, prepare, forecast."""
    home = find_home()
    champion_version(config.name, home)  # without one, nothing is begun
    check_forecast(config, home)
    until = None if as_of is None else utc_naive(as_of)
    read = None
    if until is not None and until < utc_now():  # else what is read now is what is known then
        read = newest_read(config.data.source, until, home, layout_for(config, home))
    raw = load_rows(config, home) if read is None else read.snapshot
    contract = home.conf_dir / config.data.contract
    validate_snapshot(raw.path, contract, config.frame, home.docs_dir(raw.sha256))
    prepared = prepare_rows(raw, config, home)
    made = write_forecast(prepared.snapshot.path, config, home, as_of=until, read=read)
    return replace(made, left_out={**prepared.unusable, **made.left_out})
