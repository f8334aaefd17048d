"""Names of series stay as they are written, and numbers of any type are numbers."""

from __future__ import annotations

import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig
from informer.data import as_names, as_numbers, long_targets, regular_panel
from informer.errors import FrameError

SOME = uuid.UUID(int=7)
FRAME = FrameConfig(columns=("y",), freq="d")


def frame(**columns: object) -> pd.DataFrame:
    """Three days of one series."""
    rows = {"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=3), "y": [1.0, 2.0, 3.0]}
    return pd.DataFrame(rows | columns)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["00", "0", "000"], ["00", "0", "000"]),
        (["1E3", "0x10", "True", "2024-01-01", " a", "é", "x" * 5000],) * 2,
        (["NA", "null", "None", "nan"],) * 2,
        ([7, 10], ["7", "10"]),
        ([7.0, 10.0], ["7", "10"]),
        (np.array([7], dtype="float32"), ["7"]),
        (pd.array([7, 8], dtype="Int64"), ["7", "8"]),
        (pd.array(["7", "8"], dtype="category"), ["7", "8"]),
        (pd.array([7, 8], dtype="category"), ["7", "8"]),
        (pd.array([Decimal("7"), Decimal("8.10")], dtype=object), ["7", "8.10"]),
        ([True, False], ["True", "False"]),
        (pd.array([b"007", "ü".encode()], dtype=object), ["007", "ü"]),
        (pd.array([SOME], dtype=object), [str(SOME)]),
        (pd.to_datetime(["2024-01-01", "2024-01-02"]), ["2024-01-01", "2024-01-02"]),
        (pd.array([2**62], dtype=object), [str(2**62)]),
    ],
)
def test_a_name_is_what_is_written(values, names):
    assert as_names(pd.Series(values, name="id")).tolist() == list(names)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.5], "can be written in several ways"),
        ([2.0**53], "can be written in several ways"),
        ([np.inf], "can be written in several ways"),
        (pd.array([7, "7"], dtype=object), "holds '7' in two forms"),
        (pd.array([b"\xff"], dtype=object), "are not UTF-8"),
        (pd.array([[7]], dtype=object), "must hold the names of series"),
    ],
)
def test_a_name_without_a_certain_spelling_is_refused(values, message):
    with pytest.raises(FrameError, match=message):
        as_names(pd.Series(values, name="id"))


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, ""])
def test_a_row_without_a_name_is_told_and_makes_no_series_called_nan(nothing):
    rows = frame(unique_id=pd.array(["a", nothing, "a"], dtype=object))
    with pytest.raises(FrameError, match="no series name in row 1"):
        regular_panel(rows, FRAME)


def test_a_column_of_numbers_with_holes_has_no_series_called_7_point_0():
    rows = frame(unique_id=[7, None, 7])
    with pytest.raises(FrameError, match="no series name in row 1"):
        regular_panel(rows, FRAME)
    assert regular_panel(rows.dropna(), FrameConfig(columns=("y",), max_gap=1, freq="d")).ids == (
        "7",
    )


def test_forecasts_and_targets_of_numbered_series_have_the_same_names():
    times = pd.date_range("2024-01-01", periods=60, freq="h")
    rows = pd.concat(
        [pd.DataFrame({"unique_id": i, "ds": times, "y": np.arange(60.0)}) for i in (7, 10)]
    )
    config = ForecasterConfig(
        frame=FrameConfig(columns=("y",)), val=20,
        model=InformerConfig(seq_len=8, label_len=4, pred_len=2),
    )  # fmt: skip
    made = Forecaster.fit(rows, config, estimator="naive").predict(rows)
    assert set(made["unique_id"]) == set(long_targets(rows, config.frame)["unique_id"])
    assert set(made["unique_id"]) == {"7", "10"}


@pytest.mark.parametrize(
    "values",
    [
        pd.array([Decimal("1"), None, Decimal("2.5")], dtype=object),
        pd.array([Decimal("1"), None, Decimal("2.5")], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
        pd.array([1, None, 2.5], dtype="Float64"),
        pd.array([1, None, 2.5], dtype="float16"),
        pd.array([1, None, 2.5], dtype=object),
        pd.array([True, pd.NA, 2.5], dtype=object),
        pd.array([1, None, 2.5], dtype=pd.ArrowDtype(pa.float32())),
        pd.Categorical([1, None, 2.5]),
    ],
)
def test_numbers_of_any_type_are_numbers(values):
    np.testing.assert_array_equal(as_numbers(pd.Series(values)), [1, np.nan, 2.5])


@pytest.mark.parametrize("kind", ["int8", "uint64", "Int64", "boolean", "bool"])
def test_whole_numbers_and_booleans_are_numbers(kind):
    np.testing.assert_array_equal(as_numbers(pd.Series([1, 0], dtype=kind)), [1, 0])


@pytest.mark.parametrize("kind", ["datetime64[ns]", "object", "str"])
def test_a_column_without_any_value_is_one_of_missing_numbers(kind):
    assert np.isnan(as_numbers(pd.Series([None, None], dtype=kind))).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "2.5", "3"], r"numbers written as text, such as '1' in row 0\. Convert it with"),
        (["1", "-", "3"], r"1 of 3 values are no numbers, such as '-' in row 1"),
        (["1,5", "2,5", "3,5"], r"such as '1,5' in row 0\. .*write decimals with a point"),
        (pd.array([1, "n/a", 2.5], dtype=object), r"such as 'n/a' in row 1"),
        (pd.array([1, [2], 3], dtype=object), r"must hold numbers, but it has type object"),
        ([1j, 2j, 3j], r"must hold numbers, but it has type complex128"),
        (pd.to_timedelta([1, 2, 3]), r"must hold numbers, but it has type timedelta64"),
        (pd.array([1, 10**400, 2], dtype=object), r"infinite values, first in row 1"),
        (pd.array([Decimal("1"), Decimal("1e400"), None], dtype=object), r"infinite values"),
    ],
)
def test_what_is_no_number_is_told_with_the_mend(values, message):
    with pytest.raises(FrameError, match=message):
        regular_panel(frame(y=values), FRAME)


@pytest.mark.parametrize("twice", ["y", "ds", "unique_id"])
def test_two_columns_of_one_name_are_refused(twice):
    rows = frame()
    rows = pd.concat([rows, rows[[twice]]], axis=1)
    with pytest.raises(FrameError, match=rf"has 2 columns named '{twice}'\. Rename or drop"):
        regular_panel(rows, FRAME)


def test_two_columns_of_one_name_that_nobody_reads_are_no_matter():
    rows = frame().assign(z=1)
    assert regular_panel(pd.concat([rows, rows[["z"]]], axis=1), FRAME).ids == ("a",)
