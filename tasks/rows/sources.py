"""Where data comes from: data sets by name, files by path; and snapshots of what was read."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from prefect.artifacts import create_table_artifact

from tasks.rows.datasets import DATASETS, fetch, find_dataset, locate
from tasks.rows.layout import Layout
from tasks.rows.tables import read_table
from tasks.runs import Stage
from tasks.settings import Home, SourceError, replaced

__all__ = ["Snapshot", "file_of", "load", "read", "snapshot"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """What a run read, kept as it was.

    Attributes:
        path: the Parquet file, named by its content.
        sha256: of that file.
        source: the name or path it was read by.
        n_rows: rows read.
    """

    path: Path
    sha256: str
    source: str
    n_rows: int


def read(source: str, home: Home, layout: Layout | None = None) -> pd.DataFrame:
    """Every row and column of a source, names and other text as they are written.

    Args:
        source: a data set's name, or the path of a CSV or Parquet file (relative to the working
            folder, or else to the folder of `conf/`).
        home: where named files are looked for.
        layout: which columns are text, and how numbers are spelled; None: nobody has said.

    Raises:
        SourceError: there is no such source, or it cannot be read, or it holds no row.
        FrameError: the column of series names holds what has no certain spelling.
    """
    dataset = find_dataset(source)
    path = fetch(dataset, home) if dataset else _existing(source, home)
    frame, told = read_table(path, Layout() if layout is None else layout)
    for sentence in told:
        logger.warning("%s", sentence)
    if frame.empty:
        raise SourceError(f"{path} has a header but no rows. Supply rows.")
    return frame


def _existing(source: str, home: Home) -> Path:
    candidates = [Path(source).expanduser(), home.root / source]
    for path in candidates:
        if path.is_file():
            return path
    known = ", ".join(d.name for d in DATASETS)
    raise SourceError(
        f"there is no file {source!r} (looked at {candidates[0].absolute()}), nor a data set of "
        f"that name. The data sets are {known}. Correct data.source."
    )


def snapshot(frame: pd.DataFrame, source: str, home: Home) -> Snapshot:
    """Keep a frame as Parquet under the name of its content; the same rows give the same file."""
    content = frame.to_parquet(index=False)
    digest = hashlib.sha256(content).hexdigest()
    target = home.snapshot_dir / f"{digest[:16]}.parquet"
    if not target.exists():
        with replaced(target) as draft:
            draft.write_bytes(content)
    return Snapshot(target, digest, source, len(frame))


def file_of(source: str, home: Home) -> Path | None:
    """The file of a source where it is on this machine already."""
    dataset = find_dataset(source)
    return locate(dataset, home) if dataset else _existing(source, home)


LOAD = Stage(
    "load",
    Snapshot,
    code=(
        "tasks.rows.sources", "tasks.rows.datasets", "tasks.rows.layout", "tasks.rows.tables",
        "informer.data.columns",
    ),
    libraries=("pandas", "pyarrow"),
)  # fmt: skip


def load(source: str, layout: Layout, home: Home) -> Snapshot:
    """Read the source and keep a snapshot of it, so that the run says which data it saw.

    As long as the content of its file and the layout are the same, it is not read again.
    """
    return LOAD.run(
        home,
        _content(source, layout, home),
        lambda _: _load(source, layout, home),
        label=f"load {source}",
    )


def _content(source: str, layout: Layout, home: Home) -> tuple[object, ...] | None:
    """What reading depends on; None where the file is not on this machine yet."""
    try:
        path = file_of(source, home)
    except SourceError:  # which `read` will tell
        return None
    if path is None:
        return None
    with path.open("rb") as file:
        return source, hashlib.file_digest(file, "sha256").hexdigest(), layout.key


def _load(source: str, layout: Layout, home: Home) -> Snapshot:
    rows = read(source, home, layout)
    kept = snapshot(rows, source, home)
    series = rows[layout.id_column].nunique() if layout.id_column in rows.columns else 1
    create_table_artifact(
        [
            {
                "source": source,
                "rows": kept.n_rows,
                "columns": len(rows.columns),
                "series": int(series),
                "sha256": kept.sha256,
                "snapshot": str(kept.path),
            }
        ],
        key="data",
        description=f"What was read from {source}",
    )
    return kept
