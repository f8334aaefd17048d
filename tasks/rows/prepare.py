"""From the validated snapshot to regular rows and their split by time."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pandas as pd
from prefect.artifacts import create_markdown_artifact
from pydantic import PlainSerializer, PlainValidator

from informer.config import FrameConfig
from informer.data import Panel, Split, map_panel, regular_frame, regular_panel
from informer.errors import FrameError
from tasks.rows.contract import outliers_as_missing, read_contract
from tasks.rows.sources import Snapshot, snapshot
from tasks.runs import Stage
from tasks.settings import Home, RunConfig, mark_used

__all__ = ["Prepared", "history", "prepare_rows", "read_rows", "regular_rows"]

ROWS_SUFFIX = ".rows"
ROWS_KEPT = timedelta(days=7)


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
    """

    snapshot: Snapshot
    raw: Snapshot
    split: Annotated[Split, PlainSerializer(_split_as_text), PlainValidator(_read_split)]
    n_series: int


def regular_rows(raw: Path, contract_path: Path, frame: FrameConfig) -> pd.DataFrame:
    """Sorted rows on the regular grid, values outside their range made missing where so agreed.

    Raises:
        FrameError: the rows break the structural contract.
    """
    rows, _ = outliers_as_missing(pd.read_parquet(raw), read_contract(contract_path))
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
        "tasks.rows.prepare", "tasks.rows.contract", "informer.config", "informer.frequency",
        "informer.data.columns", "informer.data.frame", "informer.data.panel",
        "informer.data.split",
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
    panel = regular_panel(rows, frame)
    split = config.split.resolve(panel.grid[0], panel.grid[-1], frame.freq)
    _check_history(panel, config)
    kept = Prepared(snapshot(rows, raw.source, home), raw, split, len(panel.ids))
    create_markdown_artifact(
        _markdown(panel, config, split), key="features", description="Regular rows and their split"
    )
    return kept


def _check_history(panel: Panel, config: RunConfig) -> None:
    needed = config.model.seq_len + config.model.pred_len
    longest = max(b - a for a, b in zip(panel.bounds[:-1], panel.bounds[1:], strict=True))
    if longest < needed:
        raise FrameError(
            f"the longest series has {longest} rows; seq_len={config.model.seq_len} + "
            f"pred_len={config.model.pred_len} needs at least {needed}. Shorten seq_len or supply "
            "more history."
        )


def _markdown(panel: Panel, config: RunConfig, split: Split) -> str:
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
    ]
    return "\n".join(lines)
