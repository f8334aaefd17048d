"""Which failures may pass by themselves, so that another try is worth it."""

from __future__ import annotations

import errno
import sqlite3
import urllib.error
from collections.abc import Callable
from typing import Any

__all__ = ["RETRIES", "is_passing"]

BACK_OFF_S: list[float] = [2, 10, 30]
PASSING = {
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.ENETUNREACH,
    errno.EHOSTUNREACH, errno.ENETDOWN,
}  # fmt: skip
BUSY = {429, 502, 503, 504}
UNANSWERED = (
    "failed with timeout exception", "ConnectionPool(", *(f"error code {code}" for code in BUSY),
)  # fmt: skip
LOCKED = ("database is locked", "database table is locked")


def is_passing(_task: object, _run: object, state: Any) -> bool:  # noqa: ANN401 -- Prefect's own
    """Whether a failure may pass by itself.

    A server that is busy or does not answer may, and a database that another process has locked. A
    file that is not there, a wrong value or a task that took longer than it may will not.
    """
    error = getattr(state, "data", None)
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        if type(error).__name__ in ("TaskRunTimeoutError", "FlowRunTimeoutError"):
            return False
        if _passes(error):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _passes(error: BaseException) -> bool:
    if isinstance(error, urllib.error.HTTPError):  # an answer, though a URLError too
        return error.code in BUSY
    if isinstance(error, urllib.error.URLError | TimeoutError | ConnectionError):
        return True
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith(LOCKED)
    if isinstance(error, OSError) and error.errno in PASSING:
        return True
    package = type(error).__module__.partition(".")[0]
    rule = RULES.get(package)
    return rule is not None and rule(error)


def _is_transport(error: BaseException) -> bool:
    """Of an HTTP library: no answer came, or one that says that the server is busy."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return status in BUSY
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"TransportError", "ConnectionError", "Timeout", "ChunkedEncodingError"})


def _is_database_away(error: BaseException) -> bool:
    """Of SQLAlchemy: a server that is away, or a SQLite file that is locked."""
    if type(error).__name__ != "OperationalError":
        return False
    cause = getattr(error, "orig", None)
    return not isinstance(cause, sqlite3.Error) or str(cause).startswith(LOCKED)


def _is_unanswered(error: BaseException) -> bool:
    """Of MLflow, which tells by its own error codes, or by its text where no answer came."""
    if error.__cause__ is not None and type(error.__cause__).__module__.startswith("sqlalchemy"):
        return False  # MLflow calls every trouble with its database temporary; the cause tells
    if getattr(error, "error_code", "") in ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"):
        return True
    text = str(error)
    return any(told in text for told in (*UNANSWERED, *LOCKED))


RULES: dict[str, Callable[[BaseException], bool]] = {
    "requests": _is_transport,
    "httpx": _is_transport,
    "prefect": _is_transport,
    "sqlalchemy": _is_database_away,
    "mlflow": _is_unanswered,
}

RETRIES: dict[str, Any] = {
    "retries": len(BACK_OFF_S),
    "retry_delay_seconds": BACK_OFF_S,
    "retry_condition_fn": is_passing,
}
"""Options of a Prefect task that is tried again where its failure may pass by itself."""
