"""How good the champion is: on the test rows, and rolling over rows that came since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
import pandas as pd
from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from informer.data import border_time
from informer.evaluation import Rolled, roll, summarize
from informer.forecaster import Forecaster
from informer.frequency import pandas_offset
from tasks.judging.comparable import Compared, made_comparable
from tasks.judging.evaluate import (
    CHAMPION_NAME,
    ERRORS,
    fit_baselines,
    metrics_of,
    report,
    rounded,
    score,
)
from tasks.judging.roll import rolled_errors, rolled_figure, write_rolled
from tasks.models import Served, require_champion
from tasks.rows import Prepared, Snapshot, read_rows, regular_rows
from tasks.runs import Progress, png_data_uri, resumed_run
from tasks.settings import Home, RegistryError, RunConfig

__all__ = [
    "Backtested", "RollOptions", "RolledOver", "backtest_dir", "roll_champion", "score_champion",
]  # fmt: skip

PERCENT = 100


@dataclass(frozen=True)
class Backtested:
    """Errors on the test rows, all on the same windows and in the same units.

    Attributes:
        model_version: the champion's.
        n_windows: windows that each model forecast.
        metrics: the champion's mse, mae (in units of its train rows' deviation), mase, coverage.
        baselines: each baseline to the same.
    """

    model_version: str
    n_windows: int
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]


@dataclass(frozen=True)
class RollOptions:
    """What to roll over, and how.

    Attributes:
        source: a data set's name, or the path of a CSV or Parquet file.
        refit_every: fit anew after so many cutoffs; None: never.
        allow_overlap: whether rows that were known before may be rolled over too.
    """

    source: str
    refit_every: int | None = None
    allow_overlap: bool = False


@dataclass(frozen=True)
class RolledOver:
    """What a rolling forecast of the champion gave.

    Attributes:
        model_version: the champion's, with which it began.
        n_cutoffs: times from which was forecast.
        n_refits: models fitted on the way.
        is_test: False where the rows were known before.
        left_out: series that did not go on, and were not forecast.
        metrics: mse, mae (in units of the champion's train deviation), mase, coverage.
        path: the CSV file of forecasts beside actuals.
    """

    model_version: str
    n_cutoffs: int
    n_refits: int
    is_test: bool
    left_out: tuple[str, ...]
    metrics: dict[str, float]
    path: Path


def backtest_dir(config: RunConfig, run_id: str, output: Path | None, home: Home) -> Path:
    """Where the files of a backtest go: as asked, else a folder of its own for each run."""
    if output is not None:
        return output.expanduser().absolute()
    return home.store_dir / "backtests" / config.name / run_id


@task(name="backtest")
def score_champion(
    prepared: Prepared, config: RunConfig, run_id: str, folder: Path, home: Home
) -> Backtested:
    """Forecast the test rows with the champion and the baselines.

    Raises:
        RegistryError: there is no champion, or it cannot be judged on these rows.
    """
    served = require_champion(config, home)
    compared = _compared(served, prepared, config, home)
    baselines = fit_baselines(
        prepared, config.forecaster_for(prepared.split), config.baselines.models
    )
    models: dict[str, Forecaster] = {CHAMPION_NAME: compared.forecaster, **baselines}
    own_rows = {} if compared.rows is None else {CHAMPION_NAME: compared.rows}
    found = score(models, prepared, config, own_rows)
    report(found, run_id, folder, home)
    with resumed_run(run_id, home):
        mlflow.set_tag("model_version", served.version)
    metrics = metrics_of(found)
    return Backtested(
        served.version, found.n_windows, metrics.pop(CHAMPION_NAME), baselines=metrics
    )


def _compared(served: Served, prepared: Prepared, config: RunConfig, home: Home) -> Compared:
    split = prepared.split
    contract = home.conf_dir / config.data.contract
    compared = made_comparable(
        served.forecaster, config.forecaster_for(split), prepared.raw.path, contract
    )
    reason, fitted = compared.reason, served.forecaster.config
    val = border_time(fitted.val, "val", fitted.frame) if isinstance(fitted.val, str) else None
    if not reason and val is not None and val > split.test_start:
        reason = (
            f"it was trained on rows up to {val}, and the test rows begin at {split.test_start}"
        )
    if reason:
        raise RegistryError(
            f"champion version {served.version} of {config.name} cannot be judged by this "
            f"configuration: {reason}. Remove the overrides, or retrain."
        )
    return compared


@task(name="roll")
def roll_champion(
    prepared: Prepared,
    came: Snapshot,
    options: RollOptions,
    config: RunConfig,
    run_id: str,
    folder: Path,
    home: Home,
) -> RolledOver:
    """Forecast from the end of the pipeline's data over the rows that came, and log the result.

    Raises:
        RegistryError: there is no champion.
        FrameError: the rows do not continue the pipeline's data.
    """
    served = require_champion(config, home)
    with Progress("roll", PERCENT) as progress:
        rolled = roll(
            _with_val_length(served.forecaster, prepared),
            read_rows(prepared),
            regular_rows(came.path, home.conf_dir / config.data.contract, config.frame),
            refit_every=options.refit_every,
            allow_overlap=options.allow_overlap,
            check_values=False,  # the contract has had its word
            on_step=lambda done, total: progress.advance(
                f"cutoff {done} of {total}", to=PERCENT * done // total
            ),
        )
    title = f"{config.name}: rolling forecast"
    path = write_rolled(rolled, folder, title)
    pooled = summarize(rolled.scores.assign(model=CHAMPION_NAME), ["model"]).iloc[0]
    metrics = {name: float(pooled[name]) for name in ERRORS}
    with resumed_run(run_id, home):
        mlflow.log_metrics({f"rolling_{k}": v for k, v in metrics.items() if v == v})
        mlflow.set_tags({"rolled_over": came.source, "rolling_is_test": rolled.is_test})
        for file in sorted(folder.glob("rolling_*")):
            mlflow.log_artifact(str(file), "rolling")
    _show(rolled, title)
    return RolledOver(
        served.version, rolled.n_cutoffs, rolled.n_refits, rolled.is_test, rolled.left_out,
        metrics, path,
    )  # fmt: skip


def _with_val_length(forecaster: Forecaster, prepared: Prepared) -> Forecaster:
    """The forecaster, its validation part said by its length, so that refits learn from what came.

    The pipeline says it as a time, which would leave every new row to validation.
    """
    split, offset = prepared.split, pandas_offset(forecaster.config.frame.freq)
    n_val = len(pd.date_range(split.val_start, split.test_start, freq=offset, inclusive="left"))
    return replace(forecaster, config=replace(forecaster.config, val=n_val))


def _show(rolled: Rolled, title: str) -> None:
    figure = rolled_figure(rolled, title)
    create_markdown_artifact(
        f"{rolled.n_cutoffs:,} cutoffs, {rolled.n_refits} refits.\n\n"
        f"![rolling forecast]({png_data_uri(figure)})",
        key="rolling-forecast",
        description="Rolling forecast",
    )
    create_table_artifact(
        rounded(rolled_errors(rolled.scores)), key="rolling-metrics", description="Errors by step"
    )
