"""A number that is none errs without bound: it never makes a model look better."""

import numpy as np
import pandas as pd
import pytest

from informer.evaluation import on_common_windows, paired, pooled
from informer.evaluation.metrics import score_table, summarize
from informer.evaluation.origins import scaled_error

LEVELS = (0.1, 0.5, 0.9)


def scores(forecast, std=1.0):
    truth = np.ones((2, 3, 1))
    quantiles = np.repeat(forecast[:, None], 3, axis=1)
    one = np.ones(1)
    table = score_table(truth, forecast, quantiles, LEVELS, (std * one, one), ["a"])
    return summarize(table.assign(of=""), ["of"]).iloc[0]


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf, 1e200])
def test_one_forecast_that_is_no_number_makes_the_mean_error_infinite(wild):
    forecast = np.ones((2, 3, 1))
    forecast[1, 2, 0] = wild
    assert scores(forecast)["mse"] == np.inf


@pytest.mark.parametrize("std", [np.inf, np.nan])
def test_in_units_of_a_deviation_that_is_no_number_no_error_is_0(std):
    """One cell of 1.8e308 made the deviation infinite, and every error 0: the champion's too."""
    forecast = np.full((2, 3, 1), 2.0)
    assert scores(forecast, std)[["mse", "mae"]].tolist() == [np.inf, np.inf]
    assert np.isinf(scaled_error(np.ones((1, 1)), forecast[0], np.array([std]))).all()


def test_what_was_not_observed_still_counts_nowhere():
    error = scaled_error(np.array([[np.nan], [1.0]]), np.array([[np.nan], [1.5]]), np.array([0.5]))
    np.testing.assert_array_equal(error, [[np.nan], [1.0]])


def windows():
    table = pd.DataFrame({"model": ["a"] * 4 + ["b"] * 4, "step": [0, 1, 2, 3] * 2})
    names = {"unique_id": "u", "series": "u", "target": "y"}
    table = table.assign(cutoff=table["step"], n=[5, 5, 5, 0] * 2, **names)
    table["mse"] = [0.1, np.nan, 0.1, np.nan, 0.2, 0.2, 0.2, np.nan]
    return table.assign(mae=table["mse"])


def test_a_loss_that_is_missing_where_a_value_was_observed_is_infinite():
    assert pooled(windows(), ["model"])["mse"].tolist() == pytest.approx([np.inf, 0.2])
    assert on_common_windows(windows(), ["a", "b"], "mse") == pytest.approx({"a": np.inf, "b": 0.2})
    assert paired(windows(), "a", "b", "mse", 1).errors == pytest.approx((np.inf, 0.2))
