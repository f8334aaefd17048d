"""Closes what dead workers left open, and runs again what can go on."""

from __future__ import annotations

from prefect import flow

from tasks.operations import (
    Reconciled,
    close_flow_runs,
    close_mlflow_runs,
    close_trials,
    free_slots,
    pipelines,
    report,
    resume,
)
from tasks.settings import find_home

__all__ = ["reconcile"]


@flow(name="reconcile", flow_run_name="reconcile")
def reconcile() -> Reconciled:
    """Flow runs, then MLflow runs, trials and slots, which follow from them; then resume."""
    home = find_home()
    limits = {config.workers.training_limit for config in pipelines(home)}
    closed, dead = close_flow_runs()
    closed += close_mlflow_runs(home)
    closed += close_trials(home)
    closed += free_slots(limits)
    done = Reconciled(closed, resume(dead))
    report(done)
    return done
