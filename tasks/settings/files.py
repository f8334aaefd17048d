"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.settings.errors import StoreError

__all__ = [
    "draft_beside",
    "locked_draft",
    "locked_name",
    "mark_used",
    "replaced",
    "replaced_folder",
]

DRAFT = ".run-"
LOCK = ".lock"
IS_FULL = {errno.ENOSPC, errno.EDQUOT}
CANNOT_BE_WRITTEN = IS_FULL | {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def draft_beside(target: Path) -> Iterator[Path]:
    """An empty file beside `target`, in a folder made where it is missing; gone after the block.

    Raises:
        StoreError: the folder or the file cannot be written; what else goes wrong in the block
            comes out as it is.
    """
    with _told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = _new(target.parent, f".{target.stem}-", target.suffix, _touch)
    try:
        with _told(target, draft):
            yield draft
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A draft beside `target`, in a folder made where it is missing; it takes the target's place.

    Where the block raises, the target stays as it was.

    Raises:
        StoreError: the folder or the file cannot be written; what else goes wrong in the block
            comes out as it is.
    """
    with draft_beside(target) as draft:
        yield draft
        with _told(target):
            draft.replace(target)


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """A draft folder beside `target`, which it replaces with all that was in there.

    Where the block raises, the target stays as it was.

    Raises:
        StoreError: the folder, or a file in it, cannot be written; what else goes wrong in the
            block comes out as it is.
    """
    with _told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = _new(target.parent, ".draft-", "", Path.mkdir)
    draft, old = aside / "new", aside / "old"
    try:
        with _told(target):
            draft.mkdir()
        with _told(target, draft):
            yield draft
        with _told(target):
            _exchange(draft, target, old)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(draft: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    try:
        draft.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


@contextmanager
def locked_draft(folder: Path) -> Iterator[Path]:
    """A draft folder within `folder`, gone after the block; so are those that killed runs left.

    A lock on the file beside it, which the system takes back from a killed process, tells that its
    run is still at work.

    Raises:
        StoreError: the folder, or a file in it, cannot be written; what else goes wrong in the
            block comes out as it is.
    """
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        draft = folder / f"{DRAFT}{secrets.token_hex(4)}"
        lock = FileLock(f"{draft}{LOCK}", thread_local=False)
        lock.acquire()  # before the draft is there for others to see
    try:
        with _told(folder):
            draft.mkdir()
        with _told(folder, draft):
            yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        _remove_lock(lock)


@contextmanager
def locked_name(target: Path) -> Iterator[None]:
    """Of all processes, only this one is in such a block of a file's name; the others wait.

    Raises:
        StoreError: the lock beside the file cannot be made.
    """
    with _told(target):
        lock = FileLock(target.with_name(f".{target.name}{LOCK}"), thread_local=False)
        lock.acquire()
    try:
        yield
    finally:
        _remove_lock(lock)


def _remove_abandoned(folder: Path) -> None:
    earlier = folder.glob(f"{DRAFT}*/lock")  # where releases before this one had it
    for path in [*folder.glob(f"{DRAFT}*{LOCK}"), *earlier]:
        draft = path.with_suffix("") if path.suffix == LOCK else path.parent
        lock = FileLock(path, timeout=0)
        with suppress(OSError, Timeout):  # its run is at work, or is another user's
            lock.acquire()
            shutil.rmtree(draft, ignore_errors=True)
            _remove_lock(lock)


def _remove_lock(lock: FileLock) -> None:
    """While it is held, so that nobody takes a file that is about to go; Windows wants it free."""
    path = Path(lock.lock_file)
    with suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):
        path.unlink(missing_ok=True)


def mark_used(path: Path) -> None:
    """Let a file or folder count as used now, see `tasks.operations.clean`.

    In a shared folder that of another user stays as it is: only its owner, or who may write it, can
    change its time.
    """
    with suppress(OSError):
        os.utime(path)


def _touch(path: Path) -> None:
    path.touch(exist_ok=False)


def _new(folder: Path, prefix: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """A new file or folder, for all those whom the user's umask lets in, as any other that is made.

    Those of the module tempfile are for their owner alone, whoever shares the folder.
    """
    path = folder / f"{prefix}{secrets.token_hex(4)}{suffix}"
    make(path)
    return path


@contextmanager
def _told(target: Path, draft: Path | None = None) -> Iterator[None]:
    """Tell an OSError as one of `target`, if it is: with a draft, only what kept it from a write.

    Raises:
        StoreError: the target cannot be written.
    """
    try:
        yield
    except OSError as error:
        if draft is not None and not _is_of(error, draft):
            raise
        raise StoreError(
            f"cannot write {target}: {error.strerror or error}. Choose a folder that you may "
            "write to and that has free space."
        ) from error


def _is_of(error: OSError, draft: Path) -> bool:
    """Whether an error is that of writing a draft; a full disk is told without a name."""
    if not isinstance(error.filename, str | bytes):
        return error.errno in IS_FULL
    path = Path(os.fsdecode(error.filename)).absolute()
    return error.errno in CANNOT_BE_WRITTEN and path.is_relative_to(draft.absolute())
