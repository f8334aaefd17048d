"""SQLite's locks given back at once by a connection that a signal cuts off."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import cache

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

__all__ = ["give_locks_back"]


@cache
def give_locks_back() -> None:
    """From now on, close the cursor of a SQLite statement that a signal's exception ended.

    SQLAlchemy closes the connection alone, which SQLite puts off as long as there is a cursor, and
    the exception's own traceback holds it: until it is handled nobody could write, not even this
    process, to note in MLflow that its run was killed.
    """
    event.listen(Engine, "handle_error", _close_cursor)


def _close_cursor(error: ExceptionContext) -> None:
    cursor = error.execution_context.cursor if error.execution_context else None
    if error.is_disconnect and isinstance(cursor, sqlite3.Cursor):
        with suppress(sqlite3.Error):
            cursor.close()
