"""How much forecasts of the same times move from one cutoff to the next."""

from __future__ import annotations

import pandas as pd

__all__ = ["forecast_churn"]


def forecast_churn(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute change of the forecasts of one target time between consecutive cutoffs.

    What Godahewa et al. ("On forecast stability", International Journal of Forecasting 41, 2025)
    call vertical stability and measure as mean absolute change; 0 is a forecast that never moves.

    Args:
        forecasts: unique_id, ds, cutoff, y_hat, any order; of several rows with the same
            unique_id, ds and cutoff the last one counts.

    Returns:
        unique_id, n (pairs of forecasts compared), churn (in the units of y_hat; NaN where n is 0),
        ordered by unique_id; one row for each unique_id.
    """
    keys = ["unique_id", "ds", "cutoff"]
    moves = forecasts.drop_duplicates(keys, keep="last").sort_values(keys, kind="stable")
    moves = moves.assign(churn=moves.groupby(["unique_id", "ds"])["y_hat"].diff().abs())
    found = moves.groupby("unique_id")["churn"].agg(n="count", churn="mean")
    return found.reset_index()
