"""Scores against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from informer.evaluation.metrics import (
    mean_difference,
    score_table,
    seasonal_differences,
    summarize,
)

NAN = np.nan


def test_seasonal_scale_is_the_mean_absolute_seasonal_difference_of_observed_pairs():
    values = np.array([[1.0], [2.0], [4.0], [2.0], [9.0]])
    observed = np.array([[True], [True], [True], [True], [False]])
    assert mean_difference(*seasonal_differences(values, observed, 2)) == pytest.approx(
        [(3 + 0) / 2]
    )


def test_a_channel_that_never_changes_has_no_scale():
    constant = np.ones((5, 1))
    ones = np.ones((5, 1), bool)
    assert np.isnan(mean_difference(*seasonal_differences(constant, ones, 1))).all()


LEVELS = (0.1, 0.5, 0.9)


def around(forecast, half=1.5):
    """Quantiles on either side of a forecast: (N, 3, P, C)."""
    return np.stack((forecast - half, forecast, forecast + half), axis=1)


def test_scores_by_step_and_target_leave_unobserved_values_out():
    truth = np.array([[[1.0], [2.0]], [[3.0], [NAN]]])  # two windows, two steps, one target
    forecast = np.array([[[2.0], [2.0]], [[5.0], [7.0]]])
    scales = (np.array([2.0]), np.array([0.5]))
    table = score_table(truth, forecast, around(forecast), LEVELS, scales, ["y"])
    first, second = table.to_dict("records")
    # truth less q10, q50, q90: 0.5, -1, -2.5 in one window and -0.5, -2, -3.5 in the other
    by_level = [(0.05 + 0.45) / 2, (0.5 + 1.0) / 2, (0.25 + 0.35) / 2]
    assert first == {
        "unique_id": "y", "step": 1, "n": 2, "mse": (1 + 4) / 2 / 4, "mae": 1.5 / 2,
        "mae_units": 1.5, "mase": 3.0, "coverage": 0.5, "width": 1.5,
        "quantile_loss": pytest.approx(2 * sum(by_level) / 3), "size": 2.0,
        "wql": pytest.approx(sum(by_level) / 3),
    }  # fmt: skip
    assert (second["n"], second["mse"], second["coverage"]) == (1, 0.0, 1.0)


def test_the_weighted_quantile_loss_is_that_of_gift_eval():
    """Mean over the levels of twice the summed pinball loss over the summed absolute values."""
    rng = np.random.default_rng(0)
    truth, forecast = rng.normal(size=(2, 5, 4, 2)) * 3
    quantiles = np.sort(rng.normal(size=(5, 3, 4, 2)), axis=1)
    truth[0, 1, 1] = NAN
    scales = (np.ones(2), np.ones(2))
    table = score_table(truth, forecast, quantiles, LEVELS, scales, ["a", "b"])
    ratios = []
    for q, level in enumerate(LEVELS):
        error = truth - quantiles[:, q]
        loss = np.where(error > 0, level * error, (level - 1) * error)
        ratios.append(2 * np.nansum(loss) / np.nansum(np.abs(truth)))
    total = summarize(table.assign(model="m"), ["model"]).iloc[0]
    assert total["wql"] == pytest.approx(np.mean(ratios))


def test_a_step_that_was_never_observed_has_no_score_and_no_weight():
    truth = np.full((2, 1, 1), NAN)
    scales = (np.ones(1), np.ones(1))
    table = score_table(truth, np.zeros((2, 1, 1)), np.zeros((2, 3, 1, 1)), LEVELS, scales, ["y"])
    assert table["n"].tolist() == [0]
    found = summarize(table.assign(model="m"), ["model"])
    assert found[["mse", "width", "wql"]].isna().all(axis=None)


def test_summaries_weigh_by_the_number_of_values():
    truth = np.array([[[0.0], [0.0]], [[0.0], [NAN]]])
    forecast = np.array([[[1.0], [4.0]], [[1.0], [4.0]]])
    scales = (np.ones(1), np.ones(1))
    table = score_table(truth, forecast, around(forecast), LEVELS, scales, ["y"])
    total = summarize(table.assign(model="m"), ["model"]).iloc[0]
    assert total["n"] == 3
    assert total["mae"] == pytest.approx((1 + 1 + 4) / 3)
