"""Batch forecasts by the champion: one vintage for the last cutoff and for each missed one.

The rows are read, and forecast, some series at a time (`forecast.chunk_series`), so that memory
does not grow with the number of series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.assets import add_asset_metadata, materialize

from informer.config import FrameConfig
from informer.data import frame_times, long_targets
from informer.horizons import none_forecast
from tasks.forecasts.chunks import Seen, keep_seen, known_times, read_groups
from tasks.forecasts.cutoffs import check_age, missed_cutoffs
from tasks.forecasts.fanout import Chunk, Part, check_engine, run_chunks
from tasks.forecasts.revisions import Values, values_of_missed
from tasks.forecasts.vintages import (
    commit_vintage,
    last_scheduled,
    list_vintages,
    output_dir,
    part_name,
    parts_of,
    stamp_parts,
    vintage_path,
)
from tasks.models import Served, champion_version, load_version
from tasks.rows import Read, left_out_lines
from tasks.runs import (
    MAX_SERIES,
    RETRIES,
    data_asset,
    forecast_asset,
    forecast_fan,
    log_figure,
    model_asset,
    png_data_uri,
    resumed_run,
)
from tasks.settings import Home, RunConfig, check_writable, locked_draft, utc_now

__all__ = [
    "BY_MODEL",
    "Forecast",
    "check_forecast",
    "require_fresh",
    "unseen_sentence",
    "write_forecast",
]  # fmt: skip

SHOWN_HORIZONS = 3
BY_MODEL = "forecast by the model"
SHOWN_UNSEEN = 5


@dataclass(frozen=True)
class Forecast:
    """A batch of forecasts: the vintage of the last cutoff, and which others came with it.

    Attributes:
        model_version: of the champion that made them all.
        n_series: how many `unique_id`s.
        n_rows: rows of the last cutoff's vintage.
        cutoff: the last time that was seen.
        path: its Parquet file, with a CSV of the same rows beside it; of several chunks the folder
            that holds a Parquet file for each.
        n_written: vintages that were not there before.
        caught_up: cutoffs missed before, which this run forecast too; oldest first.
        left_out: series that the model did not forecast, each with the reason.
        unseen: series that the model was not fitted on: their scale is that of their first rows.
        values: for `--as-of` and each missed cutoff, which values were used of rows that may have
            been revised since.
    """

    model_version: str
    n_series: int
    n_rows: int
    cutoff: str
    path: Path
    n_written: int
    caught_up: tuple[str, ...]
    left_out: dict[str, str]
    unseen: tuple[str, ...] = ()
    values: tuple[Values, ...] = ()


@dataclass(frozen=True)
class _Vintage:
    """A forecast from one cutoff: what was read, what came of it, and where it lies."""

    seen: Seen
    values: Values | None
    parts: Sequence[Part]
    path: Path
    is_new: bool = False

    @property
    def cutoff(self) -> pd.Timestamp:
        return max(part.cutoff for part in self.parts if part.cutoff is not None)

    @property
    def n_rows(self) -> int:
        return sum(part.n_rows for part in self.parts)

    @property
    def n_series(self) -> int:
        return sum(part.n_series for part in self.parts)

    @property
    def unseen(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.unseen)

    @property
    def left_out(self) -> dict[str, str]:
        found = dict(self.seen.left_out)
        for part in self.parts:
            found |= part.left_out
        return found


def check_forecast(config: RunConfig, home: Home) -> None:
    """Make sure, before any work is done, that forecasts can be made and written.

    Raises:
        ConfigError: what `forecast.dask` needs is not installed.
        StoreError: the folder of the forecasts cannot be written.
    """
    check_engine(config.forecast)
    check_writable(output_dir(config, home))


def require_fresh(rows_path: Path, config: RunConfig) -> None:
    """Refuse rows that are too old to forecast from, before anything is trained on them.

    Args:
        rows_path: regular rows as Parquet.
        config: `forecast.max_age` says how old is too old.

    Raises:
        SourceError: the last row is older than that.
    """
    last = known_times(rows_path, config.frame, config.forecast.chunk_series)[-1]
    check_age(last, utc_now(), config.forecast, config.data.source)


def write_forecast(
    rows_path: Path,
    config: RunConfig,
    home: Home,
    *,
    as_of: pd.Timestamp | None = None,
    read: Read | None = None,
    run_id: str | None = None,
    version: str | None = None,
) -> Forecast:
    """Forecast the next horizon of each series with the champion, from every cutoff that is due.

    With `as_of` that is the last one known then, and no other: what was missed before it is left to
    the run that catches up.

    All vintages are computed before the first is written, the oldest first, so that a failure
    leaves none and a killed run leaves whole ones that the next run goes on from. It is a Prefect
    task that materializes the pipeline's forecast asset; each chunk is one within it.

    Args:
        rows_path: regular rows as Parquet.
        config: the pipeline.
        home: where the stores are.
        as_of: forget what came after this time (UTC); the rows may then be of any age.
        read: which earlier read the rows of `as_of` are from; None: they are today's.
        run_id: the MLflow run that the plot is kept with; None keeps it nowhere.
        version: the version that forecasts; None: the one that serves now.

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
        **RETRIES,
    )(_forecast)
    asked = None if as_of is None else Values.of(read, as_of)
    return made(rows_path, config, home, asked, run_id, version)


