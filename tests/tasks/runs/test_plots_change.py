"""The picture of a change: the stacked parts reach where the table says."""

import pandas as pd
import pytest

from tasks.runs import change_by_part


def test_parts_are_stacked_rises_above_zero_and_falls_below():
    table = pd.DataFrame(
        {
            "unique_id": "x",
            "ds": pd.date_range("2024-01-01", periods=2, freq="h"),
            "data": [2.0, -1.0],
            "weights": [1.0, 3.0],
            "covariates": [-0.5, -0.5],
        }
    )
    table["change"] = table[["data", "weights", "covariates"]].sum(axis=1)
    (axes,) = change_by_part(table, ["data", "weights", "covariates"], "t").axes
    ends = [bar.get_y() + bar.get_height() for bar in axes.patches]
    assert max(ends) == pytest.approx(3.0)
    assert min(ends) == pytest.approx(-1.5)
    low, high = axes.get_ylim()
    assert low < -1.5
    assert high > 3.0
    (line,) = (found for found in axes.lines if found.get_label() == "change")
    assert list(line.get_ydata()) == table["change"].tolist()
    labels = {text.get_text() for text in axes.figure.legends[0].get_texts()}
    assert labels == {"change", "data", "weights", "covariates"}
