"""The values that a forecast from an earlier time is made from: as read then, or today's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from informer.errors import FrameError
from tasks.forecasts.chunks import known_times
from tasks.rows import Read, layout_for, newest_read, prepare_rows, validate_snapshot
from tasks.settings import ContractError, Home, RunConfig, SourceError, duration

__all__ = ["Values", "values_of_missed"]


@dataclass(frozen=True)
class Values:
    """Which values of rows that may have been revised since a forecast saw.

    Attributes:
        cutoff: of the forecast, or the time that it was asked for.
        read_at: when they were read, UTC-naive; None: today's values, as none are kept that were
            read by then.
        snapshot: the first 16 of the sha256 of what was read; empty for today's values.
    """

    cutoff: pd.Timestamp
    read_at: pd.Timestamp | None = None
    snapshot: str = ""

    @classmethod
    def of(cls, read: Read | None, cutoff: pd.Timestamp) -> Values:
        """Those of a read; None: today's."""
        return cls(cutoff) if read is None else cls(cutoff, read.at, read.snapshot.sha256[:16])

    @property
    def sentence(self) -> str:
        """What people are told."""
        if self.read_at is None:
            return (
                f"{self.cutoff}: today's values, which may have been revised: there is no usable "
                "snapshot read by then"
            )
        return f"{self.cutoff}: values as read at {self.read_at}, snapshot {self.snapshot}"


def values_of_missed(
    cutoff: pd.Timestamp, rows_path: Path, config: RunConfig, home: Home
) -> tuple[Path, Values]:
    """The regular rows that a missed cutoff is forecast from, and what they are.

    They are those that the run of that day would have read: what was read last before the next
    cutoff was due, if it holds the row of this one.

    Args:
        cutoff: the time of the last row to be seen.
        rows_path: today's regular rows as Parquet.
        config: the pipeline, with `forecast.every`.
        home: where the stores are.

    Raises:
        StoreError: the notes of what was read cannot be read.
    """
    assert config.forecast.every is not None
    by = cutoff + duration(config.forecast.every)
    read = newest_read(config.data.source, by, home, layout_for(config, home))
    if read is None:
        return rows_path, Values(cutoff)
    raw, contract = read.snapshot, home.conf_dir / config.data.contract
    try:
        validate_snapshot(raw.path, contract, config.frame, home.docs_dir(raw.sha256))
        path = prepare_rows(raw, config, home).snapshot.path
        times = known_times(path, config.frame, config.forecast.chunk_series, cutoff)
    except (ContractError, FrameError, SourceError):  # that run could not forecast from them
        return rows_path, Values(cutoff)
    return (path, Values.of(read, cutoff)) if times[-1] == cutoff else (rows_path, Values(cutoff))
