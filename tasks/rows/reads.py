"""When which snapshot of a source was read: how its rows stood at an earlier time.

    mlruns/reads/<source and layout>/<time of the read>-<first 16 of its sha256>.json

One small file for each read that found other rows than the one before it, so that processes which
read at the same time need no lock. What has not changed is not noted again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from tasks.rows.contract import read_contract
from tasks.rows.layout import Layout, layout_of
from tasks.rows.sources import Snapshot, load
from tasks.runs import data_asset, materialized
from tasks.settings import Home, RunConfig, StoreError, mark_used, replaced, utc_now

__all__ = ["Read", "forget_lost_reads", "layout_for", "load_rows", "newest_read", "note_read"]

TIME_FORMAT = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True)
class Read:
    """A source as it was read.

    Attributes:
        at: when that was, UTC-naive.
        snapshot: what was read.
    """

    at: pd.Timestamp
    snapshot: Snapshot


def layout_for(config: RunConfig, home: Home) -> Layout:
    """How a pipeline's frame and contract read its source.

    Raises:
        ConfigError: the contract cannot be read.
    """
    return layout_of(config.frame, read_contract(home.conf_dir / config.data.contract))


def load_rows(config: RunConfig, home: Home, source: str | None = None) -> Snapshot:
    """A snapshot of the pipeline's source, or of another one of the same columns.

    Raises:
        ConfigError: the contract cannot be read.
        SourceError: the source cannot be read.
    """
    layout = layout_for(config, home)
    raw = load(config.data.source if source is None else source, layout, home)
    note_read(raw, home, layout)  # also where the file is as it was, and was not read again
    if source is None:
        about = {"source": raw.source, "rows": raw.n_rows, "sha256": raw.sha256}
        materialized(data_asset(config.name), [], about)
    return raw


def note_read(raw: Snapshot, home: Home, layout: Layout | None = None) -> None:
    """Note that a source, read by a layout, was just found to hold these rows.

    Raises:
        StoreError: the note cannot be written.
    """
    folder = _folder(raw.source, layout, home)
    before = _notes(folder)
    if before and before[-1].stem.endswith(raw.sha256[:16]):
        return
    with replaced(folder / f"{utc_now().strftime(TIME_FORMAT)}-{raw.sha256[:16]}.json") as draft:
        draft.write_text(json.dumps(asdict(raw) | {"path": raw.path.name}), encoding="utf-8")


def newest_read(
    source: str, by: pd.Timestamp, home: Home, layout: Layout | None = None
) -> Read | None:
    """The rows of a source as they stood at a time; from now on their snapshot counts as used.

    Args:
        source: as the configuration names it.
        by: UTC-naive; later reads are not looked at.
        home: where snapshots and notes are kept.
        layout: how the source was read; another pipeline may read the same file in another way.

    Returns:
        The last read by then, or None where there was none or its snapshot is not kept.

    Raises:
        StoreError: a note cannot be read.
    """
    for note in reversed(_notes(_folder(source, layout, home))):
        at = pd.to_datetime(note.stem.partition("-")[0], format=TIME_FORMAT)
        if at > by:
            continue
        snapshot = _snapshot(note, home)
        if not snapshot.path.is_file():
            return None
        mark_used(snapshot.path)
        return Read(at, snapshot)
    return None


def forget_lost_reads(home: Home) -> None:
    """Remove the notes of snapshots that are gone, but for those after one that is kept.

    These say that the kept one was out of date by then.
    """
    for folder in _root(home).glob("*"):
        for note in _notes(folder):
            if _snapshot(note, home).path.is_file():
                break
            note.unlink(missing_ok=True)


def _root(home: Home) -> Path:
    return home.store_dir / "reads"


def _folder(source: str, layout: Layout | None, home: Home) -> Path:
    content = source if layout is None else json.dumps([source, layout.key], sort_keys=True)
    return _root(home) / hashlib.sha256(content.encode()).hexdigest()[:16]


def _notes(folder: Path) -> list[Path]:
    """In the order of time."""
    return sorted(folder.glob("[0-9]*.json"))


def _snapshot(note: Path, home: Home) -> Snapshot:
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return Snapshot(**told | {"path": home.snapshot_dir / told["path"]})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"cannot read {note}: {error}. Remove that file.") from error
