"""Where Optuna's studies are kept: SQLite under `mlruns/`, or the database that is named.

And what becomes of a trial whose process died: it is put back, to be gone on with by another one.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from tasks.settings import STUDY_VARIABLE, Home, StoreError, without_password

__all__ = [
    "RUN_ATTRIBUTE", "abandon", "fail_stale", "history_of", "open_storage", "put_back",
]  # fmt: skip

HEARTBEAT_S, GRACE_S, LOCK_S, CONNECT_S = 10, 45, 60, 10
MAKE_TRIES, MAKE_PAUSE_S = 5, 0.5  # of the tables, which another process may make meanwhile
MAX_RETRIES = 2  # of one trial: it may be the trial itself that kills its process
RUN_ATTRIBUTE = "mlflow_run_id"


def open_storage(home: Home) -> optuna.storages.RDBStorage:
    """Open the store of studies, and make its tables where there are none.

    A trial that has sent no heartbeat for `GRACE_S` seconds counts as dead, see `put_back`.

    Raises:
        StoreError: the address is no database's, its driver is not installed, or the database
            does not answer. No password is shown.
    """
    url = home.study_url
    try:
        storage = _opened(url)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        # What SQLAlchemy says of an address that it cannot read may hold the address itself.
        reason = str(error).splitlines()[0].replace(url, without_password(url))
        raise StoreError(
            f"the store of studies {without_password(url)} does not answer: {reason}. Start the "
            f"database (PostgreSQL needs the extra `servers`), or correct or unset "
            f"{STUDY_VARIABLE}."
        ) from error
    if storage.engine.name == "sqlite":
        sqlalchemy.event.listen(storage.engine, "begin", _lock)
    return storage


def _opened(url: str) -> optuna.storages.RDBStorage:
    """Optuna looks for each table and then makes it: of two processes at once, one fails."""
    for left in reversed(range(MAKE_TRIES)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return optuna.storages.RDBStorage(
                    url,
                    heartbeat_interval=HEARTBEAT_S,
                    grace_period=GRACE_S,
                    heartbeat_stale_trial_callback=put_back,
                    engine_kwargs=_engine_arguments(url),
                )
        except (IntegrityError, ProgrammingError, OperationalError) as error:
            is_made = isinstance(error, IntegrityError) or "already exists" in str(error)
            if not is_made or not left:
                raise
            time.sleep(MAKE_PAUSE_S)
    raise AssertionError("the last try returns or raises")


def put_back(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a dead process's trial again: its values and what it reported, under a new number.

    After `MAX_RETRIES` its values are given up, and whoever takes it draws others.
    """
    trial.user_attrs.pop(RUN_ATTRIBUTE, None)  # the new trial has a run of its own
    if len(history_of(trial)) >= MAX_RETRIES:
        study.enqueue_trial({})
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        again = optuna.storages.RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)
    again(study, trial)


def abandon(study: optuna.Study, trial: FrozenTrial) -> bool:
    """Fail and put back a trial that nobody works on; whether it was this call that did."""
    try:
        failed = study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
        return False  # it has ended meanwhile
    put_back(study, failed)
    return True


def fail_stale(study: optuna.Study) -> None:
    """Fail and put back every trial that sends no heartbeat any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def history_of(trial: FrozenTrial) -> list[int]:
    """The numbers of the dead trials that this one goes on from, the original first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return list(optuna.storages.RetryHeartbeatStaleTrialCallback.retry_history(trial))


def _lock(connection: sqlalchemy.Connection) -> None:
    """Lock SQLite before the first read: else two processes may take one waiting trial."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _engine_arguments(url: str) -> dict[str, Any]:
    """SQLite waits for another's lock; a server's connection may have gone since its last use."""
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": LOCK_S, "isolation_level": None}}
    if url.startswith("postgresql"):
        return {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_S}}
    return {"pool_pre_ping": True}
