"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.settings.errors import StoreError

__all__ = ["draft_beside", "locked_draft", "replaced", "replaced_folder"]

LOCKED = ".run-"


@contextmanager
def draft_beside(target: Path) -> Iterator[Path]:
    """An empty file beside `target`, in a folder made where it is missing; gone after the block.

    Raises:
        StoreError: the folder or a file in it cannot be written.
    """
    draft: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent
        )
        os.close(handle)
        draft = Path(name)
        draft.chmod(0o644)
        yield draft
    except OSError as error:
        raise StoreError(
            f"cannot write {target}: {error.strerror}. Choose a folder that you may write to."
        ) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A draft beside `target`, in a folder made where it is missing; it takes the target's place.

    Where the block raises, the target stays as it was.

    Raises:
        StoreError: the folder or the file cannot be written.
    """
    with draft_beside(target) as draft:
        yield draft
        draft.replace(target)


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """A draft folder beside `target`, which it replaces with all that was in there.

    Where the block raises, the target stays as it was.

    Raises:
        StoreError: the folder, or a file in it, cannot be written.
    """
    aside: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".draft-", dir=target.parent))
        draft, old = aside / "new", aside / "old"
        draft.mkdir()
        yield draft
        if target.exists():
            target.rename(old)
        try:
            draft.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        raise StoreError(
            f"cannot write {target}: {error.strerror}. Choose a folder that you may write to."
        ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def locked_draft(folder: Path) -> Iterator[Path]:
    """A draft folder within `folder`, gone after the block; so are those that killed runs left.

    A lock on a file in it, which the system takes back from a killed process, tells that its run is
    still at work.

    Raises:
        StoreError: the folder, or a file in it, cannot be written.
    """
    draft: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        draft = Path(tempfile.mkdtemp(prefix=LOCKED, dir=folder))
        draft.chmod(0o755)
        with (draft / "taken").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (draft / "taken").rename(draft / "lock")  # seen by others only when it is locked
            yield draft
    except (ConnectionError, TimeoutError):  # of what the block asks for
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write into {folder}: {error.strerror or error}. Choose a folder that you may "
            "write to."
        ) from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    for lock in folder.glob(f"{LOCKED}*/lock"):
        with suppress(OSError), lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where its run is at work
            shutil.rmtree(lock.parent, ignore_errors=True)
