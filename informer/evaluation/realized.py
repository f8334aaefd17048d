"""Forecasts against what came: vintages joined with actuals, and their errors.

S series   C_t targets
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from informer.data import regular_panel, series_names
from informer.evaluation.scoring import mase_scales
from informer.forecaster import Forecaster

__all__ = ["joined", "realized_errors", "scored", "train_scales"]

LOW, HIGH = "y_hat_q10", "y_hat_q90"
ERRORS = ("mae_units", "mae", "mase", "coverage")


def joined(vintages: pd.DataFrame, actuals: pd.DataFrame) -> pd.DataFrame:
    """Every forecast row whose actual is known, with it as `y`.

    Args:
        vintages: unique_id, ds, cutoff, model_version, y_hat, quantiles; several versions may have
            forecast from the same cutoff, each row stays.
        actuals: unique_id, ds, y as `long_targets` gives them; NaN where nothing was observed.

    Returns:
        The columns of `vintages` and y, in the order of `vintages`; no row that has no actual.
    """
    came = actuals.dropna(subset=["y"])
    return vintages.merge(came, on=["unique_id", "ds"], how="inner", validate="many_to_one")


def train_scales(forecaster: Forecaster, rows: pd.DataFrame, stop: pd.Timestamp) -> pd.DataFrame:
    """What errors are in units of, by unique_id.

    Args:
        forecaster: the deviation of its scaler is `std`, as its backtest's errors are scaled.
        rows: regular rows.
        stop: the train rows are those before this time; of them is `mase_scale`, the mean absolute
            seasonal difference (Hyndman & Koehler 2006), NaN where there is none.
    """
    config = forecaster.config
    n_targets = len(config.frame.targets)
    panel = regular_panel(rows, config.frame)
    scales = mase_scales(panel, stop, config.frame.season, n_targets)  # (S, C_t)
    names = series_names(panel.ids, config.frame)
    return pd.DataFrame(
        {
            "unique_id": [name for series in names for name in series],
            "std": forecaster.deviations(panel).ravel(),
            "mase_scale": scales.ravel(),
        }
    ).astype({"unique_id": "str"})


def realized_errors(rows: pd.DataFrame, scales: pd.DataFrame) -> pd.DataFrame:
    """The error of each row.

    Args:
        rows: as `joined` gives them.
        scales: as `train_scales` gives them.

    Returns:
        `rows` with error (forecast less actual) and mae_units in the data's units, mae in train
        deviations, mase in seasonal differences, coverage (1.0 where y lies from q10 to q90).
    """
    own = rows[["unique_id"]].merge(scales, on="unique_id", how="left").set_axis(rows.index)
    error = rows["y_hat"] - rows["y"]
    error = error.where(np.isfinite(rows["y_hat"]), np.inf)  # a forecast that is no number is wrong
    inside = rows["y"].between(rows[LOW], rows[HIGH])
    return rows.assign(
        error=error,
        mae_units=error.abs(),
        mae=error.abs() / own["std"],
        mase=error.abs() / own["mase_scale"],
        coverage=inside.astype("float64"),
    )


def scored(errors: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means of `realized` rows over everything but `by`, each row counting once.

    Returns:
        The columns of `by`, n (rows), n_cutoffs, mae_units, mae, mase, coverage.
    """
    groups = errors.groupby(by, sort=True)
    table = groups[list(ERRORS)].mean()
    table.insert(0, "n", groups.size())
    table.insert(1, "n_cutoffs", groups["cutoff"].nunique())
    return table.reset_index()
