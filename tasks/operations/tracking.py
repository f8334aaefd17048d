"""Whether the MLflow store answers, found out without importing MLflow, which takes seconds."""

from __future__ import annotations

import re
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from tasks.settings import Home, StoreError, check_writable, without_password

__all__ = ["require_tracking"]

SQLITE = "sqlite:///"
TIMEOUT_S = 5
MADE = re.compile(r'^revision = "(\w+)"', re.MULTILINE)
LEFT = re.compile(r'^down_revision = "(\w+)"', re.MULTILINE)


def require_tracking(home: Home) -> None:
    """Make sure that MLflow's store answers, and that the installed MLflow can read it.

    A local store that is not there yet is not made.

    Raises:
        StoreError: it does not answer, or its tables are another version's.
    """
    uri = home.tracking_uri
    if uri.startswith(("http://", "https://")):
        _require_server(uri)
    elif uri.startswith(SQLITE):
        _require_file(Path(uri.removeprefix(SQLITE)), home)
    else:  # PostgreSQL and the like
        from tasks.runs import connect

        connect(home)


def _require_server(uri: str) -> None:
    # An account in the address is for what lies behind; whether the server lives is told to all.
    scheme, _, rest = uri.partition("://")
    place = rest.rpartition("@")[2].rstrip("/")
    try:
        with urllib.request.urlopen(f"{scheme}://{place}/health", timeout=TIMEOUT_S):
            pass
    except (OSError, ValueError) as error:
        raise _silent(uri, error) from error


def _require_file(path: Path, home: Home) -> None:
    if not path.exists():
        check_writable(path.parent)
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as store:
            found = store.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise _silent(home.tracking_uri, error) from error
    wanted = _newest_schema()
    if found != (wanted,):
        raise StoreError(
            f"the MLflow store {home.tracking_uri} has the tables of another MLflow version "
            f"(found {found and found[0]}, the installed version needs {wanted}). Make a copy of "
            f"the file, then run: mlflow db upgrade {home.tracking_uri}"
        )


def _newest_schema() -> str:
    """The schema that the installed MLflow wants: the one that no script of it leads on from."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "store" / "db_migrations" / "versions"
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    (newest,) = set(MADE.findall(scripts)) - set(LEFT.findall(scripts))
    return str(newest)


def _silent(uri: str, error: Exception) -> StoreError:
    return StoreError(
        f"the MLflow store {without_password(uri)} does not answer: {error}. Start the server, or "
        "correct or unset MLFLOW_TRACKING_URI."
    )
