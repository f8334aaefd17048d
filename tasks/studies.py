"""Where Optuna's studies are kept: SQLite under `mlruns/`, or the database that is named."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from sqlalchemy.exc import SQLAlchemyError

from tasks.errors import StoreError
from tasks.home import STUDY_VARIABLE, Home, without_password

__all__ = ["any_study", "open_storage"]

HEARTBEAT_S, GRACE_S, LOCK_S, CONNECT_S = 30, 90, 60, 10


def open_storage(home: Home) -> optuna.storages.RDBStorage:
    """Open the store of studies, and make its tables where there are none.

    Without a heartbeat, a trial whose process was killed would stay open for ever.

    Raises:
        StoreError: the address is no database's, its driver is not installed, or the database
            does not answer. No password is shown.
    """
    url = home.study_url
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.storages.RDBStorage(
                url,
                heartbeat_interval=HEARTBEAT_S,
                grace_period=GRACE_S,
                engine_kwargs=_engine_arguments(url),
            )
    except (SQLAlchemyError, ImportError, ValueError) as error:
        # What SQLAlchemy says of an address that it cannot read may hold the address itself.
        reason = str(error).splitlines()[0].replace(url, without_password(url))
        raise StoreError(
            f"the store of studies {without_password(url)} does not answer: {reason}. Start the "
            f"database (PostgreSQL needs the extra `servers`), or correct or unset "
            f"{STUDY_VARIABLE}."
        ) from error


def any_study(home: Home) -> bool:
    """Whether there may be a study: a local file is not made only to look into it."""
    return home.study_url != home.local_study_url or home.local_study_path.is_file()


def _engine_arguments(url: str) -> dict[str, Any]:
    """SQLite waits for another's lock; a server's connection may have gone since its last use."""
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": LOCK_S}}
    if url.startswith("postgresql"):
        return {"pool_pre_ping": True, "connect_args": {"connect_timeout": CONNECT_S}}
    return {"pool_pre_ping": True}
