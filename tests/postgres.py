"""PostgreSQL from Debian's package: one that needs passwords, as the container's does."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import free_port

SUPERUSER = "postgres"
PASSWORD = "of-a-test"


@dataclass(frozen=True)
class Postgres:
    """A server on loopback; its superuser needs no password on the socket, all else needs one."""

    port: int
    socket: Path
    programs: Path

    def environment(self) -> dict[str, str]:
        """What libpq's programs need to come in as the superuser."""
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "PGHOST": str(self.socket), "PGPORT": str(self.port)}

    def ask(self, database: str, query: str) -> str:
        """The rows of a query, one a line."""
        return subprocess.run(
            ["psql", "--no-psqlrc", "-AtU", SUPERUSER, "-d", database, "-c", query],
            env=self.environment(), text=True, capture_output=True, check=True,
        ).stdout.strip()  # fmt: skip


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server with files of its own; skips the test where there is none to start.

    They are not in a folder of pytest's: those let in only who runs the tests.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="informer-postgres-") as made:
        _let_in(Path(made))
        yield from _started(Path(made), programs)


def has_postgres() -> bool:
    """Whether there is one to start, and a user that it runs as."""
    if _programs() is None:
        return False
    try:
        return os.geteuid() != 0 or bool(pwd.getpwnam(SUPERUSER))
    except KeyError:
        return False


def prefect_database(made: Postgres) -> dict[str, str]:
    """A database for Prefect's server: what is in the server's environment for it."""
    made.ask("postgres", f"CREATE USER prefect PASSWORD '{PASSWORD}'")
    made.ask("postgres", "CREATE DATABASE prefect OWNER prefect")
    url = f"postgresql+asyncpg://prefect:{PASSWORD}@127.0.0.1:{made.port}/prefect"
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url}


def _started(folder: Path, programs: Path) -> Iterator[Postgres]:
    data, port = folder / "data", free_port()
    subprocess.run(
        [*_as_user(), programs / "initdb", "-D", data, "-U", SUPERUSER, "-A", "scram-sha-256",
         "--auth-local=trust", "--no-sync"],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    control = [*_as_user(), programs / "pg_ctl", "-D", data, "-w"]
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c max_connections=200"
    subprocess.run(
        [*control, "-l", folder / "log", "-o", options, "start"],
        check=True, stdout=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    try:
        yield Postgres(port, folder, programs)
    finally:
        stop = [*control, "-m", "immediate", "stop"]
        subprocess.run(stop, check=True, capture_output=True, cwd=folder)


def _programs() -> Path | None:
    """The folder with initdb, which Debian keeps out of PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (debian[-1] if debian else None)
    return Path(found).parent if found else None


def _as_user() -> list[str]:
    """PostgreSQL refuses root: then it runs as the user that its package made."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={SUPERUSER}", f"--regid={SUPERUSER}", "--clear-groups"]


def _let_in(folder: Path) -> None:
    if os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(SUPERUSER)
    except KeyError:
        pytest.skip(f"PostgreSQL refuses root, and there is no user {SUPERUSER}")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
