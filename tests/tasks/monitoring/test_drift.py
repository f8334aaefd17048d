"""The drift check as real Great Expectations: the same numbers, the same verdict, pages to read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from informer.config import FrameConfig
from tasks.monitoring.drift import check_drift
from tasks.monitoring.drift_rules import drift_rule
from tasks.rows import run_suites
from tasks.settings import MonitorConfig

FRAME = FrameConfig(
    time_column="ds", id_column="id", columns=("y", "rain"), target="y", features="M", freq="h"
)
TRAIN_END = pd.Timestamp("2024-02-10")


def rows() -> pd.DataFrame:
    """Two series of 60 days; the level of the second one's y moves on the last ten."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=60 * 24, freq="h")
    parts = []
    for name, shift in (("a", 0.0), ("b", 5.0)):
        y = rng.normal(0, 1, len(times)) + shift * (times >= "2024-02-19")
        rain = rng.exponential(1, len(times)).round(2) * (rng.random(len(times)) < 0.3)
        parts.append(pd.DataFrame({"id": name, "ds": times, "y": y, "rain": rain}))
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[[5, 1410, 1411], "y"] = np.nan
    return frame


@pytest.mark.parametrize("test", ["psi", "ks", "kl"])
def test_the_expectations_give_the_numbers_and_the_verdict_of_the_library(test, tmp_path):
    settings = MonitorConfig(window="10d", drift_test=test, drift_limit=0.2)
    table, problems = check_drift(rows(), FRAME, TRAIN_END, settings, tmp_path / "docs")
    assert problems == []
    assert table.set_index("channel")["drifted"].to_dict() == {
        "a/y": False, "a/rain": False, "b/y": True, "b/rain": False,
    }  # fmt: skip
    frame = rows()
    recent = frame[frame["ds"] > frame["ds"].max() - pd.Timedelta("10D")]
    for series, channel in (("a", "y"), ("a", "rain"), ("b", "y")):
        is_train = (frame["id"] == series) & (frame["ds"] < TRAIN_END)
        frame.loc[is_train, [channel]].to_parquet(tmp_path / "train.parquet")
        now = recent.loc[recent["id"] == series, [channel]].reset_index(drop=True)
        rule = drift_rule(channel, tmp_path / "train.parquet", test, 0.2)
        (outcome,), _ = run_suites("one", [("suite", now, [rule])], tmp_path / "one")
        own = table.set_index("channel").loc[f"{series}/{channel}"]
        assert outcome.problem == ""
        assert outcome.result["observed_value"] == pytest.approx(own["statistic"], rel=1e-9)
        assert outcome.success == (own["statistic"] <= 0.2)


def test_the_data_docs_name_every_channel_and_what_was_seen(tmp_path):
    settings = MonitorConfig(window="10d")
    table, _ = check_drift(rows(), FRAME, TRAIN_END, settings, tmp_path / "docs")
    assert (tmp_path / "docs" / "index.html").is_file()
    pages = [p.read_text() for p in (tmp_path / "docs").rglob("*.html") if "validations" in str(p)]
    (page,) = pages
    for row in table.itertuples():
        assert f"{row.channel}: expect PSI against the train rows to be at most" in page
    moved = table.set_index("channel").loc["b/y", "statistic"]
    assert f"{moved:.3f}"[:-1] in page
    assert len(page) < 1_000_000


def test_without_recent_rows_there_are_pages_and_no_drift(tmp_path):
    frame = rows()
    table, problems = check_drift(
        frame, FRAME, frame["ds"].max() + pd.Timedelta("1h"), MonitorConfig(), tmp_path / "docs"
    )
    assert problems == []
    assert not table["drifted"].any()
    assert (tmp_path / "docs" / "index.html").is_file()
