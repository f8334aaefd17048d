"""Where data comes from: data sets by name, files by path; and snapshots of what was read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from prefect.artifacts import create_table_artifact

from informer.config import FrameConfig
from tasks.rows.datasets import DATASETS, fetch, find_dataset, locate
from tasks.runs import Stage
from tasks.settings import Home, SourceError, replaced

__all__ = ["Snapshot", "file_of", "load", "read", "snapshot"]


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


def read(source: str, home: Home) -> pd.DataFrame:
    """Every row and column of a source, as it is.

    Args:
        source: a data set's name, or the path of a CSV or Parquet file (relative to the working
            folder, or else to the folder of `conf/`).
        home: where named files are looked for.

    Raises:
        SourceError: there is no such source, or it cannot be read, or it holds no row.
    """
    dataset = find_dataset(source)
    path = fetch(dataset, home) if dataset else _existing(source, home)
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except pd.errors.EmptyDataError as error:
        raise SourceError(f"{path} is empty. Supply a file with a header and rows.") from error
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"cannot read {path} as {'Parquet' if path.suffix == '.parquet' else 'CSV'}: {reason}. "
            "Save it again as CSV with a header line, or as Parquet."
        ) from error
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
    code=("tasks.rows.sources", "tasks.rows.datasets"),
    libraries=("pandas", "pyarrow"),
)


def load(source: str, frame: FrameConfig, home: Home) -> Snapshot:
    """Read the source and keep a snapshot of it, so that the run says which data it saw.

    As long as the content of its file is the same, it is not read again.
    """
    return LOAD.run(
        home, _content(source, home), lambda _: _load(source, frame, home), label=f"load {source}"
    )


def _content(source: str, home: Home) -> tuple[str, str] | None:
    """The source and a digest of its file; None where that is not on this machine yet."""
    try:
        path = file_of(source, home)
    except SourceError:  # which `read` will tell
        return None
    if path is None:
        return None
    with path.open("rb") as file:
        return source, hashlib.file_digest(file, "sha256").hexdigest()


def _load(source: str, frame: FrameConfig, home: Home) -> Snapshot:
    rows = read(source, home)
    kept = snapshot(rows, source, home)
    series = rows[frame.id_column].nunique() if frame.id_column in rows.columns else 1
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
