"""What travels with a registered model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig
from tasks.registry import _latest, _version


@pytest.mark.parametrize("id_column", ["unique_id", None])
def test_the_example_can_be_forecast_even_where_its_window_begins_in_a_gap(id_column):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.date_range("2024-01-01", periods=200, freq="h"),
            "y": rng.normal(size=200),
        }
    )
    config = ForecasterConfig(
        frame=FrameConfig(id_column=id_column, max_gap=5),
        model=InformerConfig(seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16),
        season=24,
    )
    forecaster = Forecaster.fit(rows, config, estimator="seasonal_naive")
    rows.loc[200 - 24 - 5 : 200 - 24 - 1, "y"] = np.nan
    example = _latest(rows, forecaster)
    assert len(example) == 24 + 5
    assert len(forecaster.predict(example)) == 6


def test_a_requirement_names_a_version_that_an_index_knows():
    assert "+" not in _version("torch")
