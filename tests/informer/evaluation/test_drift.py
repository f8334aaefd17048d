"""Drift statistics against hand computations, and alarms that mean something."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from informer.config import FrameConfig
from informer.evaluation.drift import Bins, drift_table, kl, ks, psi, usual

FRAME = FrameConfig(time_column="ds", id_column=None, columns=("y",), target="y", freq="h")
DAY, YEAR = 24, 24 * 365


def test_psi_and_kl_of_two_bins_by_hand():
    reference, sample = np.array([6, 2]), np.array([1, 3])
    p, q = (1.5 / 5, 3.5 / 5), (6.5 / 9, 2.5 / 9)
    expected = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert psi(reference, sample) == pytest.approx(expected)
    expected = 0.25 * math.log(0.25 / q[0]) + 0.75 * math.log(0.75 / q[1])
    assert kl(reference, sample) == pytest.approx(expected)


def test_empty_bins_give_finite_statistics():
    assert math.isfinite(psi(np.array([10, 0]), np.array([0, 10])))
    assert math.isfinite(kl(np.array([10, 0]), np.array([0, 10])))
    assert kl(np.array([10, 10]), np.array([5, 0])) == pytest.approx(math.log(2))


def test_ks_by_hand_and_as_scipy_has_it():
    assert ks([1, 2, 3, 4], [3, 4, 5, 6]) == pytest.approx(0.5)
    assert ks([1, 1, 1], [1, 1]) == 0
    assert ks([1, np.nan, 2], [5, np.nan]) == 1
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 300).round(1), rng.normal(0.3, 1.2, 170).round(1)
    assert ks(first, second) == pytest.approx(stats.ks_2samp(first, second).statistic)


def test_bins_hold_a_tenth_each_and_every_value():
    bins = Bins.of(np.arange(1.0, 101.0))
    assert bins.counts.tolist() == [10] * 10
    assert bins.of_sample([-1e9, 1e9, np.nan]).tolist() == [1, *[0] * 8, 1]


def test_a_value_that_several_deciles_share_has_a_bin_of_its_own():
    rain = np.r_[np.zeros(60), np.arange(1.0, 41.0)]
    bins = Bins.of(rain)
    assert bins.of_sample([0.0, 0.0]).tolist()[1] == 2
    constant = Bins.of(np.full(50, 3.0))
    assert constant.counts.tolist() == [0, 50, 0]
    assert constant.of_sample([2.9, 3.0, 3.1]).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="no value"):
        Bins.of([np.nan])


def test_usual_is_the_quantile_over_stretches_against_the_rest():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, 40).round(1)
    found = usual(values, 16)
    starts = range(0, 25, 4)
    rests = [np.delete(values, range(s, s + 16)) for s in starts]
    distances = [ks(rest, values[s : s + 16]) for s, rest in zip(starts, rests, strict=True)]
    assert found["ks"] == pytest.approx(np.quantile(distances, 0.95))
    bins = Bins.of(values)
    stretches = [bins.of_sample(values[s : s + 16]) for s in starts]
    indices = [psi(bins.counts - part, part) for part in stretches]
    assert found["psi"] == pytest.approx(np.quantile(indices, 0.95))
    assert all(math.isnan(value) for value in usual(values, 21).values())


def season(n_rows: int, period: int, amplitude: float, seed: int = 0) -> pd.DataFrame:
    hours = np.arange(n_rows)
    noise = np.random.default_rng(seed).normal(0, 1, n_rows)
    wave = amplitude * np.sin(hours * 2 * np.pi / period) + 3 * np.sin(hours * 2 * np.pi / DAY)
    times = pd.date_range("2020-01-01", periods=n_rows, freq="h")
    return pd.DataFrame({"ds": times, "y": wave + noise})


def compared(reference: pd.DataFrame, recent: pd.DataFrame, test: str = "psi") -> pd.Series:
    limit = {"psi": 0.25, "ks": 0.2, "kl": 0.15}[test]
    return drift_table(reference, recent, FRAME, test, limit).loc[0]


@pytest.mark.parametrize("test", ["psi", "ks", "kl"])
@pytest.mark.parametrize(("period", "n_train", "n_recent"), [
    (YEAR, 2 * YEAR, 30 * DAY), (7 * DAY, 60 * DAY, 3 * DAY),
])  # fmt: skip
def test_a_season_that_the_reference_holds_is_no_drift(test, period, n_train, n_recent):
    rows = season(n_train + period + n_recent, period, 10.0)
    for start in range(n_train, n_train + period, period // 6):
        found = compared(rows[:n_train], rows[start : start + n_recent], test)
        assert not found["drifted"], (start, dict(found))
    assert found["statistic"] > 0.2  # the limit alone would have called it drift


@pytest.mark.parametrize("test", ["psi", "ks", "kl"])
@pytest.mark.parametrize(
    "shift", [lambda y: y + 8, lambda y: 3 * y, lambda y: np.exp(y / 4)],
    ids=["level", "scale", "distribution"],
)  # fmt: skip
def test_a_real_shift_is_drift(test, shift):
    rows = season(90 * DAY, 7 * DAY, 4.0)
    reference, recent = rows[: 70 * DAY], rows[75 * DAY : 89 * DAY]
    assert not compared(reference, recent, test)["drifted"]
    found = compared(reference, recent.assign(y=shift(recent["y"])), test)
    assert found["drifted"]
    assert found["statistic"] > found["threshold"]


def test_missing_values_are_left_out_and_their_share_is_told():
    rows = season(60 * DAY, 7 * DAY, 4.0)
    reference, recent = rows[: 50 * DAY], rows[50 * DAY :].copy()
    recent.iloc[:60, 1] = np.nan
    found = compared(reference, recent)
    assert found["missing"] == pytest.approx(0.25)
    assert found["n_recent"] == 180
    assert found["psi"] == pytest.approx(compared(reference, recent.dropna())["psi"])
    nothing = compared(reference, recent.assign(y=np.nan))
    assert math.isnan(nothing["statistic"])
    assert not nothing["drifted"]


def test_each_channel_of_each_series_is_compared_with_its_own_past():
    frame = FrameConfig(
        time_column="ds", id_column="id", columns=("y", "x"), target="y", features="M", freq="h"
    )
    base = season(60 * DAY, 7 * DAY, 1.0).assign(x=0.0)
    rows = pd.concat([base.assign(id="a"), base.assign(id="b", y=base["y"] + 100)])
    recent = rows["ds"] >= base["ds"].iloc[50 * DAY]
    moved = rows.assign(y=rows["y"].where(~(recent & (rows["id"] == "b")), 0.0))
    table = drift_table(moved[~recent], moved[recent], frame, "psi", 0.25)
    assert table["channel"].tolist() == ["a/y", "a/x", "b/y", "b/x"]
    assert table["drifted"].tolist() == [False, False, True, False]


def test_rows_that_are_not_there_give_no_drift():
    rows = season(10 * DAY, 7 * DAY, 1.0)
    found = compared(rows, rows[:0])
    assert math.isnan(found["psi"])
    assert not found["drifted"]
    assert not compared(rows[:0], rows)["drifted"]
