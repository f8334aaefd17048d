"""From the validated snapshot to regular rows and their split by time."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import PlainSerializer, PlainValidator

from informer.config import FrameConfig
from informer.data import Panel, Split, map_panel, regular_frame, regular_panel
from informer.errors import FrameError
from tasks.rows.contract import read_contract
from tasks.rows.sentinels import missing_by_contract
from tasks.rows.sources import Snapshot, snapshot
from tasks.runs import Stage
from tasks.settings import Home, RunConfig, mark_used

__all__ = [
    "MAX_NAMED",
    "Prepared",
    "history",
    "left_out_lines",
    "prepare_rows",
    "read_rows",
    "regular_rows",
    "require_trainable",
]

ROWS_SUFFIX = ".rows"
ROWS_KEPT = timedelta(days=7)
MAX_NAMED = 20  # series left out that a report names


def _split_as_text(split: Split) -> dict[str, str]:
    return {name: str(time) for name, time in asdict(split).items()}


def _read_split(kept: Split | dict[str, str]) -> Split:
    if isinstance(kept, Split):
        return kept
    return Split(**{name: pd.Timestamp(time) for name, time in kept.items()})


@dataclass(frozen=True)
class Prepared:
    """Regular rows, ready for a forecaster.

    Attributes:
        snapshot: the rows as Parquet: one per series and step, NaN where nothing was read.
        raw: the snapshot of what was read.
        split: when validation and test begin.
        n_series: how many series.
        left_out: series that no model is trained on, each with the reason.
        unusable: those of them that are not among the rows, so that they are not forecast either.
        refused: why no model can be trained on these rows; empty where one can. A forecast looks at
            its look-back alone, so it may be made all the same.
    """

    snapshot: Snapshot
    raw: Snapshot
    split: Annotated[Split, PlainSerializer(_split_as_text), PlainValidator(_read_split)]
    n_series: int
    left_out: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    refused: str = ""


def regular_rows(raw: Path, contract_path: Path, frame: FrameConfig) -> pd.DataFrame:
    """Sorted rows on the regular grid, values made missing that the contract says are none.

    Raises:
        FrameError: the rows break the structural contract.
    """
    contract = read_contract(contract_path)
    rows, _ = missing_by_contract(pd.read_parquet(raw), contract, frame.id_column)
    return regular_frame(rows, frame)


def read_rows(prepared: Prepared) -> pd.DataFrame:
    """All regular rows, test rows included."""
    return pd.read_parquet(prepared.snapshot.path)


def history(prepared: Prepared, frame: FrameConfig) -> Panel:
    """Train and validation rows: everything that a training may see.

    They are mapped from files beside the snapshot, so that no training's memory grows with the
    number of series; those that nobody used for `ROWS_KEPT` are removed.
    """
    path, before = prepared.snapshot.path, prepared.split.test_start
    digest = hashlib.sha256(json.dumps([frame.layout, str(before)]).encode()).hexdigest()[:8]
    folder = path.with_name(f"{path.stem}-{digest}{ROWS_SUFFIX}")
    panel = map_panel(path, frame, folder, before=before)
    mark_used(folder)
    _forget_rows(path.parent)
    return panel


def _forget_rows(folder: Path) -> None:
    """Remove the row files that are out of use, and those that a killed run left half-written."""
    oldest = time.time() - ROWS_KEPT.total_seconds()
    for pattern in (f"*{ROWS_SUFFIX}", f".*{ROWS_SUFFIX}-*"):
        for other in folder.glob(pattern):
            with suppress(OSError):
                if other.stat().st_mtime < oldest:
                    shutil.rmtree(other)


FEATURES = Stage(
    "features",
    Prepared,
    code=(
        "tasks.rows.prepare", "tasks.rows.contract", "tasks.rows.sentinels", "informer.config",
        "informer.frequency",
        *(
            f"informer.data.{name}"
            for name in (
                "columns", "frame", "grid", "local", "numbered", "panel", "runs", "sentinels",
                "split", "times", "written",
            )
        ),
    ),
    libraries=("numpy", "pandas", "pyarrow"),
)  # fmt: skip


def prepare_rows(raw: Snapshot, config: RunConfig, home: Home) -> Prepared:
    """Put the rows on a regular grid, fill short gaps by the stated rule, and split them by time.

    The filling itself happens where a window is cut, in training and in serving alike; here it is
    counted and checked.
    """
    contract = (home.conf_dir / config.data.contract).read_text(encoding="utf-8")
    parts = config.parts("frame", "split", "model")
    inputs = (raw.sha256, raw.source, contract, parts)
    return FEATURES.run(home, inputs, lambda _: _prepare(raw, config, home))


def _prepare(raw: Snapshot, config: RunConfig, home: Home) -> Prepared:
    frame = config.frame
    rows = regular_rows(raw.path, home.conf_dir / config.data.contract, frame)
    unusable = dict(rows.attrs.pop("left_out", {}))  # no part of the snapshot
    panel = regular_panel(rows, frame, on_gap="split")
    split = config.split.resolve(panel.grid[0], panel.grid[-1], frame)
    refused = ""
    try:
        learnt = regular_panel(rows, frame)
        left_out = {**unusable, **learnt.left_out, **_too_short(learnt, config)}
    except FrameError as error:
        left_out, refused = {**unusable, **error.left_out}, str(error)
    kept_rows = snapshot(rows, raw.source, home)
    kept = Prepared(kept_rows, raw, split, len(panel.ids), left_out, unusable, refused)
    for line in left_out_lines(left_out, "learnt from"):
        get_run_logger().warning(line)
    create_markdown_artifact(
        _markdown(panel, config, kept), key="features", description="Regular rows and their split"
    )
    return kept


def require_trainable(prepared: Prepared) -> None:
    """Stop before anything is trained on rows that no model can be trained on.

    Raises:
        FrameError: every series has a gap that is refused, or none holds a window.
    """
    if prepared.refused:
        raise FrameError(prepared.refused)


def left_out_lines(left_out: Mapping[str, str], what: str) -> list[str]:
    """A sentence for each series that is not `what`; of many, the first are named."""
    lines = [f"series {name!r} is not {what}: it {why}" for name, why in left_out.items()]
    more = len(lines) - MAX_NAMED
    return [*lines[:MAX_NAMED], f"and {more:,} more series are not {what}"] if more > 0 else lines


def _too_short(panel: Panel, config: RunConfig) -> dict[str, str]:
    """Series that hold no window.

    Raises:
        FrameError: no series holds one.
    """
    needed = config.model.seq_len + config.model.pred_len
    longest = np.zeros(len(panel.ids), dtype=np.int64)
    np.maximum.at(longest, panel.owner, np.diff(panel.bounds))
    if longest.max() < needed:
        raise FrameError(
            f"the longest series has {longest.max()} rows; seq_len={config.model.seq_len} + "
            f"pred_len={config.model.pred_len} needs at least {needed}. Shorten seq_len or supply "
            "more history."
        )
    short = np.flatnonzero(longest < needed)
    return {panel.ids[i]: f"has {longest[i]} rows, a window needs {needed}" for i in short}


def _markdown(panel: Panel, config: RunConfig, kept: Prepared) -> str:
    split = kept.split
    filled = (~panel.observed).sum(axis=0)
    share = 100 * filled / len(panel.observed)
    lines = [
        f"{len(panel.observed):,} rows of {len(panel.ids)} series, one every "
        f"{config.frame.freq}, from {panel.grid[0]} to {panel.grid[-1]}.",
        "",
        f"A missing value takes the last value before it, at most {config.frame.max_gap} steps "
        "back.",
        "",
        "| channel | filled values | share |",
        "|---|--:|--:|",
    ]
    lines += [
        f"| {name} | {count:,} | {percent:.2f} % |"
        for name, count, percent in zip(config.frame.channels, filled, share, strict=True)
    ]
    lines += [
        "",
        "| part | from | to (exclusive) |",
        "|---|---|---|",
        f"| train | {panel.grid[0]} | {split.val_start} |",
        f"| validation | {split.val_start} | {split.test_start} |",
        f"| test | {split.test_start} | {split.test_end} |",
        "",
        f"Time encoding `{config.model.embed}` at `{config.frame.freq}`; the scaler is fitted on "
        "the train rows only.",
        "",
        *(f"- {line}" for line in left_out_lines(kept.left_out, "learnt from")),
    ]
    return "\n".join(lines)
