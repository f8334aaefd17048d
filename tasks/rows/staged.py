"""The first stages of every flow: the rows of a pipeline, read and made regular, or taken over."""

from __future__ import annotations

from tasks.rows.prepare import Prepared, prepare_snapshot
from tasks.rows.reads import note_read
from tasks.rows.sources import Snapshot, load
from tasks.runs import data_asset, materialized, run_stage
from tasks.settings import Home, RunConfig

__all__ = ["load_rows", "prepare_rows"]


def load_rows(config: RunConfig, home: Home, source: str | None = None) -> Snapshot:
    """A snapshot of the pipeline's source, or of another one of the same columns."""
    wanted = config.data.source if source is None else source
    raw = run_stage(load, lambda done: [done.path], wanted, config.frame, home)
    note_read(raw, home)  # also where the file is as it was, and was not read again
    if source is not None:
        return raw
    about = {"source": raw.source, "rows": raw.n_rows, "sha256": raw.sha256}
    materialized(data_asset(config.name), [], about)
    return raw


def prepare_rows(raw: Snapshot, config: RunConfig, home: Home) -> Prepared:
    """Regular rows and their split."""
    return run_stage(prepare_snapshot, lambda done: [done.snapshot.path], raw, config, home)
