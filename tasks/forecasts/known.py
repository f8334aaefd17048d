"""What the forecasts of one pipeline or of all were at some time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from informer.errors import ConfigError
from tasks.forecasts.vintages import known_at, output_dir, read_vintages
from tasks.settings import Home, StoreError, load_config, replaced

__all__ = ["Known", "forecasts_as_of", "write_known"]


@dataclass(frozen=True)
class Known:
    """Forecasts as they were known at a time.

    Attributes:
        time: UTC-naive.
        rows: pipeline, then the columns of `tasks.forecasts.vintages`; one row for each pipeline,
            unique_id and ds, the newest made by `time`.
    """

    time: pd.Timestamp
    rows: pd.DataFrame


def forecasts_as_of(time: pd.Timestamp, conf: str | None, home: Home) -> Known:
    """The newest forecast of every series and target time that had been made by a time.

    Args:
        time: UTC-naive.
        conf: a configuration; None takes every pipeline under conf/ and every folder of forecasts.
        home: where the stores are.

    Raises:
        StoreError: nothing was known at `time`.
        ConfigError: there is no such configuration.
    """
    stores = _all_stores(home) if conf is None else _store(conf, home)
    vintages = {name: read_vintages(folder) for name, folder in stores.items()}
    known = {name: known_at(time, rows) for name, rows in vintages.items()}
    found = {name: rows for name, rows in known.items() if len(rows)}
    if not found:
        firsts = [rows["created_at"].min() for rows in vintages.values() if len(rows)]
        mend = (
            f"the first forecast was made at {min(firsts).floor('s')}. Give a later time."
            if firsts
            else "no forecast has been made. Run: informer forecast CONF"
        )
        raise StoreError(f"at {time} (UTC) no forecast was known of {', '.join(stores)}: {mend}")
    tables = [rows.assign(pipeline=name) for name, rows in found.items()]
    rows = pd.concat(tables, ignore_index=True)
    return Known(time, rows[["pipeline", *(name for name in rows if name != "pipeline")]])


def _store(conf: str, home: Home) -> Mapping[str, Path]:
    config = load_config(conf, conf_dir=home.conf_dir)
    return {config.name: output_dir(config, home)}


def _all_stores(home: Home) -> Mapping[str, Path]:
    stores = {folder.name: folder for folder in home.forecast_dir.glob("*") if folder.is_dir()}
    for path in home.conf_dir.glob("*.yaml"):
        if path.stem != "base":
            stores |= _store(path.stem, home)
    return dict(sorted(stores.items()))


def write_known(known: Known, path: Path) -> Path:
    """Write the rows as CSV or Parquet, by the file's ending, whole or not at all.

    Raises:
        ConfigError: the ending is another.
        StoreError: the file cannot be written.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"--output {path} ends in neither .csv nor .parquet. Choose one of them.")
    with replaced(path.absolute()) as draft:
        if path.suffix == ".csv":
            known.rows.to_csv(draft, index=False)
        else:
            known.rows.to_parquet(draft, index=False)
    return path.absolute()
