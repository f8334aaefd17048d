"""Stages: parts of a run whose results are kept, so that a run which failed late goes on there.

A stage owns the key of its result and the folder of its files. The key is a digest of what the
stage reads, of the statements of the code that it runs, and of the versions of the libraries below.
The same key gives the same result; comments and docstrings change no key. Prefect shows each stage
as a task, in the state Cached where its result was there.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock, Timeout
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.settings import get_current_settings
from prefect.states import Completed
from pydantic import TypeAdapter, ValidationError

from tasks.runs.passing import RETRIES
from tasks.settings import Home, mark_used, replaced

__all__ = ["Stage", "code_digest", "digest"]

ROOT = Path(__file__).parents[2]
RESULT, WORK, LOCK = "result.json", "work", ".lock"

logger = logging.getLogger(__name__)

R = TypeVar("R")


def digest(*parts: object) -> str:
    """A short digest of values that can be written as JSON, or as text."""
    content = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


@cache
def code_digest(names: tuple[str, ...]) -> str:
    """A digest of the statements of packages and modules, without comments and docstrings.

    Args:
        names: dotted, such as `informer.data` or `tasks.fitting.train`; C sources count whole.
    """
    found = hashlib.sha256()
    for path in sorted({path for name in names for path in _sources(name)}):
        found.update(path.relative_to(ROOT).as_posix().encode())
        text = path.read_bytes()
        found.update(_statements(text).encode() if path.suffix == ".py" else text)
    return found.hexdigest()


def _sources(name: str) -> Iterator[Path]:
    base = ROOT.joinpath(*name.split("."))
    if base.with_suffix(".py").is_file():
        yield base.with_suffix(".py")
        return
    assert base.is_dir(), f"there is no code named {name}"
    yield from (path for path in base.rglob("*") if path.suffix in (".py", ".c", ".h"))


def _statements(source: bytes) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@dataclass(frozen=True)
class Stage(Generic[R]):
    """A part of a run whose result is kept under a key of all that it depends on.

    Attributes:
        name: how Prefect shows it, and how its key begins.
        record: the type of its result: a dataclass, or what JSON holds. The files that a result
            points to are the `Path`s in it.
        code: the packages and modules whose statements the result depends on.
        libraries: the distributions whose versions it depends on.
        version: raised where the same inputs shall give another result, whatever the code says.
        is_shared: whether several processes may be at it at once.
    """

    name: str
    record: type[R]
    code: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    version: int = 1
    is_shared: bool = False

    def key(self, home: Home, *inputs: object) -> str:
        """The key of a result: of what was read, the code, and the libraries.

        Args:
            home: whose stores hold what the result points to.
            inputs: all that the result depends on beside these, as JSON or text.
        """
        versions = {name: importlib.metadata.version(name) for name in self.libraries}
        versions["python"] = platform.python_version()
        code = code_digest(self.code)
        return f"{self.name}-{digest(str(home.root), self.version, code, versions, inputs)}"

    def run(
        self,
        home: Home,
        inputs: Iterable[object] | None,
        make: Callable[[Path], R],
        *,
        timeout_s: float | None = None,
        label: str | None = None,
    ) -> R:
        """The result: the one that is kept, or a new one.

        With Prefect's own `PREFECT_TASKS_REFRESH_CACHE` every result is made anew.

        Args:
            home: where the stores are.
            inputs: all that the result depends on, as `key` has them; None: that is not known, so
                that nothing is kept. The result must then point to no file in the folder.
            make: gives the result, its files written into the folder given. The folder is empty but
                for `work/`, in which an attempt that was cut off may have left what the next one
                goes on from; `work/` is removed when the result is there.
            timeout_s: seconds after which the attempt is given up.
            label: the name of the task run, where it is not the stage's.

        Raises:
            What `make` raises; what may pass by itself is tried again before.
        """
        key = self.key(home, os.urandom(8).hex() if inputs is None else tuple(inputs))
        anew = bool(get_current_settings().tasks.refresh_cache)
        results: list[R] = []

        def shown() -> State[None] | None:
            result, is_kept = self.kept_or_made(key, home, make, anew=anew)
            results.append(result)
            return Completed(name="Cached", message=f"kept as {key}") if is_kept else None

        try:
            task(
                name=self.name,
                task_run_name=label,
                timeout_seconds=timeout_s,
                **RETRIES,
                cache_policy=NO_CACHE,
                persist_result=False,
            )(shown)()
        finally:
            if inputs is None:
                shutil.rmtree(home.stage_dir(key), ignore_errors=True)
        return results[-1]

    def kept_or_made(
        self, key: str, home: Home, make: Callable[[Path], R], *, anew: bool = False
    ) -> tuple[R, bool]:
        """The result, see `run`, and whether it was there."""
        found = None if anew else self.kept(key, home)
        if found is None:
            with self._alone(key, home):
                found = None if anew else self.kept(key, home)  # by whoever was waited for
                if found is None:
                    return self._made(key, home, make), False
        return found, True

    def kept(self, key: str, home: Home) -> R | None:
        """The result under a key; None where there is none, or one of its files is gone.

        Its files count as used from now on, see `tasks.operations.clean`.
        """
        path = home.stage_dir(key) / RESULT
        try:
            found = self._adapter.validate_python(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError):
            return None
        files = [*files_of(found), path]
        if not all(file.exists() for file in files):
            return None
        for file in files:
            mark_used(file)
        return found

    def keep(self, key: str, home: Home, result: R) -> None:
        """Keep a result, whose files are there."""
        content = self._adapter.dump_python(result, mode="json")
        with replaced(home.stage_dir(key) / RESULT) as draft:
            draft.write_text(json.dumps(content, indent=1), encoding="utf-8")

    @property
    def _adapter(self) -> TypeAdapter[R]:
        return _adapter(self.record)  # type: ignore[arg-type]

    @contextmanager
    def _alone(self, key: str, home: Home) -> Iterator[None]:
        """Hold the folder, so that two runs of the same inputs make the result once."""
        folder = home.stage_dir(key)
        folder.mkdir(parents=True, exist_ok=True)
        if self.is_shared:
            yield
            return
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("waiting: another run works on %s with the same inputs", self.name)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _made(self, key: str, home: Home, make: Callable[[Path], R]) -> R:
        folder = home.stage_dir(key)
        if not self.is_shared:
            for path in folder.iterdir():
                if path.name not in (WORK, LOCK):
                    _remove(path)
        made = make(folder)
        self.keep(key, home, made)
        _remove(folder / WORK)
        return made


@cache
def _adapter(record: type[R]) -> TypeAdapter[R]:
    return TypeAdapter(record)


def files_of(result: object) -> Iterator[Path]:
    """Every path in a record, at any depth."""
    if isinstance(result, Path):
        yield result
    elif is_dataclass(result):
        for one in fields(result):
            yield from files_of(getattr(result, one.name))
    elif isinstance(result, Mapping):
        yield from (path for value in result.values() for path in files_of(value))
    elif isinstance(result, list | tuple):
        yield from (path for value in result for path in files_of(value))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
