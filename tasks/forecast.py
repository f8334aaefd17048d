"""Batch forecasts by the champion: one vintage for the last cutoff and for each missed one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.assets import add_asset_metadata, materialize

from informer.config import FrameConfig
from informer.data.frame import long_targets
from tasks.assets import data_asset, forecast_asset, model_asset
from tasks.config import RunConfig
from tasks.cutoffs import check_age, current_series, known_rows, missed_cutoffs
from tasks.home import Home
from tasks.plots import forecast_fan, png_data_uri
from tasks.registry import Served, require_champion
from tasks.sources import snapshot
from tasks.stages import BACK_OFF_S, is_passing
from tasks.track import log_figure, resumed_run
from tasks.vintages import list_vintages, write_vintage

__all__ = ["Forecast", "forecast", "output_dir", "require_fresh", "utc_now"]

SHOWN_HORIZONS = 3


@dataclass(frozen=True)
class Forecast:
    """A batch of forecasts: the vintage of the last cutoff, and which others came with it.

    Attributes:
        model_version: of the champion that made them all.
        n_series: how many `unique_id`s.
        n_rows: rows of the last cutoff's vintage.
        cutoff: the last time that was seen.
        path: its Parquet file; a CSV of the same rows lies beside it.
        n_written: vintages that were not there before.
        caught_up: cutoffs missed before, which this run forecast too; oldest first.
        left_out: series that were not forecast, each with the reason.
    """

    model_version: str
    n_series: int
    n_rows: int
    cutoff: str
    path: Path
    n_written: int
    caught_up: tuple[str, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class _Vintage:
    """A forecast before it is written: what was read, and what came of it."""

    rows: pd.DataFrame
    table: pd.DataFrame
    left_out: dict[str, str]

    @property
    def cutoff(self) -> pd.Timestamp:
        cutoff: pd.Timestamp = self.table["cutoff"].max()
        return cutoff


def output_dir(config: RunConfig, home: Home) -> Path:
    """Where the forecasts of a pipeline go."""
    named = config.forecast.output
    return Path(named).expanduser().absolute() if named else home.forecast_dir / config.name


def utc_now() -> pd.Timestamp:
    """The clock, UTC-naive as all times of the project, to the microsecond."""
    return pd.Timestamp.now("UTC").tz_localize(None).as_unit("us")


def require_fresh(rows_path: Path, config: RunConfig) -> None:
    """Refuse rows that are too old to forecast from, before anything is trained on them.

    Args:
        rows_path: regular rows as Parquet.
        config: `forecast.max_age` says how old is too old.

    Raises:
        SourceError: the last row is older than that.
    """
    known = known_rows(pd.read_parquet(rows_path), config.frame)
    last = known[config.frame.time_column].max()
    check_age(last, utc_now(), config.forecast, config.data.source)


def forecast(
    rows_path: Path,
    config: RunConfig,
    home: Home,
    *,
    as_of: pd.Timestamp | None = None,
    run_id: str | None = None,
) -> Forecast:
    """Forecast the next horizon of each series with the champion, from every cutoff that is due.

    All vintages are computed before the first is written, the oldest first, so that a failure
    leaves none and a killed run leaves whole ones that the next run goes on from. It is a Prefect
    task that materializes the pipeline's forecast asset.

    Args:
        rows_path: regular rows as Parquet.
        config: the pipeline.
        home: where the stores are.
        as_of: forget what came after this time (UTC); the rows may then be of any age.
        run_id: the MLflow run that the plot is kept with; None keeps it nowhere.

    Raises:
        RegistryError: there is no champion.
        SourceError: the rows are older than `forecast.max_age`, or none is as old as `as_of`.
        FrameError: no series has the rows that a forecast reads.
        StoreError: the folder of the forecasts cannot be written.
    """
    made = materialize(
        forecast_asset(config.name),
        asset_deps=[model_asset(config.name), data_asset(config.name)],
        name="forecast",
        retries=len(BACK_OFF_S),
        retry_delay_seconds=BACK_OFF_S,
        retry_condition_fn=is_passing,
    )(_forecast)
    return made(rows_path, config, home, as_of, run_id)


def _forecast(
    rows_path: Path, config: RunConfig, home: Home, as_of: pd.Timestamp | None, run_id: str | None
) -> Forecast:
    served = require_champion(config, home)  # once, so that all vintages are of one version
    vintages = _computed(served, pd.read_parquet(rows_path), config, home, as_of)
    folder = output_dir(config, home)
    written = [write_vintage(vintage.table, folder) for vintage in vintages]
    last, (path, _) = vintages[-1], written[-1]
    for series, reason in last.left_out.items():
        get_run_logger().warning("series %r is not forecast: it %s", series, reason)
    figure = forecast_fan(_tail(last, served.forecaster.config.frame), last.table)
    if run_id is not None:
        with resumed_run(run_id, home):
            log_figure(figure, "forecast")
    made = Forecast(
        model_version=served.version,
        n_series=int(last.table["unique_id"].nunique()),
        n_rows=len(last.table),
        cutoff=last.cutoff.isoformat(),
        path=path,
        n_written=sum(is_new for _, is_new in written),
        caught_up=tuple(vintage.cutoff.isoformat() for vintage in vintages[:-1]),
        left_out=last.left_out,
    )
    create_markdown_artifact(
        f"{_markdown(vintages, written)}\n\n![forecast]({png_data_uri(figure)})",
        key="forecast",
        description=f"{config.name}: the next horizon, by version {served.version}",
    )
    metadata = {"model_version": served.version, "cutoff": made.cutoff, "path": str(path)}
    add_asset_metadata(forecast_asset(config.name), metadata)
    return made


def _computed(
    served: Served, rows: pd.DataFrame, config: RunConfig, home: Home, as_of: pd.Timestamp | None
) -> list[_Vintage]:
    """The forecast from each cutoff that is due, oldest first, none of them written yet."""
    frame = served.forecaster.config.frame
    known = known_rows(rows, frame, as_of)
    times = pd.DatetimeIndex(known[frame.time_column])
    if as_of is None:
        check_age(times.max(), utc_now(), config.forecast, config.data.source)
    stored = [vintage.cutoff for vintage in list_vintages(output_dir(config, home))]
    due = [*missed_cutoffs(times, stored, config.forecast), times.max()]
    return [_vintage(served, known_rows(known, frame, cutoff), config, home) for cutoff in due]


def _vintage(served: Served, known: pd.DataFrame, config: RunConfig, home: Home) -> _Vintage:
    rows, left_out = current_series(known, served.forecaster, config.forecast)
    seen = snapshot(rows, config.data.source, home)
    table = served.forecaster.predict(rows)
    table.insert(3, "model_version", served.version)
    table.insert(4, "created_at", utc_now())
    table.insert(5, "data_sha256", seen.sha256)
    return _Vintage(rows, table, left_out)


def _markdown(vintages: list[_Vintage], written: list[tuple[Path, bool]]) -> str:
    lines = ["| cutoff | version | series | rows | file | |", "|---|---|--:|--:|---|---|"]
    for vintage, (path, is_new) in zip(vintages, written, strict=True):
        table = vintage.table
        lines.append(
            f"| {vintage.cutoff} | {table['model_version'].iloc[0]} | "
            f"{table['unique_id'].nunique():,} | {len(table):,} | `{path}` | "
            f"{'new' if is_new else 'was there'} |"
        )
    left_out = vintages[-1].left_out
    lines += [""] + [f"- `{name}` is not forecast: it {why}" for name, why in left_out.items()]
    return "\n".join(lines)


def _tail(vintage: _Vintage, frame: FrameConfig) -> pd.DataFrame:
    """The last rows of each series as a long frame unique_id, ds, y, for a plot."""
    horizon = vintage.table["ds"].max() - vintage.cutoff
    recent = vintage.rows[frame.time_column] >= vintage.cutoff - SHOWN_HORIZONS * horizon
    return long_targets(vintage.rows[recent], frame)
