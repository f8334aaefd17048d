"""MLflow runs and Optuna's trials whose process or flow run is over, though they are still open."""

from __future__ import annotations

from uuid import UUID

import mlflow
import optuna
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from optuna.trial import TrialState
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from tasks.fitting import RUN_ATTRIBUTE, abandon, fail_stale, open_storage
from tasks.operations.reconcile.record import Closed
from tasks.runs import FLOW_RUN_TAG, PID_TAG, connect, is_abandoned
from tasks.settings import Home

__all__ = ["close_mlflow_runs", "close_trials"]

SUSPENDED = "SCHEDULED"  # its flow run waits for a person, and has no process meanwhile
OPEN = ("RUNNING", SUSPENDED)
CUT_OFF = ("FAILED", "KILLED")  # one that is FINISHED is about to tell its trial's value


def close_mlflow_runs(home: Home) -> list[Closed]:
    """End as KILLED each run whose flow run is over, or whose process on this machine is gone."""
    tracking = connect(home)
    experiments = [found.experiment_id for found in tracking.search_experiments()]
    closed = []
    with get_client(sync_client=True) as client:
        for run in _open_runs(tracking, experiments):
            reason = _over(client, run)
            if reason is not None:
                tracking.set_tag(run.info.run_id, "closed_reason", reason)
                tracking.set_terminated(run.info.run_id, status="KILLED")
                closed.append(Closed("MLflow run", str(run.info.run_id), reason))
    return closed


def close_trials(home: Home) -> list[Closed]:
    """Fail each trial whose MLflow run was cut off, or that sends no heartbeat; and put it back.

    A flow that is cancelled ends its trial by itself.
    """
    if not home.may_have_studies:
        return []
    tracking = connect(home)
    storage = open_storage(home)
    closed = []
    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            run_id = trial.user_attrs.get(RUN_ATTRIBUTE)
            if _is_cut_off(tracking, run_id) and abandon(study, trial):
                reason = "its MLflow run has ended"
                closed.append(Closed("trial", f"{name} {trial.number}", reason))
        closed += _without_heartbeat(study)
    return closed


def _without_heartbeat(study: optuna.Study) -> list[Closed]:
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    if not running:
        return []
    fail_stale(study)
    left = {trial.number for trial in study.get_trials(states=(TrialState.RUNNING,))}
    return [
        Closed("trial", f"{study.study_name} {trial.number}", "it no longer sends a heartbeat")
        for trial in running
        if trial.number not in left
    ]


def _open_runs(tracking: mlflow.MlflowClient, experiments: list[str]) -> list[Run]:
    found: list[Run] = []
    for status in OPEN:
        token = None
        while experiments:
            wanted = f"attributes.status = '{status}'"
            page = tracking.search_runs(experiments, wanted, page_token=token)
            found += page
            token = page.token
            if not token:
                break
    return found


def _over(client: SyncPrefectClient, run: Run) -> str | None:
    """Why nobody works on an MLflow run any more; None where somebody may."""
    tags = run.data.tags
    if FLOW_RUN_TAG in tags:
        try:
            flow_run = client.read_flow_run(UUID(tags[FLOW_RUN_TAG]))
        except ObjectNotFound:
            pass  # another server's: its process tells
        else:
            state = flow_run.state
            is_over = state is not None and state.is_final()
            return f"its flow run {flow_run.name} is {state.name}" if state and is_over else None
    if not is_abandoned(run):
        return None
    return f"its process {tags[PID_TAG]} on this machine is gone"


def _is_cut_off(tracking: mlflow.MlflowClient, run_id: str | None) -> bool:
    if run_id is None:
        return False
    try:
        return str(tracking.get_run(run_id).info.status) in CUT_OFF
    except MlflowException:
        return False
