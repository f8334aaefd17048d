"""Room on the disk: working files that no run has used for a while."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from informer.errors import ConfigError
from tasks.rows import forget_lost_reads
from tasks.settings import Home, StoreError

__all__ = ["Cleaned", "clean_home"]

KINDS = ("snapshots", "stages", "runs", "trials")


@dataclass(frozen=True)
class Cleaned:
    """What a folder of working files gives back.

    Attributes:
        kind: snapshots, stages, runs or trials, as the folder under `mlruns/` is named.
        n: files and folders directly in it.
        n_bytes: their size on the disk.
    """

    kind: str
    n: int
    n_bytes: int


def clean_home(home: Home, days: int, *, dry_run: bool = False) -> list[Cleaned]:
    """Remove the working files that were neither written nor used for `days` days.

    These are snapshots of what was read, results of stages, what runs wrote before it was logged,
    and checkpoints of trials. A stage whose files are gone is done again. Versions, forecasts and
    whatever MLflow keeps are not touched; a forecast whose snapshot is gone can no longer be
    explained, and one as of the time that it was read is made from today's values.

    Args:
        home: whose `mlruns/` is looked through.
        days: at least 1, so that no run at work loses its files.
        dry_run: tell what would be removed, and leave it.

    Raises:
        ConfigError: `days` is less than 1.
        StoreError: a file cannot be removed.
    """
    if days < 1:
        raise ConfigError(
            f"--older-than is {days}; it must be at least 1 day, because active runs need their "
            "files."
        )
    oldest = time.time() - timedelta(days=days).total_seconds()
    found = [_cleaned(home.store_dir / kind, oldest, dry_run=dry_run) for kind in KINDS]
    if not dry_run:
        forget_lost_reads(home)
    return found


def _cleaned(folder: Path, oldest: float, *, dry_run: bool) -> Cleaned:
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    n = n_bytes = 0
    for entry in entries:
        try:
            stats = [path.lstat() for path in (entry, *entry.rglob("*"))]
        except FileNotFoundError:  # a run at work moved it
            continue
        if max(stat.st_mtime for stat in stats) >= oldest:
            continue
        if not dry_run:
            _remove(entry)
        n += 1
        n_bytes += sum(stat.st_size for stat in stats)
    return Cleaned(folder.name, n, n_bytes)


def _remove(entry: Path) -> None:
    try:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot remove {entry}: {error.strerror}. Run this as the user who owns the folder."
        ) from error
