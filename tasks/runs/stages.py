"""Stages that need not be repeated: results kept under a key of all that they depend on.

A stage is a Prefect task whose result is persisted under `stage_key`. The same data, configuration
and code give the same key, so that a flow which failed late and runs again goes on where it
stopped: Prefect shows the stages before as Cached.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import urllib.error
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task

import informer
import tasks
from tasks.settings import Home

__all__ = ["BACK_OFF_S", "code_version", "is_passing", "run_stage", "stage_key"]

BACK_OFF_S: list[float] = [2, 10, 30]
P = ParamSpec("P")
R = TypeVar("R")
PASSING = {
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.ENETUNREACH,
    errno.EHOSTUNREACH, errno.ENETDOWN,
}  # fmt: skip


@cache
def code_version() -> str:
    """A digest of the source of `informer` and `tasks`, which the results depend on."""
    digest = hashlib.sha256()
    for package in (Path(informer.__file__).parent, Path(tasks.__file__).parent):
        for path in sorted(package.rglob("*")):
            if path.suffix in (".py", ".c", ".h"):
                digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def stage_key(stage: str, home: Home, *parts: object) -> str:
    """The key of a stage's result.

    Args:
        stage: its name.
        home: whose stores hold what the result points to.
        parts: all that the result depends on beside the code, as JSON or text.
    """
    content = json.dumps([str(home.root), code_version(), *parts], sort_keys=True, default=str)
    return f"{stage}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def run_stage(
    stage: Task[P, R], files: Callable[[R], Iterable[Path]], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Run a stage, or take its result from an earlier run where the files are still there.

    The files of a result that is taken count as used from now on, see `tasks.operations.clean`.

    Args:
        stage: the task.
        files: what a result points to.
        args: of the task.
        kwargs: of the task.
    """
    found = stage(*args, **kwargs)
    paths = list(files(found))
    if all(path.exists() for path in paths):
        for path in paths:
            with suppress(PermissionError):  # another user's, on a shared volume
                os.utime(path)
        return found
    return stage.with_options(refresh_cache=True)(*args, **kwargs)


def is_passing(_task: object, _run: object, state: Any) -> bool:  # noqa: ANN401 -- Prefect's own
    """Whether a failure may pass by itself, so that to try again is worth it.

    A server that does not answer may; a file that is not there, or a value that is wrong, will not.
    """
    error = getattr(state, "data", None)
    while isinstance(error, BaseException):
        if isinstance(error, urllib.error.URLError | TimeoutError | ConnectionError):
            return True
        if isinstance(error, OSError) and error.errno in PASSING:
            return True
        if type(error).__module__.startswith("requests."):
            return True
        error = error.__cause__ or error.__context__
    return False
