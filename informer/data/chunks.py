"""Rows from Parquet a few series at a time, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from informer.config import FrameConfig
from informer.errors import FrameError

__all__ = ["series_chunks"]

BATCH_ROWS = 65_536


def series_chunks(
    source: Path,
    frame: FrameConfig,
    *,
    n_series: int | None = None,
    n_rows: int | None = None,
) -> Iterator[pd.DataFrame]:
    """Whole series, in the order of the file, read row group by row group.

    Args:
        source: a Parquet file, or a folder of them, which are read in the order of their names;
            the rows of a series stand together, and the series in the order of their names.
        frame: which columns are read; a frame without ids is one chunk.
        n_series: series in a chunk; None: any number.
        n_rows: rows from which on a chunk takes no further series; None: any number.

    Yields:
        Frames of the columns of `frame`, as they stand in the file.

    Raises:
        FrameError: there is no file, a column is missing, or the series are in another order.
    """
    held: list[pa.RecordBatch] = []
    n_held, count = 0, 0
    last: str | None = None
    for batch in _batches(source, frame):
        begins, last = _begins(batch, frame, last, source)
        start = 0
        for begin in begins:
            held.append(batch.slice(start, begin - start))
            n_held, start = n_held + begin - start, begin
            if count == n_series or (n_rows is not None and n_held >= n_rows):
                yield _frame(held)
                held, n_held, count = [], 0, 0
            count += 1
        held.append(batch.slice(start))
        n_held += len(batch) - start
    if n_held:
        yield _frame(held)


def _frame(held: list[pa.RecordBatch]) -> pd.DataFrame:
    rows: pd.DataFrame = pa.Table.from_batches(held).to_pandas()
    return rows


def _batches(source: Path, frame: FrameConfig) -> Iterator[pa.RecordBatch]:
    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    if not files:
        raise FrameError(
            f"{source} holds no Parquet file. Name a Parquet file, or a folder with Parquet files."
        )
    wanted = [] if frame.id_column is None else [frame.id_column]
    wanted += [frame.time_column, *frame.columns]
    for path in files:
        with pq.ParquetFile(path, pre_buffer=False) as file:  # else it holds the whole file at once
            missing = [name for name in wanted if name not in file.schema_arrow.names]
            if missing:
                raise FrameError(
                    f"{path} lacks the columns {missing}; it has {file.schema_arrow.names}. "
                    "Correct the names under frame: in the configuration."
                )
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
                yield batch.replace_schema_metadata(None)


def _begins(
    batch: pa.RecordBatch, frame: FrameConfig, last: str | None, source: Path
) -> tuple[list[int], str | None]:
    """The rows of the batch at which another series than the `last` one begins, and its last."""
    if frame.id_column is None or not len(batch):
        return [], last
    names = pc.cast(batch.column(frame.id_column), pa.string())
    if names.null_count:
        raise FrameError(
            f"column {frame.id_column!r} of {source} has a row without a series name. Name the "
            "series or drop the row."
        )
    changes = np.flatnonzero(pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)) + 1
    begins = []
    for row in [0, *changes.tolist()]:
        name = names[row].as_py()
        if name == last:
            continue
        if last is not None and name < last:
            raise FrameError(
                f"in {source} series {name!r} comes after {last!r}; rows that are read in parts "
                f"must be sorted by {frame.id_column!r}. Sort them."
            )
        last = name
        begins.append(row)
    return begins, last
