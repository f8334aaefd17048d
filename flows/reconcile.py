"""Closes what dead workers left open, and runs again what can go on."""

from __future__ import annotations

from prefect import flow

from tasks.deployments import pipelines
from tasks.home import find_home
from tasks.reconcile.flow_runs import close_flow_runs, resume
from tasks.reconcile.record import Reconciled, report
from tasks.reconcile.slots import free_slots
from tasks.reconcile.stores import close_mlflow_runs, close_trials

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
