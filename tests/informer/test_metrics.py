"""Scores against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from informer.metrics import score_table, seasonal_scale, summarize

NAN = np.nan


def test_seasonal_scale_is_the_mean_absolute_seasonal_difference_of_observed_pairs():
    values = np.array([[1.0], [2.0], [4.0], [2.0], [9.0]])
    observed = np.array([[True], [True], [True], [True], [False]])
    assert seasonal_scale(values, observed, 2) == pytest.approx([(3 + 0) / 2])


def test_a_channel_that_never_changes_has_no_scale():
    constant = np.ones((5, 1))
    assert np.isnan(seasonal_scale(constant, np.ones((5, 1), bool), 1)).all()


def test_scores_by_step_and_target_leave_unobserved_values_out():
    truth = np.array([[[1.0], [2.0]], [[3.0], [NAN]]])  # two windows, two steps, one target
    forecast = np.array([[[2.0], [2.0]], [[5.0], [7.0]]])
    bounds = (forecast - 1.5, forecast + 1.5)
    table = score_table(truth, forecast, bounds, (np.array([2.0]), np.array([0.5])), ["y"])
    first, second = table.to_dict("records")
    assert first == {
        "unique_id": "y", "step": 1, "n": 2, "mse": (1 + 4) / 2 / 4, "mae": 1.5 / 2,
        "mae_units": 1.5, "mase": 3.0, "coverage": 0.5,
    }  # fmt: skip
    assert (second["n"], second["mse"], second["coverage"]) == (1, 0.0, 1.0)


def test_a_step_that_was_never_observed_has_no_score_and_no_weight():
    truth = np.full((2, 1, 1), NAN)
    scales = (np.ones(1), np.ones(1))
    table = score_table(truth, np.zeros((2, 1, 1)), (truth, truth), scales, ["y"])
    assert table["n"].tolist() == [0]
    assert summarize(table.assign(model="m"), ["model"])["mse"].isna().all()


def test_summaries_weigh_by_the_number_of_values():
    truth = np.array([[[0.0], [0.0]], [[0.0], [NAN]]])
    forecast = np.array([[[1.0], [4.0]], [[1.0], [4.0]]])
    scales = (np.ones(1), np.ones(1))
    table = score_table(truth, forecast, (forecast, forecast), scales, ["y"])
    total = summarize(table.assign(model="m"), ["model"]).iloc[0]
    assert total["n"] == 3
    assert total["mae"] == pytest.approx((1 + 1 + 4) / 3)
