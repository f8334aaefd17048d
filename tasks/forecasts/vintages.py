"""The append-only store of forecasts.

A vintage is what was forecast from one cutoff, by one version of the model, from one state of the
data; it is written once and never changed.

    <folder>/<cutoff>-v<model version>-<first 8 of data_sha256>.parquet, a .csv of the same rows
    <folder>/<the same>.parquet/part-00000.parquet, part-00001.parquet ...  of many series

The Parquet file or folder is the vintage, its appearance under that name the commit; the CSV, which
a folder does not have, is a copy.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from informer.estimators import FALLBACK
from tasks.settings import Home, PipelineError, RunConfig, StoreError, locked_name, replaced

__all__ = [
    "COLUMNS", "VintageFile", "by_model", "commit_vintage", "known_at", "last_made",
    "last_scheduled", "list_vintages", "output_dir", "part_name", "parts_of", "read_vintage",
    "read_vintages", "require_finite", "stamp_parts", "vintage_of", "vintage_path",
]  # fmt: skip

COLUMNS = ("unique_id", "ds", "cutoff", "model_version", "created_at", "data_sha256", "y_hat")
ORDER = ["created_at", "cutoff", "unique_id", "ds"]
NAME = re.compile(r"(?P<cutoff>\d{8}T\d{6})-v(?P<version>\w+?)(-(?P<sha>[0-9a-f]{8}))?\.parquet")
CUTOFF_FORMAT = "%Y%m%dT%H%M%S"
FORECAST = "y_hat"  # how the columns of a forecast begin
NAMED = 5
AS_OF = b"informer.as_of"  # in the metadata of a vintage's files that `--as-of` asked for
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK)
WAS_THERE = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


@dataclass(frozen=True, order=True)
class VintageFile:
    """One vintage as its file's name tells it.

    Attributes:
        cutoff: the last time seen by any of its series (to the second).
        version: of the model.
        path: the Parquet file, or the folder of its parts.
    """

    cutoff: pd.Timestamp
    version: str
    path: Path

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.cutoff} (version {self.version})"


def output_dir(config: RunConfig, home: Home) -> Path:
    """Where the forecasts of a pipeline go."""
    named = config.forecast.output
    return Path(named).expanduser().absolute() if named else home.forecast_dir / config.name


def vintage_path(folder: Path, cutoff: pd.Timestamp, version: str, sha256: str) -> Path:
    """What a vintage is called: from which cutoff, by which version, from which rows."""
    return folder / f"{cutoff.strftime(CUTOFF_FORMAT)}-v{version}-{sha256[:8]}.parquet"


def part_name(number: int) -> str:
    """What the parts of a vintage are called; they are read in this order."""
    return f"part-{number:05}.parquet"


def parts_of(path: Path) -> list[Path]:
    """The Parquet files of a vintage, in order: itself, or those in the folder that it is."""
    return sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]


def stamp_parts(draft: Path, made_at: pd.Timestamp, as_of: pd.Timestamp | None = None) -> None:
    """Add `created_at` to all parts of a vintage that is complete and about to be committed.

    Args:
        draft: a folder that holds all parts, which have the other columns of `COLUMNS`.
        made_at: when they were complete, UTC-naive.
        as_of: the time that the forecast was asked for, where no schedule asked.
    """
    parts = parts_of(draft)
    has_naive = any(FALLBACK in pq.read_schema(part).names for part in parts)
    for part in parts:
        with pq.ParquetFile(part) as file:
            table = file.read()
        if has_naive and FALLBACK not in table.column_names:  # one schema, for whoever reads all
            table = table.append_column(FALLBACK, pa.array([""] * len(table), pa.large_string()))
        times = pa.repeat(pa.scalar(made_at.to_pydatetime(), pa.timestamp("us")), len(table))
        table = table.add_column(COLUMNS.index("created_at"), "created_at", times)
        if as_of is not None:
            told = {AS_OF: as_of.isoformat().encode()}
            table = table.replace_schema_metadata((table.schema.metadata or {}) | told)
        stamped = part.with_name(f".{part.name}")
        pq.write_table(table, stamped)
        stamped.replace(part)


def commit_vintage(draft: Path, path: Path) -> bool:
    """Add a vintage, unless it is there already; of two at once the first one stays.

    Args:
        draft: a folder within the store that holds all parts. A single one becomes a file with a
            CSV beside it, several become the folder.
        path: as `vintage_path` gives it.

    Returns:
        Whether this call wrote it.

    Raises:
        StoreError: the folder or a file cannot be written.
        PipelineError: a forecast is no finite number.
    """
    parts = parts_of(draft)
    for part in parts:
        with pq.ParquetFile(part) as file:
            names = [name for name in file.schema_arrow.names if name.startswith(FORECAST)]
            require_finite(file.read(["unique_id", *names]).to_pandas(), path.stem)
    is_new = True
    try:
        if len(parts) == 1:
            _place(parts[0], path)
        else:
            draft.rename(path)
    except OSError as error:
        if error.errno not in WAS_THERE:
            raise StoreError(
                f"cannot write {path}: {error.strerror}. Choose a folder that you may write to."
            ) from error
        is_new = False
    copy = path.with_suffix(".csv")
    if path.is_file() and not copy.exists():  # also where a run was killed between the two
        with replaced(copy) as beside:
            pd.read_parquet(path).to_csv(beside, index=False)
    return is_new


def require_finite(table: pd.DataFrame, vintage: str) -> None:
    """Refuse forecasts that are no finite numbers, before they become part of a vintage.

    Args:
        table: unique_id, y_hat and quantiles; other columns are not looked at.
        vintage: what it is to be part of, in the error's words.

    Raises:
        PipelineError: there is such a forecast; the message names the series.
    """
    columns = [name for name in table.columns if name.startswith(FORECAST)]
    wild = ~np.isfinite(table[columns].to_numpy(dtype=np.float64)).all(axis=1)
    if wild.any():
        series = [str(name) for name in table["unique_id"][wild].unique()]
        named = ", ".join(series[:NAMED]) + (", ..." if len(series) > NAMED else "")
        raise PipelineError(
            f"{vintage} is not written: the forecast of {named} is not finite. Look for extreme "
            "values in the last rows of the series, or leave it out of the data."
        )


def _place(part: Path, path: Path) -> None:
    """Give a file its name unless that is taken: whole or not at all, and never over another one.

    A hard link does that in one step. Where the file system has none, one process at a time looks
    whether the name is taken and puts a copy there.

    Raises:
        OSError: the name is taken, or there can be no link for another reason.
        StoreError: the copy cannot be written.
    """
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with locked_name(path):
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            with replaced(path) as copy:
                shutil.copyfile(part, copy)


def list_vintages(folder: Path) -> list[VintageFile]:
    """The vintages of a store, by cutoff and version, without reading them."""
    found = (vintage_of(path) for path in folder.glob("*.parquet"))
    return sorted(vintage for vintage in found if vintage is not None)


def last_scheduled(found: Sequence[VintageFile], before: pd.Timestamp) -> pd.Timestamp | None:
    """The newest cutoff before a time that was forecast in its turn, and not by `--as-of`.

    Args:
        found: as `list_vintages` gives them; the files of the newest are looked into.
        before: itself excluded.

    Raises:
        StoreError: a file cannot be read.
    """
    earlier = (vintage for vintage in reversed(found) if vintage.cutoff < before)
    return next((v.cutoff for v in earlier if not _was_asked_for(v.path)), None)


def _was_asked_for(path: Path) -> bool:
    part = parts_of(path)[0]
    try:
        return AS_OF in (pq.read_schema(part).metadata or {})
    except (OSError, pa.ArrowInvalid) as error:
        raise _unreadable(part, error) from error


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
    rows = [_read(part) for path in wanted for part in parts_of(path)]
    table = _framed(pa.concat_tables(rows, promote_options="permissive"))
    return table.sort_values(ORDER, kind="stable", ignore_index=True)


def read_vintage(path: Path) -> pd.DataFrame:
    """One vintage, with the columns of `read_vintages` in the order of its rows.

    Raises:
        StoreError: a file cannot be read.
    """
    rows = [_read(part) for part in parts_of(path)]
    return _framed(pa.concat_tables(rows, promote_options="permissive"))


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
        raise _unreadable(path, error) from error
    if "created_at" in table.column_names:
        return table
    made = pd.Timestamp(path.stat().st_mtime_ns, unit="ns").as_unit("us")
    table = table.append_column("created_at", pa.array([made] * len(table), pa.timestamp("us")))
    return table.append_column("data_sha256", pa.array([""] * len(table), pa.string()))


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"cannot read the forecasts in {path}: {' '.join(str(error).split())[:200]}. Restore the "
        "file, or move it out of the folder."
    )


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


def by_model(vintages: pd.DataFrame) -> pd.DataFrame:
    """The forecasts of the model, without the naive ones of series that were too short for it."""
    if FALLBACK not in vintages:
        return vintages
    return vintages[vintages[FALLBACK].fillna("") == ""]


def last_made(vintages: pd.DataFrame) -> pd.DataFrame:
    """Of several forecasts from the same cutoff by the same version, the one made last.

    A cutoff is forecast again where its rows were revised; the forecast counts once for all that.

    Args:
        vintages: as `read_vintages` gives them.

    Returns:
        The same columns in the same order, one row for each unique_id, ds, cutoff and version.
    """
    made = vintages.sort_values("created_at", kind="stable")
    keys = ["unique_id", "ds", "cutoff", "model_version"]
    return made.drop_duplicates(keys, keep="last").sort_index()
