"""The append-only store of forecasts.

A vintage is what was forecast from one cutoff, by one version of the model, from one state of the
data; it is written once and never changed.

    <folder>/<cutoff>-v<model version>-<first 8 of data_sha256>.parquet, a .csv of the same rows

The Parquet file is the vintage, its appearance under that name the commit; the CSV is a copy.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import StoreError
from tasks.files import draft_beside, replaced

__all__ = [
    "COLUMNS", "VintageFile", "known_at", "list_vintages", "read_vintage", "read_vintages",
    "vintage_of", "write_vintage",
]  # fmt: skip

COLUMNS = ("unique_id", "ds", "cutoff", "model_version", "created_at", "data_sha256", "y_hat")
ORDER = ["created_at", "cutoff", "unique_id", "ds"]
NAME = re.compile(r"(?P<cutoff>\d{8}T\d{6})-v(?P<version>\w+?)(-(?P<sha>[0-9a-f]{8}))?\.parquet")
CUTOFF_FORMAT = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, order=True)
class VintageFile:
    """One vintage as its file's name tells it.

    Attributes:
        cutoff: the last time seen by any of its series (to the second).
        version: of the model.
        path: the Parquet file.
    """

    cutoff: pd.Timestamp
    version: str
    path: Path

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.cutoff} (version {self.version})"


def write_vintage(table: pd.DataFrame, folder: Path) -> tuple[Path, bool]:
    """Add a vintage, unless it is there already; of two at once the first one stays.

    Args:
        table: one model version, one data_sha256, with all of `COLUMNS` and any quantiles.
        folder: the store; made where it is missing.

    Returns:
        The Parquet file, and whether this call wrote it.

    Raises:
        StoreError: the folder or a file cannot be written.
    """
    cutoff, version = table["cutoff"].max(), table["model_version"].iloc[0]
    stem = f"{cutoff.strftime(CUTOFF_FORMAT)}-v{version}-{table['data_sha256'].iloc[0][:8]}"
    path = folder / f"{stem}.parquet"
    is_new = not path.exists() and _linked(table, path)
    copy = path.with_suffix(".csv")
    if not copy.exists():  # also where a run was killed between the two
        with replaced(copy) as draft:
            pd.read_parquet(path).to_csv(draft, index=False)
    return path, is_new


def _linked(table: pd.DataFrame, path: Path) -> bool:
    """Write aside, then give the name, which fails where another was first; whether it was ours."""
    with draft_beside(path) as draft:
        table.to_parquet(draft, index=False)
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
    return True


def list_vintages(folder: Path) -> list[VintageFile]:
    """The vintages of a store, by cutoff and version, without reading them."""
    found = (vintage_of(path) for path in folder.glob("*.parquet"))
    return sorted(vintage for vintage in found if vintage is not None)


def vintage_of(path: Path) -> VintageFile | None:
    """The vintage that a file's name tells of; None where it is named otherwise."""
    name = NAME.fullmatch(path.name)
    if name is None:
        return None
    return VintageFile(pd.to_datetime(name["cutoff"], format=CUTOFF_FORMAT), name["version"], path)


def read_vintages(folder: Path, *, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """All rows of all vintages.

    Args:
        folder: the store; one that is missing holds nothing.
        since: leave out the vintages of earlier cutoffs; None: none.

    Returns:
        `COLUMNS` and the quantiles y_hat_q10 ..., ordered by created_at, cutoff, unique_id and ds;
        times UTC-naive, values in the data's units. A file from before vintages carried
        created_at and data_sha256 has the file's own time and an empty text there.

    Raises:
        StoreError: a file cannot be read.
    """
    wanted = [v.path for v in list_vintages(folder) if since is None or v.cutoff >= since]
    if not wanted:
        return _empty()
    rows = pa.concat_tables([_read(path) for path in wanted], promote_options="permissive")
    return _framed(rows).sort_values(ORDER, kind="stable", ignore_index=True)


def read_vintage(path: Path) -> pd.DataFrame:
    """One vintage, with the columns of `read_vintages` in the order of its rows.

    Raises:
        StoreError: the file cannot be read.
    """
    return _framed(_read(path))


def _framed(rows: pa.Table) -> pd.DataFrame:
    texts = {"unique_id": "str", "model_version": "str", "data_sha256": "str"}
    table: pd.DataFrame = rows.to_pandas().astype(texts)
    others = [name for name in table.columns if name not in COLUMNS]
    return table[[*COLUMNS, *others]]


def _read(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read().replace_schema_metadata(None)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(
            f"cannot read the forecasts in {path}: {' '.join(str(error).split())[:200]}. "
            "Restore the file, or move it out of the folder."
        ) from error
    if "created_at" in table.column_names:
        return table
    made = pd.Timestamp(path.stat().st_mtime_ns, unit="ns").as_unit("us")
    table = table.append_column("created_at", pa.array([made] * len(table), pa.timestamp("us")))
    return table.append_column("data_sha256", pa.array([""] * len(table), pa.string()))


def _empty() -> pd.DataFrame:
    times = {"ds", "cutoff", "created_at"}
    kinds = {name: "datetime64[us]" if name in times else "str" for name in COLUMNS}
    return pd.DataFrame({name: pd.Series(dtype=kinds[name]) for name in COLUMNS}).astype(
        {"y_hat": "float64"}
    )


def known_at(time: pd.Timestamp, vintages: pd.DataFrame) -> pd.DataFrame:
    """What was known at a time: the newest forecast of each series and target time made by then.

    The newest is the one of the latest cutoff, of these the one created last: a forecast that was
    made afterwards from an older cutoff (`--as-of`) does not hide a better one.

    Args:
        time: UTC-naive; forecasts created later are not looked at.
        vintages: as `read_vintages` gives them.

    Returns:
        The same columns, one row for each unique_id and ds, ordered by these.
    """
    made = vintages[vintages["created_at"] <= time]
    newest = made.sort_values(["unique_id", "ds", "cutoff", "created_at"], kind="stable")
    return newest.drop_duplicates(["unique_id", "ds"], keep="last", ignore_index=True)
