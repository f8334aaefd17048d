"""The files of a rolling forecast: forecasts beside actuals, errors by step, charts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from informer.evaluation import Rolled, summarize
from tasks.runs import error_by_step, rolling_forecast
from tasks.settings import replaced

__all__ = ["rolled_errors", "rolled_figure", "write_rolled"]

ALL, TOTAL = "all", "total"


def write_rolled(rolled: Rolled, folder: Path, title: str = "Rolling forecast") -> Path:
    """Write forecasts, metrics and charts, each file whole or not at all.

    `rolling_forecast.csv` has a row for each cutoff and time: each target, its forecast and the
    80 % interval. `rolling_forecast.parquet` holds the same as `Rolled.forecasts`, with every
    quantile; `rolling_metrics.csv` the errors by target and step, and in total.

    Args:
        rolled: what was rolled.
        folder: made where it does not exist; files of these names are replaced.
        title: of the chart.

    Returns:
        The CSV file of forecasts.

    Raises:
        StoreError: the folder cannot be written.
    """
    path = folder / "rolling_forecast.csv"
    with replaced(path) as draft:
        _wide(rolled.forecasts).to_csv(draft, index=False, float_format="%.8g")
    with replaced(path.with_suffix(".parquet")) as draft:
        rolled.forecasts.to_parquet(draft, index=False)
    with replaced(folder / "rolling_metrics.csv") as draft:
        rolled_errors(rolled.scores).to_csv(draft, index=False, float_format="%.8g")
    with replaced(path.with_suffix(".png")) as draft:
        rolled_figure(rolled, title).savefig(draft, dpi=110)
    with replaced(folder / "rolling_error.png") as draft:
        by_step = summarize(rolled.scores, ["step"]).assign(model="rolling forecast")
        error_by_step(by_step, "train deviations").savefig(draft, dpi=110)
    return path


def rolled_figure(rolled: Rolled, title: str) -> Figure:
    """The chart of a rolling forecast; its title says where it is no test."""
    if not rolled.is_test:
        title += "\nnot a test: these rows, or some of them, were known before"
    return rolling_forecast(rolled.forecasts, rolled.inputs, title)


def _wide(forecasts: pd.DataFrame) -> pd.DataFrame:
    """A row for each cutoff and time, the columns of each `unique_id` side by side."""
    keys = ["cutoff", "ds", "step", "is_test"]
    endings = {"y": "", "y_hat": "_forecast", "y_hat_q10": "_q10", "y_hat_q90": "_q90"}
    found = [name for name in endings if name in forecasts.columns]
    names = forecasts["unique_id"].unique()
    wide = forecasts.pivot(index=keys, columns="unique_id", values=found)
    columns = [(value, name) for name in names for value in found]
    wide = wide[columns]
    wide.columns = pd.Index([f"{name}{endings[value]}" for value, name in columns])
    wide = wide.reset_index()
    return wide[[*keys[:-1], *wide.columns.drop(keys), "is_test"]]


def rolled_errors(scores: pd.DataFrame) -> pd.DataFrame:
    """Errors by target and step and in total; over all targets first, where there are several."""
    names = list(scores["unique_id"].unique())
    both = pd.concat([scores.assign(unique_id=ALL), scores]) if len(names) > 1 else scores
    by_step = summarize(both, ["unique_id", "step"])
    total = summarize(both, ["unique_id"])
    total.insert(1, "step", TOTAL)
    order = [ALL, *names]
    table = pd.concat([by_step.astype({"step": object}), total.astype({"step": object})])
    return table.sort_values(
        "unique_id", key=lambda column: column.map(order.index), kind="stable", ignore_index=True
    )
