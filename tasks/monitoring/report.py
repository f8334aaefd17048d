"""The report of a monitoring: a folder, a run of MLflow and artifacts in the Prefect UI."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from informer.evaluation import scored
from tasks.judging import rounded
from tasks.monitoring.monitor import Findings
from tasks.monitoring.plots import drift_bars, errors_over_time
from tasks.monitoring.verdict import in_window
from tasks.runs import forecast_against_actual, log_figure, png_data_uri, resumed_run, run_url
from tasks.settings import Home, MonitorConfig, RunConfig, duration, replaced_folder

__all__ = ["by_day", "record", "write_report"]

SHOWN_WINDOWS = 4  # windows that the errors over time reach back
DPI = 110


def by_day(errors: pd.DataFrame, settings: MonitorConfig) -> pd.DataFrame:
    """Errors by the day of the cutoff, and over the window up to it.

    Args:
        errors: rows of `informer.evaluation.realized.realized_errors`.
        settings: the window.

    Returns:
        day, n, mae (train deviations), coverage, rolling_mae, rolling_coverage; each row counts
        once in a mean.
    """
    days = errors["cutoff"].dt.normalize().rename("day")
    sums = errors.groupby(days)[["mae", "coverage"]].sum()
    counts = errors.groupby(days).size()
    window = duration(settings.window)
    rolling = sums.rolling(window).sum().div(counts.rolling(window).sum(), axis=0)
    table = sums.div(counts, axis=0).join(rolling.add_prefix("rolling_"))
    table.insert(0, "n", counts)
    return table.reset_index()


def record(found: Findings) -> dict[str, Any]:
    """What was found as plain values, as `informer monitor --json` shows it."""
    promised, compared, verdict = found.subject.promised, found.compared, found.verdict
    statistics = found.drift.set_index("channel")["statistic"]
    return {
        "model_version": promised.version,
        "n_forecasts": compared.n_forecasts,
        "n_scored": compared.n_scored,
        "metrics": compared.metrics,
        "promised": {
            "mae": promised.mae, "mase": promised.mase, "coverage": promised.coverage,
        },
        "degraded": verdict.degraded,
        "drifted": verdict.drifted,
        "reasons": list(verdict.reasons),
        "drift": {str(k): None if v != v else float(v) for k, v in statistics.items()},
    }  # fmt: skip


@task(name="report", cache_policy=NO_CACHE, persist_result=False)
def write_report(
    found: Findings, config: RunConfig, run_id: str, docs_dir: Path, folder: Path, home: Home
) -> Path:
    """Keep tables, figures and Data Docs in a folder and with the run, and show the short of it.

    Args:
        found: what was found.
        config: the pipeline.
        run_id: the open MLflow run.
        docs_dir: Data Docs of the drift check.
        folder: of the pipeline's reports; this one gets a folder in it, named by the last row, and
            replaces one of the same row.
        home: where the stores are.

    Returns:
        The report's folder.

    Raises:
        StoreError: it cannot be written.
    """
    target = folder / f"{found.subject.last:%Y%m%dT%H%M%S}"
    tables, figures = _tables(found, config), _figures(found, config)
    page = _markdown(found, config, run_url(run_id, home))
    with replaced_folder(target) as draft:
        for name, table in tables.items():
            table.to_csv(draft / f"{name}.csv", index=False)
        for name, figure in figures.items():
            figure.savefig(draft / f"{name}.png", dpi=DPI)
        shutil.copytree(docs_dir, draft / "data-docs")
        (draft / "monitor.json").write_text(json.dumps(record(found), indent=2) + "\n")
        links = (f"![{name}]({name}.png)" for name in figures)
        (draft / "report.md").write_text("\n\n".join([page, *links]) + "\n")
    _log(found, figures, target, run_id, home)
    images = (f"![{name}]({png_data_uri(figure)})" for name, figure in figures.items())
    create_markdown_artifact(
        "\n\n".join([page, *images]),
        key="monitor",
        description="Past forecasts against actual values",
    )
    create_table_artifact(rounded(tables["by-series"]), key="monitor-errors")
    create_table_artifact(rounded(tables["drift"]), key="monitor-drift")
    return target


def _tables(found: Findings, config: RunConfig) -> dict[str, pd.DataFrame]:
    errors = found.compared.errors
    recent = in_window(errors, found.subject.last, config.monitor)
    return {
        "errors": recent,
        "by-series": found.compared.by_series,
        "by-version": scored(recent, ["model_version"]),
        "by-day": _shown_days(found, config.monitor),
        "drift": found.drift,
    }


def _shown_days(found: Findings, settings: MonitorConfig) -> pd.DataFrame:
    table = by_day(found.compared.errors, settings)
    first = found.subject.last - SHOWN_WINDOWS * duration(settings.window)
    return table[table["day"] > first]


def _figures(found: Findings, config: RunConfig) -> dict[str, Figure]:
    settings, figures = config.monitor, {}
    days = _shown_days(found, settings)
    if len(days):
        figures["errors-over-time"] = errors_over_time(days, found.subject.promised, settings)
    if len(found.compared.judged):
        title = f"{config.name}: last forecasts of version {found.subject.promised.version}"
        figures["forecast-against-actual"] = forecast_against_actual(found.compared.judged, title)
    if found.drift["statistic"].notna().any():
        figures["drift"] = drift_bars(found.drift, settings)
    return figures


def _log(
    found: Findings, figures: dict[str, Figure], target: Path, run_id: str, home: Home
) -> None:
    verdict, drift = found.verdict, found.drift
    metrics = {k: v for k, v in found.compared.metrics.items() if v is not None}
    metrics |= {"n_scored": found.compared.n_scored, "n_drifted": int(drift["drifted"].sum())}
    with resumed_run(run_id, home):
        mlflow.log_metrics({f"monitor_{name}": float(value) for name, value in metrics.items()})
        mlflow.set_tags(
            {
                "kind": "monitor",
                "model_version": found.subject.promised.version,
                "degraded": str(verdict.degraded).lower(),
                "drifted": str(verdict.drifted).lower(),
                "mlflow.note.content": "\n\n".join(verdict.reasons),
            }
        )
        for name, figure in figures.items():
            log_figure(figure, name)
        for path in sorted(target.glob("*.csv")):
            mlflow.log_artifact(str(path), "tables")
        mlflow.log_artifact(str(target / "report.md"))
        mlflow.log_artifacts(str(target / "data-docs"), "drift")


def _markdown(found: Findings, config: RunConfig, mlflow_url: str) -> str:
    verdict, compared, promised = found.verdict, found.compared, found.subject.promised
    words = [
        name for name, is_so in (("DEGRADED", verdict.degraded), ("DRIFTED", verdict.drifted))
        if is_so
    ]  # fmt: skip
    lines = [
        f"# {config.name}: {' and '.join(words) or 'as promised'}",
        f"Version {promised.version}, the {config.monitor.window} up to {found.subject.last}; "
        f"[its run in MLflow]({mlflow_url}).",
        "\n".join(f"- {sentence}" for sentence in verdict.reasons),
        "\n".join(
            [
                "| | observed | promised |",
                "|---|--:|--:|",
                f"| MAE (train deviations) | {_number(compared.metrics['mae'])} | "
                f"{_number(promised.mae)} |",
                f"| MASE | {_number(compared.metrics['mase'])} | {_number(promised.mase)} |",
                f"| coverage of 80 % | {_number(compared.metrics['coverage'])} | "
                f"{_number(promised.coverage)} |",
                f"| churn (train deviations) | {_number(compared.metrics['churn'])} | |",
            ]
        ),
        f"{compared.n_forecasts} forecasts overlap this time; {compared.n_scored} cutoffs of the "
        "version have actual values.",
    ]
    return "\n\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
