"""What cannot be a measurement is refused, made missing or kept, by the contract's word."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from informer.config import FrameConfig
from informer.errors import FrameError
from tasks.rows.contract import ColumnContract, Contract
from tasks.rows.report import report_markdown, report_message
from tasks.rows.sentinels import missing_by_contract, refuse_sentinels, sentinels_of
from tasks.rows.validate import validate_frame

pytestmark = pytest.mark.filterwarnings(
    "ignore:module 'sre_(constants|parse)' is deprecated:DeprecationWarning"
)
MAX = np.finfo(np.float64).max
DAYS = 200


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Validate without the pages, which take half of the time."""
    monkeypatch.setattr(
        "tasks.rows.suites._write_docs", lambda _context, folder: folder / "index.html"
    )

    def run(frame, contract):
        id_column = "unique_id" if "unique_id" in contract.columns else None
        return validate_frame(
            frame, contract, time_column="ds", id_column=id_column, docs_dir=tmp_path / "docs"
        )

    return run


def contract(max_value_gap=None, **y) -> Contract:
    column = {"type": "number", "max_value_gap": max_value_gap} | y
    columns = {"ds": {"type": "time"}, "y": column}
    return Contract(name="demo", table={"freq": "d"}, columns=columns)


def days(cells=(), level=10.0) -> pd.DataFrame:
    """Days of 10 +- 3, with some cells of another value."""
    noise = np.random.default_rng(1).normal(size=DAYS)
    y = level + 3 * np.sin(np.arange(DAYS) / 1.1) + noise
    for row, value in dict(cells).items():
        y[row] = value
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=DAYS), "y": y})


def two_series(cells=(), factor=1.0) -> pd.DataFrame:
    small, large = days(cells), days()
    large["y"] *= factor
    parts = [small.assign(unique_id="small"), large.assign(unique_id="large")]
    return pd.concat(parts, ignore_index=True)


def of_series(**y) -> Contract:
    plain = contract(**y)
    columns = plain.columns | {"unique_id": ColumnContract(type="text")}
    return plain.model_copy(update={"columns": columns})


def broken(report):
    return {(rule.column, rule.rule) for rule in report.broken}


@pytest.mark.parametrize("value", [-9999.0, 1e20, 9.969209968386869e36, -32768.0])
def test_a_code_among_measurements_breaks_a_contract_without_a_range(check, value):
    report = check(days({150: value}), contract())
    assert not report.success
    assert broken(report) == {("y", "sentinels")}
    message = report_message(report)
    assert f"{value:.10g} (once) cannot be measurements: far from the others" in message
    assert "give the column min and max, or set its sentinels to missing or keep" in message
    assert "2024-05-30" in message  # the first such row


@pytest.mark.parametrize("value", [MAX, -MAX, 1e200])
@pytest.mark.parametrize(
    "y",
    [
        {},
        {"sentinels": "keep"},
        {"severity": "warning"},
        {"min": 0, "max": 30, "mostly": 0.9},
        {"min": 0, "mostly": 0.9},
    ],
)
def test_a_value_whose_square_overflows_is_refused_whatever_the_contract_says(check, value, y):
    report = check(days({150: value}), contract(**y))
    assert not report.success
    assert ("y", "square") in broken(report)
    assert "no value beyond 1e+150" in report_message(report)


@pytest.mark.parametrize(
    "y",
    [
        {"sentinels": "missing"},
        {"min": -1e6, "max": 1e6, "mostly": 0.9, "outliers": "missing"},
        {"min": -1e6, "mostly": 0.9, "outliers": "missing", "sentinels": "missing"},
    ],
)
def test_a_value_that_is_made_missing_need_not_have_a_square(check, y):
    frame, agreed = days({150: MAX, 151: MAX}), contract(**y)
    assert check(frame, agreed).success
    cleaned, counts = missing_by_contract(frame, agreed, None)
    assert counts == {"y": 2}
    assert np.flatnonzero(cleaned["y"].isna()).tolist() == [150, 151]


