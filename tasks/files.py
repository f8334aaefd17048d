"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import StoreError

__all__ = ["draft_beside", "replaced", "replaced_folder"]


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
