"""The search: within a training's flow, or by several flows on workers of their own."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from tasks.fitting import Tuned, plan, tune_study
from tasks.operations import share_in_pool, training_slot
from tasks.rows import Prepared, Snapshot, prepare_rows
from tasks.settings import Home, RunConfig, find_home

__all__ = ["tune", "tune_together"]


def _name() -> str:
    return f"tune {flow_run.parameters['config'].name}"


@flow(name="tune", flow_run_name=_name)
def tune(config: RunConfig, raw: Snapshot, run_id: str) -> Tuned:
    """Take one trial after another of what `retrain` has planned, until the study is finished."""
    home = find_home()
    config = config.with_space(home.conf_dir)
    prepared = prepare_rows(raw, config, home)
    with training_slot(config):
        return tune_study(prepared, config, run_id, home, fill=False)


def tune_together(
    prepared: Prepared, config: RunConfig, given: dict[str, Any], seconds: float, home: Home
) -> None:
    """Finish the study by `workers.tuning_flows` flows, where that is wanted and worth it."""
    if config.workers.tuning_flows == 1:
        return
    n_flows = min(config.workers.tuning_flows, plan(prepared, config, given["run_id"], home))
    if n_flows > 1:
        share_in_pool(f"tune/{config.name}", given, n_flows, seconds)
