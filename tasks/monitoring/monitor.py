"""Past forecasts against what came: what is watched, how it fared, and who is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from informer.config import FrameConfig
from informer.data import border_time, frame_times, long_targets
from informer.evaluation import forecast_churn, joined, realized_errors, scored, train_scales
from tasks.forecasts import by_model, known_rows, last_made
from tasks.models import require_champion
from tasks.monitoring.verdict import Promised, Verdict, in_window, window_start
from tasks.rows import Prepared, read_rows
from tasks.runs import DEGRADED, DRIFTED, connect, tell
from tasks.settings import Home, RunConfig

__all__ = ["Compared", "Findings", "Watched", "announce", "compare", "monitor_dir", "watched"]

METRICS = ("mae", "mae_units", "mase", "coverage")


@dataclass(frozen=True)
class Watched:
    """The champion and the rows that it is held against.

    Attributes:
        rows: regular rows, as far as they were known at the time asked for.
        frame: which columns the champion reads and forecasts.
        train_end: the time at which its train rows end.
        promised: what its backtest said.
        scales: what its errors are in units of, see `informer.evaluation.realized.train_scales`.
    """

    rows: pd.DataFrame
    frame: FrameConfig
    train_end: pd.Timestamp
    promised: Promised
    scales: pd.DataFrame

    @property
    def last(self) -> pd.Timestamp:
        """The time of the last row."""
        return pd.Timestamp(frame_times(self.rows, self.frame).max())


@dataclass(frozen=True)
class Compared:
    """How forecasts fared.

    Attributes:
        errors: every forecast row that has an actual, of every version, with its errors; of a
            cutoff that a version forecast again only as it was forecast last.
        judged: those of the champion in the window; forecasts of rows it was trained on left out.
        by_series: unique_id, n, n_cutoffs, mae_units, mae, mase, coverage and churn (in the data's
            units) of the judged rows.
        metrics: of the judged rows: mae and churn in train deviations, mae_units, mase, coverage;
            None where nothing can be said.
        n_forecasts: vintages of any version that reach into the window.
        n_scored: cutoffs of the champion with actuals in it.
    """

    errors: pd.DataFrame
    judged: pd.DataFrame
    by_series: pd.DataFrame
    metrics: dict[str, float | None]
    n_forecasts: int
    n_scored: int


@dataclass(frozen=True)
class Findings:
    """Everything that one monitoring found.

    Attributes:
        subject: the champion and the rows.
        compared: how its forecasts fared.
        drift: as `informer.evaluation.drift.drift_table` gives it.
        verdict: what follows.
    """

    subject: Watched
    compared: Compared
    drift: pd.DataFrame
    verdict: Verdict


def monitor_dir(config: RunConfig, output: Path | None, home: Home) -> Path:
    """Where the reports of a pipeline go, a folder by last row each."""
    return output.expanduser().absolute() if output else home.store_dir / "monitor" / config.name


def watched(
    prepared: Prepared, config: RunConfig, home: Home, as_of: pd.Timestamp | None = None
) -> Watched:
    """The champion, what it promised, and the rows up to `as_of`.

    Raises:
        RegistryError: there is no champion.
        SourceError: no row is as old as `as_of`.
        FrameError: the rows lack a column that the champion reads.
    """
    served = require_champion(config, home)
    fitted = served.forecaster.config
    rows = known_rows(read_rows(prepared), config.frame, as_of)
    val = fitted.val
    train_end = prepared.split.val_start
    if isinstance(val, str):
        train_end = border_time(val, "val", fitted.frame)
    return Watched(
        rows=rows,
        frame=fitted.frame,
        train_end=train_end,
        promised=_promised(config.name, served.version, home),
        scales=train_scales(served.forecaster, rows, train_end),
    )


def _promised(name: str, version: str, home: Home) -> Promised:
    """The errors that `tasks.models.registry.register` put on a version; some models have none."""
    tags = connect(home).get_model_version(name, version).tags
    found = {key: float(tags.get(f"test_{key}", "nan")) for key in ("mae", "mase", "coverage")}
    return Promised(version, **{key: _known(value) for key, value in found.items()})


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


@task(name="compare", cache_policy=NO_CACHE, persist_result=False)
def compare(subject: Watched, vintages: pd.DataFrame, config: RunConfig) -> Compared:
    """Join forecasts with what came, and score those of the champion in the window.

    A naive forecast of a series that was too short for the model judges nobody.
    A version is held to its own promise: after a promotion the forecasts before it are shown, but
    judge nobody. Forecasts that were made afterwards of rows that the champion was trained on say
    nothing of it. A cutoff that a version forecast again counts once, as it was forecast last.

    Args:
        subject: the champion and the rows.
        vintages: as `read_vintages` gives them.
        config: the pipeline.
    """
    last, settings = subject.last, config.monitor
    known = last_made(by_model(vintages[vintages["cutoff"] <= last]))
    rows = joined(known, long_targets(subject.rows, subject.frame))
    errors = realized_errors(rows, subject.scales)
    is_own = errors["model_version"].astype(str) == subject.promised.version
    untrained = errors["cutoff"] >= subject.train_end
    judged = in_window(errors[is_own & untrained], last, settings)
    recent = known[known["ds"] > window_start(last, settings)]
    by_series = _by_series(judged, recent, subject)
    found = Compared(
        errors=errors,
        judged=judged,
        by_series=by_series,
        metrics=_metrics(judged, by_series, subject.scales),
        n_forecasts=len(recent[["model_version", "data_sha256", "created_at"]].drop_duplicates()),
        n_scored=judged["cutoff"].nunique(),
    )
    get_run_logger().info(
        "%s forecasts overlap the last %s; %s cutoffs of the champion have actual values",
        found.n_forecasts, settings.window, found.n_scored,
    )  # fmt: skip
    return found


def _by_series(judged: pd.DataFrame, recent: pd.DataFrame, subject: Watched) -> pd.DataFrame:
    own = recent[
        (recent["model_version"].astype(str) == subject.promised.version)
        & (recent["cutoff"] >= subject.train_end)
    ]
    moves = forecast_churn(own)[["unique_id", "n", "churn"]].rename(columns={"n": "n_moves"})
    return scored(judged, ["unique_id"]).merge(moves, on="unique_id", how="left")


def _metrics(
    judged: pd.DataFrame, by_series: pd.DataFrame, scales: pd.DataFrame
) -> dict[str, float | None]:
    means = {name: _known(judged[name].mean()) for name in METRICS}
    moved = by_series.dropna(subset=["churn"]).merge(scales, on="unique_id")
    n_moves = moved["n_moves"].sum()
    total = (moved["churn"] / moved["std"] * moved["n_moves"]).sum()
    return means | {"churn": float(total / n_moves) if n_moves else None}


def announce(found: Findings, config: RunConfig) -> list[str]:
    """Emit an event for what is wrong, one of a kind at most; returns their names.

    Args:
        found: the findings; `config` in a payload is the pipeline's name.
        config: the pipeline.
    """
    subject, verdict = found.subject, found.verdict
    settings, promised = config.monitor, subject.promised
    shared = {
        "config": config.name,
        "model_version": promised.version,
        "cutoff": subject.last.isoformat(),
        "window": settings.window,
    }
    told = []
    if verdict.degraded:
        limits = {
            "max_degradation": settings.max_degradation,
            "coverage_tolerance": settings.coverage_tolerance,
        }
        promise = {"mae": promised.mae, "mase": promised.mase, "coverage": promised.coverage}
        own = {"metrics": found.compared.metrics, "promised": promise, "limits": limits}
        tell(DEGRADED, config.name, shared | own | {"sentence": verdict.errors})
        told.append(DEGRADED)
    if verdict.drifted:
        moved = found.drift[found.drift["drifted"]].set_index("channel")["statistic"]
        own = {
            "test": settings.drift_test,
            "statistics": moved.round(6).to_dict(),
            "limits": {"drift": settings.drift_limit, "min_drifted": settings.min_drifted},
        }
        tell(DRIFTED, config.name, shared | own | {"sentence": verdict.drift})
        told.append(DRIFTED)
    return told
