"""When forecasts count as degraded and inputs as drifted, and what is said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from informer.config import FrameConfig
from tasks.monitoring.verdict import Promised, drift_of, in_window, judge, judge_drift, judge_errors
from tasks.settings import MonitorConfig

PROMISED = Promised("3", mae=0.4, mase=1.0, coverage=0.8)
SETTINGS = MonitorConfig(window="7d", min_forecasts=3)
LAST = pd.Timestamp("2024-02-01")


def errors(mae: float, coverage: float, n_cutoffs: int = 3) -> pd.DataFrame:
    """Ten rows a cutoff, of which the share `coverage` lies inside."""
    days = pd.date_range(end=LAST, periods=n_cutoffs, freq="D")
    inside = [float(i < 10 * coverage) for i in range(10)]
    return pd.DataFrame({
        "cutoff": days.repeat(10), "ds": days.repeat(10),
        "mae": mae, "coverage": inside * n_cutoffs,
    })  # fmt: skip


def drift(*statistics: float, limit: float = 0.25) -> pd.DataFrame:
    names = [f"c{i}" for i in range(len(statistics))]
    values = np.array(statistics)
    return pd.DataFrame({
        "channel": names, "statistic": values, "threshold": limit, "drifted": values > limit,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("mae", "coverage", "degraded"),
    [
        (0.4, 0.8, False), (0.49, 0.8, False), (0.51, 0.8, True),
        (0.4, 0.7, False), (0.4, 0.6, True), (0.4, 1.0, True),
    ],
)  # fmt: skip
def test_a_larger_error_or_another_coverage_is_degraded(mae, coverage, degraded):
    found, sentence = judge_errors(errors(mae, coverage), PROMISED, SETTINGS)
    assert found is degraded
    assert f"MAE {mae:.4f} over 3 cutoffs of version 3 in the last 7d" in sentence
    assert "promised 0.4000 (limit 0.5000)" in sentence
    assert f"covers {coverage:.1%}, promised 80.0%" in sentence


def test_too_few_forecasts_or_no_promise_is_never_degraded_and_says_so():
    found, sentence = judge_errors(errors(9.0, 0.0, n_cutoffs=2), PROMISED, SETTINGS)
    assert (found, sentence[:9]) == (False, "2 cutoffs")
    assert "3 are needed" in sentence
    found, sentence = judge_errors(errors(9.0, 0.0), Promised("4"), SETTINGS)
    assert not found
    assert "version 4 has no recorded errors on the test rows" in sentence


@pytest.mark.parametrize(
    ("statistics", "drifted"), [((0.3, 0.1), True), ((0.3, 0.1, 0.1), False), ((0.1, 0.2), False)]
)
def test_enough_channels_must_drift(statistics, drifted):
    found, sentence = judge_drift(drift(*statistics), SETTINGS)
    assert bool(found) is drifted
    n_moved = sum(s > 0.25 for s in statistics)
    assert sentence.startswith(f"{n_moved} of {len(statistics)} channels drifted by psi")
    assert ("c0 0.300 (limit 0.250)" in sentence) == (n_moved > 0)


def test_many_channels_are_counted_and_not_all_named():
    _, sentence = judge_drift(drift(*[0.5] * 8), SETTINGS)
    assert "and 3 more" in sentence
    found, sentence = judge_drift(drift(np.nan, np.nan), SETTINGS)
    assert not found
    assert "drift is unknown" in sentence


def test_both_halves_come_with_their_sentence():
    verdict = judge(errors(0.9, 0.8), drift(0.1), PROMISED, SETTINGS)
    assert (verdict.degraded, verdict.drifted) == (True, False)
    assert verdict.reasons == (verdict.errors, verdict.drift)


def test_the_window_reaches_back_from_the_last_row():
    rows = errors(0.4, 0.8, n_cutoffs=10)
    assert in_window(rows, LAST, SETTINGS)["ds"].min() == LAST - pd.Timedelta("6D")
    assert in_window(rows, LAST - pd.Timedelta("1D"), SETTINGS)["ds"].max() < LAST


def test_train_rows_are_never_recent():
    frame = FrameConfig(time_column="ds", id_column=None, columns=("y",), target="y", freq="h")
    rows = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=240, freq="h"), "y": 1.0})
    table = drift_of(rows, frame, rows["ds"].iloc[200], SETTINGS)
    assert (table["n_reference"].item(), table["n_recent"].item()) == (200, 40)
    long = drift_of(rows, frame, rows["ds"].iloc[20], SETTINGS)
    assert (long["n_reference"].item(), long["n_recent"].item()) == (20, 168)
    moved = rows.assign(y=rows["y"].where(rows["ds"] < rows["ds"].iloc[200], 2.0))
    assert drift_of(moved, frame, rows["ds"].iloc[200], SETTINGS)["drifted"].item()


@pytest.mark.parametrize("mae", [np.nan, np.inf])
def test_errors_that_are_no_numbers_are_degraded(mae):
    assert judge_errors(errors(mae, 0.8), PROMISED, SETTINGS)[0] is True
    promised = Promised("4", mae=mae, mase=1.0, coverage=0.8)
    found, sentence = judge_errors(errors(0.4, 0.8), promised, SETTINGS)
    assert not found
    assert "no recorded errors" in sentence
