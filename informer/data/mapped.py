"""A panel on disk: more series than fit into memory, mapped into it page by page.

    <folder>/panel.json       the series, where each begins, and what they were made with
             values.f64       (T, C) in the data's own units
             observed.u1      (T, C) 0 where a value was filled
             steps.i64        (T,) position of each row on the grid
             scaled-*.f32     (T, C) as windows read them, one file for each scaler

Memory is taken by a chunk of rows while the files are written, and by the names of the series.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data.chunks import series_chunks
from informer.data.frame import regular_panel
from informer.data.grid import placed
from informer.data.panel import OBSERVED, Panel
from informer.data.times import frame_times
from informer.errors import FrameError
from informer.frequency import pandas_offset

__all__ = ["map_panel"]

INDEX, FORMAT = "panel.json", 2
CHUNK_ROWS = 2**19
FILES = {"values": ("values.f64", np.float64), "observed": (OBSERVED, np.bool_)}
STEPS = "steps.i64"


def map_panel(
    source: Path,
    config: FrameConfig,
    folder: Path,
    *,
    before: pd.Timestamp | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Panel:
    """The panel of a Parquet file, as `regular_panel` makes it of a frame, but mapped from files.

    Args:
        source: a Parquet file or a folder of them, sorted by series.
        config: names of the columns and the frequency.
        folder: where the files are; written where it is missing, all or nothing, else opened.
        before: rows from this time on are left out.
        chunk_rows: rows that are held in memory at once, or those of one series.

    Raises:
        FrameError: as `regular_panel`; the file is not sorted by series; no row is left; or the
            folder was made with another configuration.
    """
    until = None if before is None else str(before)
    key = json.loads(json.dumps({"format": FORMAT, "frame": config.layout, "before": until}))
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        draft.mkdir()  # for all whom the umask lets in, as a temporary folder is not
        try:
            index = _write(source, config, draft, before, chunk_rows)
            (draft / INDEX).write_text(json.dumps({"key": key} | index), encoding="utf-8")
            with suppress(OSError):  # another process was first
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    if index["key"] != key:
        raise FrameError(
            f"{folder} holds rows that were read with another configuration ({index['key']}, not "
            f"{key}). Remove the folder, or name another folder."
        )
    return _open(folder, index, config)


def _write(
    source: Path, config: FrameConfig, folder: Path, before: pd.Timestamp | None, chunk_rows: int
) -> dict[str, Any]:
    """Write values and observed chunk by chunk, then the steps, which need the whole grid."""
    ids: list[str] = []
    owner: list[int] = []
    lengths: list[int] = []
    firsts: list[pd.Timestamp] = []
    ends: list[pd.Timestamp] = []
    left_out: dict[str, str] = {}
    last: FrameError | None = None
    with (
        (folder / FILES["values"][0]).open("wb") as values,
        (folder / FILES["observed"][0]).open("wb") as observed,
    ):
        for chunk in series_chunks(source, config, n_rows=chunk_rows):
            if before is not None:
                chunk = chunk[frame_times(chunk, config) < before]
            if chunk.empty:
                continue
            try:
                panel = regular_panel(chunk, config)
            except FrameError as error:
                if not error.left_out:
                    raise
                left_out, last = {**left_out, **error.left_out}, error
                continue
            owner += (panel.owner + len(ids)).tolist()
            ids += panel.ids
            lengths += np.diff(panel.bounds).tolist()
            firsts += list(panel.times_of(panel.bounds[:-1]))
            ends += [panel.grid[0], panel.grid[-1]]
            left_out |= panel.left_out
            panel.values.tofile(values)
            panel.observed.tofile(observed)
    if last is not None and not ids:
        raise last
    if not ids:
        raise FrameError(f"{source} has no row before {before}. Supply more history.")
    times, series = pd.DatetimeIndex(firsts), np.array(owner)
    _, starts, lags = placed(times, series, len(ids), config.freq, base=min(ends))
    if (starts < 0).any():
        stray = int(np.flatnonzero(starts < 0)[0])
        raise FrameError(
            f"{times[stray]} of series {ids[series[stray]]!r} is not on the {config.freq!r} grid "
            f"that begins at {min(ends)}. Set frame.freq to the step of the data, or resample the "
            "data."
        )
    with (folder / STEPS).open("wb") as steps:
        for start, length in zip(starts, lengths, strict=True):
            np.arange(start, start + length, dtype=np.int64).tofile(steps)
    return {
        "ids": ids, "owner": owner, "lengths": lengths, "lags_us": lags.astype(np.int64).tolist(),
        "grid": [str(min(ends)), str(max(ends))], "left_out": left_out,
    }  # fmt: skip


def _open(folder: Path, index: dict[str, Any], config: FrameConfig) -> Panel:
    bounds = np.concatenate([[0], np.cumsum(index["lengths"], dtype=np.int64)])
    first, last = index["grid"]
    shape = (int(bounds[-1]), len(config.channels))
    arrays: dict[str, npt.NDArray[Any]] = {
        name: np.memmap(folder / file, dtype=kind, mode="c", shape=shape)
        for name, (file, kind) in FILES.items()
    }
    return Panel(
        ids=tuple(index["ids"]),
        bounds=bounds,
        owner=np.array(index["owner"], dtype=np.int64),
        lags=np.array(index["lags_us"], dtype="timedelta64[us]"),
        left_out=index["left_out"],
        grid=pd.date_range(first, last, freq=pandas_offset(config.freq)),
        steps=np.memmap(folder / STEPS, dtype=np.int64, mode="c", shape=shape[:1]),
        folder=folder,
        **arrays,
    )
