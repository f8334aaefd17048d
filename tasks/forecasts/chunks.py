"""Rows of many series, some series at a time: read in chunks, and kept as what a forecast saw."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from informer.config import FrameConfig
from informer.data import frame_times, series_chunks
from informer.forecaster import Forecaster
from informer.horizons import none_forecast
from tasks.forecasts.cutoffs import current_series, too_early, trimmed_rows
from tasks.settings import ForecastConfig, Home, locked_draft

__all__ = ["Seen", "keep_seen", "known_times", "read_groups"]

GROUP_ROWS = 1024**2  # the most that pyarrow writes into one row group


@dataclass(frozen=True)
class Seen:
    """The rows that a vintage is made from, kept as a snapshot.

    Attributes:
        path: the Parquet file, named by its content.
        sha256: of that file.
        chunks: for each chunk of series, which row groups hold it: from, to (exclusive).
        left_out: series that are not in it, each with the reason.
    """

    path: Path
    sha256: str
    chunks: tuple[tuple[int, int], ...]
    left_out: dict[str, str]


def known_times(
    path: Path, frame: FrameConfig, n_series: int, as_of: pd.Timestamp | None = None
) -> pd.DatetimeIndex:
    """The times, ascending, at which some series has a target.

    Args:
        path: regular rows as Parquet, ordered by series.
        frame: names of the columns.
        n_series: series that are read at once.
        as_of: forget what came after this time (UTC-naive); None forgets nothing.

    Raises:
        SourceError: there is none.
    """
    known, firsts = pd.DatetimeIndex([]), []
    for rows in series_chunks(path, frame, n_series=n_series):
        times = frame_times(rows, frame)
        firsts.append(times.min())
        has_value = rows[list(frame.targets)].notna().any(axis=1)
        known = known.union(pd.DatetimeIndex(times[has_value].unique()))
    known = known.sort_values()
    found = known if as_of is None else known[known <= as_of]
    if found.empty:
        raise too_early(as_of, min(firsts))
    return found


def keep_seen(
    path: Path,
    forecaster: Forecaster,
    config: ForecastConfig,
    home: Home,
    cutoff: pd.Timestamp,
) -> Seen:
    """Keep the rows from which each series that has not ended is forecast at a cutoff.

    Args:
        path: regular rows as Parquet, ordered by series.
        forecaster: what will read them.
        config: `chunk_series` and `max_age`.
        home: where snapshots are kept.
        cutoff: one of `known_times`; later rows are forgotten.

    Raises:
        FrameError: every series has ended.
        StoreError: the snapshot cannot be written.
    """
    frame = forecaster.config.frame
    left_out: dict[str, str] = {}
    chunks: list[tuple[int, int]] = []
    with locked_draft(home.snapshot_dir) as draft:
        with ExitStack() as stack:
            writer: pq.ParquetWriter | None = None
            for rows in series_chunks(path, frame, n_series=config.chunk_series):
                known = trimmed_rows(rows, frame, cutoff)
                if known.empty:
                    continue
                kept, reasons = current_series(known, forecaster, config, cutoff)
                left_out |= reasons
                if kept.empty:
                    continue
                table = pa.Table.from_pandas(kept, preserve_index=False)
                writer = writer or stack.enter_context(
                    pq.ParquetWriter(draft / "rows.parquet", table.schema)
                )
                writer.write_table(table)
                first = chunks[-1][1] if chunks else 0
                chunks.append((first, first - (-len(table) // GROUP_ROWS)))
        if not chunks:
            raise none_forecast(left_out)
        with (draft / "rows.parquet").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        target = home.snapshot_dir / f"{digest[:16]}.parquet"
        (draft / "rows.parquet").replace(target)
    return Seen(target, digest, tuple(chunks), left_out)


def read_groups(path: Path, groups: tuple[int, int]) -> pd.DataFrame:
    """The rows of a chunk, by the row groups that hold it."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        rows: pd.DataFrame = file.read_row_groups(list(range(*groups))).to_pandas()
    return rows
