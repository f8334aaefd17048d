"""Every model against every baseline on the same rolling origins of the test rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from informer import Backtest, backtest
from informer.config import ForecasterConfig
from informer.data import Split
from informer.estimators import CLASSICAL, Baseline, require_library
from informer.evaluation import summarize
from informer.forecaster import Forecaster
from tasks.fitting import Trained
from tasks.models import CHAMPION, alias_version, champion
from tasks.rows import Prepared, history, read_rows
from tasks.runs import (
    connect,
    error_by_step,
    forecast_against_actual,
    log_figure,
    log_frame,
    png_data_uri,
    resumed_run,
    stage_key,
)
from tasks.settings import Home, RunConfig, replaced

__all__ = [
    "CHALLENGER_NAME", "CHAMPION_NAME", "ERRORS", "METRICS", "Evaluation", "Windows",
    "check_baselines", "difference", "errors_by_target", "evaluate_model", "fit_baselines",
    "metrics_of", "report", "rounded", "score", "score_rows",
]  # fmt: skip

CHALLENGER_NAME, CHAMPION_NAME = "informer", "champion"
ERRORS = ("mse", "mae", "mae_units", "mase", "coverage", "width", "wql")
METRICS = (*ERRORS, "churn")


@dataclass(frozen=True)
class Windows:
    """The rolling origins that were judged: the first cutoff, the last, and how many windows."""

    first: str
    last: str
    n: int


@dataclass(frozen=True)
class Evaluation:
    """Errors on the test rows, all on the same windows and in the same units.

    Attributes:
        metrics: model to `METRICS`, errors, width and churn in units of the train rows' deviation
            (`mae_units` in the data's own); the models are `informer`, each baseline and, where it
            can be compared, `champion`. A churn that cannot be measured is NaN.
        by_target: model to `unique_id` to mse and mae.
        losses: Parquet file of the loss of every window; see `informer.Backtest.losses`.
        baseline_dirs: each baseline, saved as it was scored.
        champion_version: the version compared with, None where there is none.
        incomparable: why the champion could not be compared; empty where it could.
        windows: what each model forecast; a classical one, some of them.
    """

    metrics: dict[str, dict[str, float]]
    by_target: dict[str, dict[str, dict[str, float]]]
    losses: Path
    baseline_dirs: dict[str, Path]
    champion_version: str | None
    incomparable: str
    windows: Windows

    @property
    def n_windows(self) -> int:
        """Windows that each model forecast."""
        return self.windows.n

    @property
    def files(self) -> list[Path]:
        """What the record points to."""
        return [self.losses, *self.baseline_dirs.values()]

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """The baselines' errors."""
        return {name: self.metrics[name] for name in self.baseline_dirs}


def _key(_context: object, given: dict[str, Any]) -> str:
    home, trained = given["home"], given["trained"]
    served = alias_version(connect(home), trained.config.name, CHAMPION)
    return stage_key("evaluate", home, given["run_id"], trained.model_dir, served)


@task(name="evaluate", cache_key_fn=_key, persist_result=True)
def evaluate_model(
    prepared: Prepared, trained: Trained, run_id: str, work_dir: Path, home: Home
) -> Evaluation:
    """Forecast the test rows with the new model, the baselines and the champion."""
    config = trained.config
    forecaster = Forecaster.load(trained.model_dir)
    baselines = fit_baselines(prepared, forecaster.config, config.baselines.models)
    models = {CHALLENGER_NAME: forecaster, **baselines}
    served = champion(config, home)
    incomparable = "" if served is None else difference(served.forecaster.config, forecaster.config)
    if served is not None and not incomparable:
        models[CHAMPION_NAME] = served.forecaster
    found = score(models, prepared, config)
    report(found, run_id, work_dir, home)
    return Evaluation(
        metrics=metrics_of(found),
        by_target=errors_by_target(found),
        losses=_keep_losses(found, work_dir),
        baseline_dirs={n: model.save(work_dir / "baselines" / n) for n, model in baselines.items()},
        champion_version=None if served is None else served.version,
        incomparable=incomparable,
        windows=Windows(found.first.isoformat(), found.last.isoformat(), found.n_windows),
    )


def errors_by_target(found: Backtest) -> dict[str, dict[str, dict[str, float]]]:
    """Model and target to mse and mae."""
    table = summarize(found.scores, ["model", "unique_id"])
    targets: dict[str, dict[str, dict[str, float]]] = {}
    for row in table.to_dict("records"):
        errors = {"mse": float(row["mse"]), "mae": float(row["mae"])}
        targets.setdefault(str(row["model"]), {})[str(row["unique_id"])] = errors
    return targets


def _keep_losses(found: Backtest, folder: Path) -> Path:
    path = folder / "losses.parquet"
    with replaced(path) as draft:
        found.losses.to_parquet(draft, index=False)
    return path


def check_baselines(config: RunConfig) -> None:
    """Make sure, before any work is done, that every baseline asked for can be fitted.

    Raises:
        ConfigError: the library behind one is not installed.
    """
    for name in config.baselines.models:
        if name in CLASSICAL:
            require_library(name)


def fit_baselines(
    prepared: Prepared, config: ForecasterConfig, names: Sequence[Baseline]
) -> dict[str, Forecaster]:
    """The baselines of these names, fitted on the train and validation rows."""
    past = history(prepared, config.frame)
    return {name: Forecaster.fit(past, config, estimator=name) for name in names}


def score(models: Mapping[str, Forecaster], prepared: Prepared, config: RunConfig) -> Backtest:
    """Every model on the same rolling origins of the test rows; the first one's scale for all."""
    return score_rows(models, read_rows(prepared), prepared.split, config)


def score_rows(
    models: Mapping[str, Forecaster], rows: pd.DataFrame, split: Split, config: RunConfig
) -> Backtest:
    """The same of regular rows that lie in memory."""
    slow = [name for name, model in models.items() if model.estimator in CLASSICAL]
    return backtest(
        models,
        rows,
        (split.test_start, split.test_end),
        stride=config.evaluate.stride,
        strides=dict.fromkeys(slow, config.baselines.classical_stride),
    )


def difference(served: ForecasterConfig, new: ForecasterConfig) -> str:
    """Why two forecasters do not forecast the same thing; empty where they do."""
    if served.frame.layout != new.frame.layout:
        return "it forecasts other columns or another frequency"
    if served.model.pred_len != new.model.pred_len:
        return f"its horizon is {served.model.pred_len} steps, not {new.model.pred_len}"
    return ""


def metrics_of(found: Backtest) -> dict[str, dict[str, float]]:
    """Model to `METRICS` over all windows, steps and targets."""
    table = _with_churn(found, ["model"]).set_index("model")
    return {
        str(model): {name: float(row[name]) for name in METRICS} for model, row in table.iterrows()
    }


def _with_churn(found: Backtest, by: list[str]) -> pd.DataFrame:
    """The errors by model, or by model and series, the churn beside them."""
    moved = found.churn.assign(total=found.churn["churn"] * found.churn["n"])
    sums = moved.groupby(by, sort=False)[["total", "n"]].sum()
    churn = (sums["total"] / sums["n"].where(sums["n"] > 0)).rename("churn").reset_index()
    return summarize(found.scores, by).merge(churn, on=by, how="left")


def report(found: Backtest, run_id: str, folder: Path, home: Home) -> None:
    """Tables and figures into MLflow, the short of it into Prefect; the tables stay in `folder`."""
    judged = str(found.scores["model"].iloc[0])
    tables = {
        "scores": found.scores,
        "by-model": _with_churn(found, ["model"]),
        "by-series": _with_churn(found, ["model", "unique_id"]),
        "by-step": summarize(found.scores, ["model", "step"]),
        "by-cutoff": _by_cutoff(found),
    }
    figures = {
        "forecast-against-actual": forecast_against_actual(
            found.examples, "Forecasts of the test rows"
        ),
        "error-by-step": error_by_step(tables["by-step"], "train deviations"),
    }
    with resumed_run(run_id, home):
        for name, table in tables.items():
            log_frame(table, name, folder)
        for name, figure in figures.items():
            log_figure(figure, name)
        mlflow.log_metrics(_flat(metrics_of(found), judged))
        own = tables["by-step"].query("model == @judged").dropna(subset=["mse", "mae"])
        for step, mse, mae in zip(own["step"], own["mse"], own["mae"], strict=True):
            mlflow.log_metrics({"test_mse_by_step": mse, "test_mae_by_step": mae}, step=int(step))
    create_table_artifact(
        rounded(tables["by-model"]), key="evaluation", description="Errors on the test rows"
    )
    lines = [
        f"{found.n_windows:,} windows, cutoffs from {found.first} to {found.last}.",
        "",
        *(f"![{name}]({png_data_uri(figure)})" for name, figure in figures.items()),
    ]
    create_markdown_artifact("\n".join(lines), key="evaluation-plots", description="Test rows")


def _by_cutoff(found: Backtest) -> pd.DataFrame:
    """The mean loss at every cutoff, series averaged, as the gate's test sees it."""
    losses = found.losses[found.losses["n"] > 0]
    by_cutoff = losses.groupby(["model", "cutoff"], sort=False)[["mse", "mae"]].mean()
    return by_cutoff.reset_index()


def _flat(metrics: Mapping[str, Mapping[str, float]], judged: str) -> dict[str, float]:
    return {
        f"test_{name}" if model == judged else f"test_{name}_{model}": value
        for model, values in metrics.items()
        for name, value in values.items()
        if not math.isnan(value)
    }


def rounded(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a table as an artifact shows them."""
    return [
        {str(k): round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]
