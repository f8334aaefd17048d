"""Rows from Parquet a few series at a time, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from informer.config import FrameConfig
from informer.errors import FrameError

__all__ = ["CHUNK_ROWS", "series_chunks"]

CHUNK_ROWS = 2**19


def series_chunks(
    source: Path, frame: FrameConfig, n_rows: int = CHUNK_ROWS
) -> Iterator[pd.DataFrame]:
    """Whole series, in the order of the file, read row group by row group.

    Args:
        source: a Parquet file, or a folder of them, which are read in the order of their names;
            the rows of a series stand together, and the series in the order of their names.
        frame: which columns are read.
        n_rows: rows after which a chunk ends with the series that they are of; a single series is
            never cut.

    Yields:
        Frames of the columns of `frame`, as they stand in the file.

    Raises:
        FrameError: there is no file, a column is missing, or the series are in another order.
    """
    held: list[pa.Table] = []
    n_held = 0
    last = None
    for batch in _batches(source, frame, n_rows):
        if frame.id_column is not None:
            last = _checked_order(batch, frame.id_column, last, source)
        held.append(batch)
        n_held += len(batch)
        if frame.id_column is None or n_held < n_rows:
            continue
        table = pa.concat_tables(held)
        whole = _rows_before_the_last_series(table, frame.id_column)
        if whole:
            yield table.slice(0, whole).to_pandas()
        held, n_held = [table.slice(whole)], len(table) - whole
    if n_held:
        yield pa.concat_tables(held).to_pandas()


def _batches(source: Path, frame: FrameConfig, n_rows: int) -> Iterator[pa.Table]:
    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    if not files:
        raise FrameError(f"{source} holds no Parquet file. Name one, or a folder that holds some.")
    wanted = [frame.time_column, *dict.fromkeys(frame.columns)]
    wanted += [] if frame.id_column is None else [frame.id_column]
    for path in files:
        with pq.ParquetFile(path) as file:
            missing = [name for name in wanted if name not in file.schema_arrow.names]
            if missing:
                raise FrameError(
                    f"{path} lacks the columns {missing}; it has {file.schema_arrow.names}. "
                    "Correct the names under frame: in the configuration."
                )
            for batch in file.iter_batches(batch_size=n_rows, columns=wanted):
                yield pa.Table.from_batches([batch]).replace_schema_metadata(None)


def _checked_order(batch: pa.Table, column: str, last: str | None, source: Path) -> str:
    """The name of the last series of the batch, where none stands before one that came earlier."""
    names = pc.cast(batch[column].combine_chunks(), pa.string())
    if names.null_count:
        raise FrameError(
            f"column {column!r} of {source} lacks a series name. Name the series or drop such rows."
        )
    whole = names if last is None else pa.concat_arrays([pa.array([last], pa.string()), names])
    falls = pc.less(whole[1:], whole[:-1])
    if pc.any(falls).as_py():
        at = pc.index(falls, True).as_py()
        raise FrameError(
            f"in {source} series {whole[at + 1].as_py()!r} stands after {whole[at].as_py()!r}; "
            f"rows that are read a part at a time must be sorted by {column!r}. Sort them by it."
        )
    return str(names[-1].as_py())


def _rows_before_the_last_series(table: pa.Table, column: str) -> int:
    names = table[column].combine_chunks()
    first: int = pc.index(names, names[-1]).as_py()
    return first