def _forecast(
    rows_path: Path,
    config: RunConfig,
    home: Home,
    asked: Values | None,
    run_id: str | None,
    version: str | None,
) -> Forecast:
    # Looked up once, so that all vintages are of one version.
    version = champion_version(config.name, home) if version is None else version
    served = load_version(config.name, version, home)
    with locked_draft(output_dir(config, home)) as draft:
        vintages = _written(_computed(served, rows_path, config, home, asked, draft), asked)
    last = vintages[-1]
    values = tuple(vintage.values for vintage in vintages if vintage.values is not None)
    for one in values:
        get_run_logger().info(one.sentence)
    for sentence in left_out_lines(last.left_out, BY_MODEL):
        get_run_logger().warning(sentence)
    if last.unseen:
        get_run_logger().info(unseen_sentence(last.unseen))
    figure = _figure(last, served.forecaster.config.frame)
    if run_id is not None:
        with resumed_run(run_id, home):
            log_figure(figure, "forecast")
    made = Forecast(
        model_version=served.version,
        n_series=last.n_series,
        n_rows=last.n_rows,
        cutoff=last.cutoff.isoformat(),
        path=last.path,
        n_written=sum(vintage.is_new for vintage in vintages),
        caught_up=tuple(vintage.cutoff.isoformat() for vintage in vintages[:-1]),
        left_out=last.left_out,
        unseen=last.unseen,
        values=values,
    )
    create_markdown_artifact(
        f"{_markdown(vintages, served.version)}\n\n![forecast]({png_data_uri(figure)})",
        key="forecast",
        description=f"{config.name}: the next horizon, by version {served.version}",
    )
    metadata = {"model_version": served.version, "cutoff": made.cutoff, "path": str(made.path)}
    add_asset_metadata(forecast_asset(config.name), metadata)
    return made


def _computed(
    served: Served,
    rows_path: Path,
    config: RunConfig,
    home: Home,
    asked: Values | None,
    draft: Path,
) -> list[tuple[Path, _Vintage]]:
    """The forecast from each cutoff that is due, oldest first: where its parts lie, and it."""
    folder, settings = output_dir(config, home), config.forecast
    due = _due(served.forecaster.config.frame, rows_path, config, home, asked)
    seen = [keep_seen(path, served.forecaster, settings, home, cutoff) for cutoff, path, _ in due]
    model = served.forecaster.save(draft / "model")
    work = []
    for number, rows in enumerate(seen):
        parts = draft / str(number)
        parts.mkdir()
        work += [
            Chunk(
                number=i + 1, n_chunks=len(rows.chunks), rows=rows.path, groups=groups,
                sha256=rows.sha256, model=model, version=served.version,
                part=parts / part_name(i),
            )
            for i, groups in enumerate(rows.chunks)
        ]  # fmt: skip
    done = iter(run_chunks(work, settings))
    found = []
    for number, (rows, (_, _, values)) in enumerate(zip(seen, due, strict=True)):
        made = _Vintage(rows, values, [next(done) for _ in rows.chunks], folder)
        if all(part.n_series == part.n_naive for part in made.parts):
            raise none_forecast(made.left_out)
        path = vintage_path(folder, made.cutoff, served.version, rows.sha256)
        found.append((draft / str(number), replace(made, path=path)))
    return found