def test_what_is_made_missing_is_told_and_counts_as_a_gap(check):
    frame = days(dict.fromkeys(range(20, 25), -9999.0))
    report = check(frame, contract(sentinels="missing", max_value_gap=5))
    assert report.success
    page = report_markdown(report)
    assert "Tolerated by the contract" in page
    assert "-9999 (5 times) cannot be measurements" in page
    report = check(frame, contract(sentinels="missing", max_value_gap=4))
    assert broken(report) == {("y", "value gap")}


def test_the_data_docs_show_the_rule_and_what_was_found(tmp_path, caplog):
    report = validate_frame(
        days({3: -9999.0}), contract(), time_column="ds", id_column=None, docs_dir=tmp_path
    )
    pages = [page.read_text() for page in report.docs_path.parent.glob("validations/**/*.html")]
    assert any("y: expect every value to be a measurement" in page for page in pages)
    assert any("-9999 (once) cannot be measurements" in page for page in pages)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_what_is_kept_is_told_too(check):
    report = check(days({3: -9999.0}), contract(sentinels="keep"))
    assert report.success
    assert "-9999 (once)" in report_markdown(report)
    frame = days({3: -9999.0})
    assert missing_by_contract(frame, contract(sentinels="keep"), None)[0].equals(frame)


def test_bounds_decide_on_their_side():
    values = days({3: -9999.0, 4: 1e20})["y"]
    places = [
        np.flatnonzero(sentinels_of(values, None, low, high).mask).tolist()
        for low, high in ((None, None), (-10000, None), (None, 1e21), (0, 1e21), (0, None))
    ]
    assert places == [[3, 4], [3, 4], [3, 4], [], [4]]


def test_values_whose_deviation_underflows_break_the_contract(check):
    frame = days()
    frame["y"] *= 1e-200
    for word, success in (("refuse", False), ("missing", False), ("keep", True)):
        report = check(frame, contract(sentinels=word))
        assert report.success is success
    assert "no deviation can be computed" in report_message(check(frame, contract()))


def test_series_of_different_size_are_no_sentinels_of_one_another(check):
    assert check(two_series(factor=1e6), of_series()).success
    assert check(two_series(factor=1e12), of_series()).success


def test_a_code_is_found_in_its_own_series_and_named_with_it(check):
    report = check(two_series({5: -9999.0}, factor=1e6), of_series())
    assert broken(report) == {("y", "sentinels")}
    assert "(series 'small')" in report_message(report)


def test_a_series_of_nothing_but_a_code_is_found_beside_others(check):
    frame = two_series()
    frame.loc[frame["unique_id"] == "small", "y"] = -9999.0
    report = check(frame, of_series())
    assert "-9999 (200 times) cannot be measurements: the series holds nothing else" in (
        report_message(report)
    )
    frame.loc[frame["unique_id"] == "small", "y"] = 99.0
    assert check(frame, of_series()).success


def test_a_text_column_has_no_sentinels():
    with pytest.raises(ValidationError, match="sentinels is for numbers only"):
        ColumnContract(type="text", sentinels="keep")


def test_a_contract_written_before_reads_as_it_did(check):
    assert contract().columns["y"].sentinels == "refuse"
    assert check(days(), contract()).success


FRAME = FrameConfig(time_column="ds", id_column=None, columns=("y",), target="y", freq="d")


@pytest.mark.parametrize("value", [MAX, 9.969209968386869e36, -9999.0])
def test_rows_without_a_contract_are_refused_by_name(value):
    told = r"column 'y': .*\(once\) cannot be measurements.*, first at 2024-05-30"
    with pytest.raises(FrameError, match=told):
        refuse_sentinels(days({150: value}), FRAME)
    refuse_sentinels(days(), FRAME)


def test_the_words_of_a_contract_hold_where_it_is_not_checked():
    refuse_sentinels(days({150: -9999.0}), FRAME, contract(sentinels="keep"))
    refuse_sentinels(days({150: -9999.0}), FRAME, contract(min=-1e4, max=1e4))
    for word in ({"sentinels": "keep"}, {"min": -1e4, "max": MAX}):
        with pytest.raises(FrameError, match="cannot be measurements"):
            refuse_sentinels(days({150: MAX}), FRAME, contract(**word))
