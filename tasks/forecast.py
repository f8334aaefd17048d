"""Batch forecasts by the champion, written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from prefect import task
from prefect.artifacts import create_markdown_artifact

from informer.config import FrameConfig
from informer.data.frame import long_targets
from tasks.config import RunConfig
from tasks.errors import SourceError
from tasks.files import replaced
from tasks.home import Home
from tasks.plots import forecast_fan, png_data_uri
from tasks.registry import require_champion
from tasks.track import log_figure, resumed_run

__all__ = ["Forecast", "forecast", "output_dir"]

SHOWN_HORIZONS = 3


@dataclass(frozen=True)
class Forecast:
    """A batch of forecasts.

    Attributes:
        model_version: of the champion that made it.
        n_series: how many `unique_id`s.
        n_rows: rows written.
        cutoff: the last time that was seen.
        path: the Parquet file; a CSV of the same rows lies beside it.
    """

    model_version: str
    n_series: int
    n_rows: int
    cutoff: str
    path: Path


def output_dir(config: RunConfig, home: Home) -> Path:
    """Where the forecasts of a pipeline go."""
    named = config.forecast.output
    return Path(named).expanduser().absolute() if named else home.forecast_dir / config.name


def _known_by(as_of: pd.Timestamp | None, rows: pd.DataFrame, frame: FrameConfig) -> pd.DataFrame:
    if as_of is None:
        return rows
    kept = rows[rows[frame.time_column] <= as_of]
    if kept.empty:
        raise SourceError(
            f"no row is as old as {as_of}: the data begins at {rows[frame.time_column].min()}. "
            "Give --as-of a later time."
        )
    return kept


@task(name="forecast")
def forecast(
    rows_path: Path,
    config: RunConfig,
    home: Home,
    *,
    as_of: pd.Timestamp | None = None,
    run_id: str | None = None,
) -> Forecast:
    """Forecast the next horizon of each series with the champion.

    Args:
        rows_path: regular rows as Parquet.
        config: the pipeline.
        home: where the stores are.
        as_of: forget what came after this time (UTC).
        run_id: the MLflow run that the plot is kept with; None keeps it nowhere.

    Raises:
        RegistryError: there is no champion.
    """
    served = require_champion(config, home)
    fitted = served.forecaster.config.frame
    rows = _known_by(as_of, pd.read_parquet(rows_path), fitted)
    table = served.forecaster.predict(rows)
    table.insert(3, "model_version", served.version)
    cutoff = table["cutoff"].max()
    stem = f"{cutoff:%Y%m%dT%H%M%S}-v{served.version}"
    path = _write(table, output_dir(config, home), stem)
    figure = forecast_fan(_tail(rows, table, fitted), table)
    if run_id is not None:
        with resumed_run(run_id, home):
            log_figure(figure, "forecast")
    create_markdown_artifact(
        f"{len(table):,} rows from {cutoff} by version {served.version}: `{path}`\n\n"
        f"![forecast]({png_data_uri(figure)})",
        key="forecast",
        description="The next horizon",
    )
    n_series = int(table["unique_id"].nunique())
    return Forecast(served.version, n_series, len(table), cutoff.isoformat(), path)


def _write(table: pd.DataFrame, folder: Path, stem: str) -> Path:
    """Parquet and CSV, each replaced in one step."""
    path = folder / f"{stem}.parquet"
    with replaced(path.with_suffix(".csv")) as draft:
        table.to_csv(draft, index=False)
    with replaced(path) as draft:
        table.to_parquet(draft, index=False)
    return path


def _tail(rows: pd.DataFrame, table: pd.DataFrame, frame: FrameConfig) -> pd.DataFrame:
    """The last rows of each series as a long frame unique_id, ds, y, for a plot."""
    horizon = table["ds"].max() - table["cutoff"].max()
    recent = rows[rows[frame.time_column] >= table["cutoff"].max() - SHOWN_HORIZONS * horizon]
    return long_targets(recent, frame)
