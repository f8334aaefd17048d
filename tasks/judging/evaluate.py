"""Every model against every baseline on the same rolling origins of the test rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from informer import Backtest, backtest
from informer.config import ForecasterConfig
from informer.data import Split
from informer.errors import FrameError
from informer.estimators import CLASSICAL, Baseline, require_library
from informer.evaluation import pooled, summarize, worst_tenth
from informer.forecaster import Forecaster
from tasks.fitting import Trained
from tasks.judging.comparable import Compared, made_comparable
from tasks.models import load_version
from tasks.rows import Prepared, history, read_rows
from tasks.runs import (
    Stage,
    error_by_step,
    forecast_against_actual,
    log_figure,
    log_frame,
    png_data_uri,
    resumed_run,
)
from tasks.settings import Home, RunConfig, replaced

__all__ = [
    "CHALLENGER_NAME", "CHAMPION_NAME", "ERRORS", "METRICS", "Evaluation", "Windows",
    "check_baselines", "evaluate_model", "fit_baselines", "metrics_of", "report",
    "rounded", "score", "score_rows",
]  # fmt: skip

CHALLENGER_NAME, CHAMPION_NAME = "informer", "champion"
ERRORS = ("mse", "mae", "mae_units", "mase", "coverage", "width", "wql")
METRICS = (*ERRORS, "churn", "mae_worst", "coverage_worst")


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
        metrics: model to `METRICS`, errors, width and churn in units of the deviation of each
            series' train rows (`mae_units` in the data's own); `mae_worst` and `coverage_worst` are
            of the tenth of the series that fares worst; the models are `informer`, each baseline
            and, where it can be compared, `champion`. A churn that cannot be measured is NaN; the
            errors of a model with a forecast that is no finite number are infinite.
        losses: Parquet file of the table of windows, see `informer.evaluation.windows`.
        baseline_dirs: each baseline, saved as it was scored.
        champion_version: the version that served when the run began, None where there was none.
        incomparable: why the champion could not be compared; empty where it could.
        windows: what each model forecast; a classical one, some of them.
    """

    metrics: dict[str, dict[str, float]]
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
    def baselines(self) -> dict[str, dict[str, float]]:
        """The baselines' errors."""
        return {name: self.metrics[name] for name in self.baseline_dirs}


EVALUATE = Stage(
    "evaluate",
    Evaluation,
    code=("informer", "tasks.judging.evaluate", "tasks.judging.comparable"),
    libraries=("numpy", "pandas", "pyarrow", "torch"),
)


def evaluate_model(
    prepared: Prepared, trained: Trained, champion: str | None, run_id: str, home: Home
) -> Evaluation:
    """Forecast the test rows with the new model, the baselines and the champion.

    Args:
        prepared: the rows.
        trained: the new model.
        champion: the version that served when the run began.
        run_id: the MLflow run that shows the errors.
        home: where the stores are.
    """
    settings = trained.config.parts("baselines", "evaluate")
    return EVALUATE.run(
        home,
        (run_id, trained.model_dir, champion, settings),
        lambda folder: _evaluate(prepared, trained, champion, run_id, home, folder),
    )


def _evaluate(
    prepared: Prepared,
    trained: Trained,
    champion: str | None,
    run_id: str,
    home: Home,
    folder: Path,
) -> Evaluation:
    config = trained.config
    forecaster = Forecaster.load(trained.model_dir)
    baselines = fit_baselines(prepared, forecaster.config, config.baselines.models)
    served = None
    if champion is not None:
        served = made_comparable(
            load_version(config.name, champion, home).forecaster,
            forecaster.config,
            prepared.raw.path,
            home.conf_dir / config.data.contract,
        )
    models = {CHALLENGER_NAME: forecaster, **baselines}
    found, incomparable = _scored(models, served, prepared, config)
    report(found, run_id, folder, home)
    return Evaluation(
        metrics=metrics_of(found),
        losses=_keep_losses(found, folder),
        baseline_dirs={n: model.save(folder / "baselines" / n) for n, model in baselines.items()},
        champion_version=champion,
        incomparable=incomparable,
        windows=Windows(found.first.isoformat(), found.last.isoformat(), found.n_windows),
    )


def _scored(
    models: Mapping[str, Forecaster], served: Compared | None, prepared: Prepared, config: RunConfig
) -> tuple[Backtest, str]:
    """The backtest, the champion in it where it can be compared, and why it cannot."""
    if served is None or served.reason:
        return score(models, prepared, config), "" if served is None else served.reason
    everyone = {**models, CHAMPION_NAME: served.forecaster}
    if served.rows is None:
        return score(everyone, prepared, config), ""
    try:
        own_rows = {CHAMPION_NAME: served.rows}
        return score(everyone, prepared, config, own_rows), ""
    except FrameError as error:
        reason = f"it cannot forecast these windows: {str(error).rstrip('.')}"
        return score(models, prepared, config), reason


def _keep_losses(found: Backtest, folder: Path) -> Path:
    path = folder / "losses.parquet"
    with replaced(path) as draft:
        found.windows.to_parquet(draft, index=False)
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


def score(
    models: Mapping[str, Forecaster],
    prepared: Prepared,
    config: RunConfig,
    own_rows: Mapping[str, pd.DataFrame] | None = None,
) -> Backtest:
    """Every model on the same rolling origins of the test rows; the first one's scale for all.

    Args:
        models: name to model.
        prepared: the rows.
        config: the stride of the origins.
        own_rows: rows of a model that reads other columns than the first, see `made_comparable`.
    """
    return score_rows(models, read_rows(prepared), prepared.split, config, own_rows)


def score_rows(
    models: Mapping[str, Forecaster],
    rows: pd.DataFrame,
    split: Split,
    config: RunConfig,
    own_rows: Mapping[str, pd.DataFrame] | None = None,
) -> Backtest:
    """The same of regular rows that lie in memory."""
    slow = [name for name, model in models.items() if model.estimator in CLASSICAL]
    return backtest(
        models,
        rows,
        (split.test_start, split.test_end),
        stride=config.evaluate.stride,
        strides=dict.fromkeys(slow, config.baselines.classical_stride),
        own_rows=own_rows,
    )


def metrics_of(found: Backtest) -> dict[str, dict[str, float]]:
    """Model to `METRICS` over all windows, steps and targets."""
    table = _by_model(found).set_index("model")
    return {
        str(model): {name: float(row[name]) for name in METRICS} for model, row in table.iterrows()
    }


def _by_model(found: Backtest) -> pd.DataFrame:
    """The errors by model, with those of the tenth of the series that fares worst."""
    worst = worst_tenth(found.scores)
    return _with_churn(found, ["model"]).merge(worst, on="model", how="left")


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
        "by-model": _by_model(found),
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
    """The mean loss at every cutoff; each observed value weighs the same."""
    return pooled(found.windows, ["model", "cutoff"])


def _flat(metrics: Mapping[str, Mapping[str, float]], judged: str) -> dict[str, float]:
    return {
        f"test_{name}" if model == judged else f"test_{name}_{model}": value
        for model, values in metrics.items()
        for name, value in values.items()
        if math.isfinite(value)
    }


def rounded(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a table as an artifact shows them."""
    return [
        {str(k): round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]