def _due(
    frame: FrameConfig, rows_path: Path, config: RunConfig, home: Home, asked: Values | None
) -> list[tuple[pd.Timestamp, Path, Values | None]]:
    """The cutoffs to forecast, oldest first, each with the rows that it sees."""
    settings = config.forecast
    as_of = None if asked is None else asked.cutoff
    times = known_times(rows_path, frame, settings.chunk_series, as_of)
    if asked is not None:
        return [(times[-1], rows_path, asked)]
    check_age(times[-1], utc_now(), settings, config.data.source)
    missed: list[pd.Timestamp] = []
    if settings.every is not None:
        stored = list_vintages(output_dir(config, home))
        last = last_scheduled(stored, times[-1])
        missed = missed_cutoffs(times, last, {vintage.cutoff for vintage in stored}, settings)
    caught_up = [(time, *values_of_missed(time, rows_path, config, home)) for time in missed]
    return [*caught_up, (times[-1], rows_path, None)]


def _written(computed: list[tuple[Path, _Vintage]], asked: Values | None) -> list[_Vintage]:
    """The vintages, in their place, and whether they were there before.

    All bear the time at which the last of them was complete: nobody knew them earlier.
    """
    made_at = utc_now()
    for parts, _ in computed:
        stamp_parts(parts, made_at, None if asked is None else asked.cutoff)
    return [
        replace(vintage, is_new=commit_vintage(parts, vintage.path)) for parts, vintage in computed
    ]


def unseen_sentence(names: Sequence[str]) -> str:
    """Which series the model was not fitted on; of many, the first are named."""
    more = f" and {len(names) - SHOWN_UNSEEN:,} more" if len(names) > SHOWN_UNSEEN else ""
    return (
        f"new to the model, and scaled by their first rows: {', '.join(names[:SHOWN_UNSEEN])}{more}"
    )


def _markdown(vintages: list[_Vintage], version: str) -> str:
    lines = ["| cutoff | version | series | rows | file | |", "|---|---|--:|--:|---|---|"]
    lines += [
        f"| {vintage.cutoff} | {version} | {vintage.n_series:,} | {vintage.n_rows:,} | "
        f"`{vintage.path}` | {'new' if vintage.is_new else 'was there'} |"
        for vintage in vintages
    ]
    values = [vintage.values for vintage in vintages if vintage.values is not None]
    lines += ["", *(f"- {one.sentence}" for one in values)]
    lines += [f"- {sentence}" for sentence in left_out_lines(vintages[-1].left_out, BY_MODEL)]
    lines += [f"- {unseen_sentence(vintages[-1].unseen)}"] if vintages[-1].unseen else []
    return "\n".join(lines)


def _figure(vintage: _Vintage, frame: FrameConfig) -> Figure:
    """The first series of a vintage, with their last rows before it."""
    table = pd.read_parquet(parts_of(vintage.path)[0])
    shown = table["unique_id"].unique()[:MAX_SERIES]
    table = table[table["unique_id"].isin(shown)]
    first = next(i for i, part in enumerate(vintage.parts) if part.n_rows)
    rows = read_groups(vintage.seen.path, vintage.seen.chunks[first])
    horizon = table["ds"].max() - table["cutoff"].max()
    recent = frame_times(rows, frame) >= table["cutoff"].max() - SHOWN_HORIZONS * horizon
    past = long_targets(rows[recent], frame)
    return forecast_fan(past[past["unique_id"].isin(shown)], table, n_series=vintage.n_series)
