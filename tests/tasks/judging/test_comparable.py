"""What makes two models comparable: what they forecast, not how they were set up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig
from tasks.judging.comparable import difference, made_comparable

FRAME = FrameConfig(
    time_column="ds", id_column="id", columns=("a", "b"), target="a", features="M", max_gap=3
)
MODEL = InformerConfig(seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16)
CONFIG = ForecasterConfig(frame=FRAME, model=MODEL)
CONTRACT = """\
name: tiny
table: {freq: h}
columns:
  a: {type: number}
"""


def rows(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=n, freq="h")
    return pd.concat(
        [pd.DataFrame({"id": name, "ds": times, "a": rng.normal(size=n), "b": rng.normal(size=n),
                       "new": rng.normal(size=n)}) for name in ("x", "y")],
        ignore_index=True,
    )  # fmt: skip


@pytest.fixture
def served() -> Forecaster:
    return Forecaster.fit(rows(150), CONFIG, estimator="naive")


@pytest.fixture
def compared(served, tmp_path):
    """The served model against a configuration, on rows that were read."""

    def made(frame: pd.DataFrame, **changes: object):
        frame.to_parquet(tmp_path / "rows.parquet")
        (tmp_path / "contract.yaml").write_text(CONTRACT)
        new = replace(CONFIG, frame=replace(FRAME, **changes))
        return made_comparable(served, new, tmp_path / "rows.parquet", tmp_path / "contract.yaml")

    return made


def test_the_same_configuration_needs_no_rows_of_its_own(compared, served):
    found = compared(rows())
    assert (found.forecaster, found.rows, found.reason) == (served, None, "")


@pytest.mark.parametrize("changes", [{"max_gap": 12}, {"time_zone": "Europe/Berlin"}])
def test_how_a_model_reads_the_rows_is_its_own_affair(compared, changes):
    found = compared(rows(), **changes)
    assert found.reason == ""
    assert list(found.rows.columns) == ["id", "ds", "a", "b"]
    assert len(found.rows) == 400


def test_a_new_input_is_nothing_that_is_forecast(tmp_path):
    frame = rows()
    frame.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    old = replace(CONFIG, frame=replace(FRAME, features="MS"))
    new = replace(old, frame=replace(old.frame, columns=("new", "b", "a")))
    served = Forecaster.fit(frame, old, estimator="naive")
    found = made_comparable(served, new, tmp_path / "rows.parquet", tmp_path / "contract.yaml")
    assert found.reason == ""
    assert list(found.rows.columns) == ["id", "ds", "a", "b"]


def test_a_renamed_time_column_is_read_under_its_new_name(compared):
    frame = rows().rename(columns={"ds": "time", "id": "station"})
    found = compared(frame, time_column="time", id_column="station")
    assert found.reason == ""
    forecast = found.forecaster.predict(found.rows)
    assert len(forecast) == 2 * 2 * 6


def test_rows_that_the_model_cannot_read_are_a_reason(compared):
    found = compared(rows().drop(columns="b"), columns=("a", "new"), target="a")
    assert "it forecasts a, b, not a, new" in found.reason
    gap = rows()
    gap.loc[20:29, "a"] = np.nan
    assert compared(gap, max_gap=24).reason == ""  # windows across the gap are not forecast
    found = compared(rows().assign(a=np.nan), max_gap=24)
    assert "it cannot read today's rows" in found.reason


@pytest.mark.parametrize(
    ("frame", "model", "reason"),
    [
        ({"columns": ("b", "a")}, {}, ""),
        ({"freq": "1h"}, {}, ""),
        ({"freq": "2h"}, {}, "its step is h, not 2h"),
        ({"id_column": None}, {}, "it forecasts series by their ids, not a single series"),
        ({}, {"pred_len": 12}, "its horizon is 6 steps, not 12"),
        ({}, {"seq_len": 48}, ""),
        ({"features": "S"}, {}, "it forecasts a, b, not a"),
    ],
)
def test_what_is_forecast_must_be_the_same(frame, model, reason):
    new = replace(CONFIG, frame=replace(FRAME, **frame), model=replace(MODEL, **model))
    assert difference(CONFIG, new) == reason
