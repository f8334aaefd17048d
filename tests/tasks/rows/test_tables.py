"""A file is read as it is written: names, headers, numbers with marks that the contract names."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from informer.config import FrameConfig
from informer.errors import ConfigError, FrameError
from tasks.rows.contract import Contract, FormatContract, read_contract
from tasks.rows.datasets import find_dataset, locate
from tasks.rows.layout import Layout, layout_of, mend
from tasks.rows.reads import newest_read, note_read
from tasks.rows.sentinels import missing_by_contract
from tasks.rows.sources import LOAD, _content, read, snapshot
from tasks.rows.tables import read_table
from tasks.rows.validate import validate_frame
from tasks.settings import Home, SourceError

IDS = Layout("id", ("id",), ("y",), ("id", "ds", "y"))


def spelled(**marks: object) -> Layout:
    return Layout(*("id", ("id",), ("y",), ("id", "ds", "y")), FormatContract(**marks), True)


@pytest.fixture
def table(tmp_path):
    """Read a text as a CSV file."""

    def read_text(text: str, layout: Layout = IDS) -> pd.DataFrame:
        (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
        return read_table(tmp_path / "rows.csv", layout)[0]

    return read_text


@pytest.mark.parametrize(
    "name",
    ["007", "00", "1E3", "0x10", "True", "NA", "null", "None", "nan", "n/a", "2024-01-01", "-",
     "é 木", "1,000", "1.0", "x" * 3000, "#N/A", "Infinity"],
)  # fmt: skip
@pytest.mark.parametrize("alone", [True, False])
def test_a_name_is_read_as_it_is_written(table, name, alone):
    others = "" if alone else "7,2024-01-01,1\n"
    rows = table(f'id,ds,y\n"{name}",2024-01-01,1\n{others}')
    assert rows["id"].tolist() == [name, *([] if alone else ["7"])]


def test_names_that_look_like_one_number_stay_two_series(table):
    rows = table("id,ds,y\n01,2024-01-01,1\n1,2024-01-01,2\n1.0,2024-01-01,3\n")
    assert rows["id"].tolist() == ["01", "1", "1.0"]


def test_only_an_empty_name_is_missing_but_na_is_no_number(table):
    rows = table("id,ds,y\nNA,2024-01-01,NA\n,2024-01-02,2\n")
    assert rows["id"].isna().tolist() == [False, True]
    assert rows["y"].isna().tolist() == [True, False]


def test_every_text_of_the_contract_is_read_as_text_and_other_columns_as_before(table):
    layout = Layout("id", ("id", "zone"), (), ("id", "zone"))
    rows = table("id,zone,n\n1,010,010\n", layout)
    assert rows.to_dict("list") == {"id": ["1"], "zone": ["010"], "n": [10]}


def test_names_in_parquet_are_the_digits_of_numbers(tmp_path):
    for values, names in (
        ([7, 10], ["7", "10"]),
        ([7.0, None], ["7", "nothing"]),
        (["07"], ["07"]),
    ):
        pd.DataFrame({"id": values, "y": 1}).to_parquet(tmp_path / "rows.parquet")
        found = read_table(tmp_path / "rows.parquet", IDS)[0]["id"]
        assert found.fillna("nothing").tolist() == names
    pd.DataFrame({"id": [1.5]}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(FrameError, match="Write the names of series as text"):
        read_table(tmp_path / "rows.parquet", IDS)


def test_an_index_of_parquet_is_a_column(tmp_path):
    rows = pd.DataFrame({"id": ["a"], "ds": ["2024-01-01"], "y": [1.0]})
    rows.set_index(["id", "ds"]).to_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "rows.parquet", IDS)[0], rows)


def test_blanks_around_names_are_kept_and_told(tmp_path, caplog):
    (tmp_path / "rows.csv").write_text("id, y \n a,1\nb,2\n")
    with caplog.at_level(logging.WARNING):
        rows = read(str(tmp_path / "rows.csv"), Home(tmp_path), IDS)
    assert rows.to_dict("list") == {"id": [" a", "b"], "y": [1, 2]}
    assert "column ' y ' of rows.csv is read as 'y'" in caplog.text
    assert "such as ' a' (1 in all); they are kept" in caplog.text


def test_a_header_with_blanks_that_is_asked_for_stays(table):
    assert table("a, y,y\n1,2,3\n", Layout(names=(" y",))).columns.tolist() == ["a", " y", "y"]


def test_a_mark_of_the_encoding_is_no_part_of_a_name(table):
    assert table("\ufeffid,ds,y\na,2024-01-01,1\n").columns.tolist() == ["id", "ds", "y"]


def test_a_column_without_a_name_is_left_out(table):
    rows = table(",id,ds,y,\n0,a,2024-01-01,1,\n1,b,2024-01-01,2,\n")
    assert rows.columns.tolist() == ["id", "ds", "y"]
    asked = table(",y\n0,1\n", Layout(names=("Unnamed: 0",)))
    assert asked.columns.tolist() == ["Unnamed: 0", "y"]


def test_two_columns_of_one_name_are_refused(table, tmp_path):
    with pytest.raises(SourceError, match="has 2 columns named 'y'"):
        table("id,ds,y,y\na,2024-01-01,1,2\n")
    with pytest.raises(SourceError, match="has 2 columns named 'y'"):
        table("id,ds,y,y\na,2024-01-01,1,2\n", Layout())
    pq.write_table(pa.table([[1], [2]], names=["y", "y"]), tmp_path / "rows.parquet")
    with pytest.raises(SourceError, match="has 2 columns named 'y'"):
        read_table(tmp_path / "rows.parquet", IDS)


@pytest.mark.parametrize("rows", ["a,2024-01-01,1,5\n", "a,2024-01-01,1\na,2024-01-02,1,5\n"])
def test_a_row_longer_than_the_header_shifts_no_cell(table, rows):
    with pytest.raises(SourceError, match=r'format: \{separator: ";", decimal: ","\}'):
        table(f"id,ds,y\n{rows}")


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_another_separator_is_told_with_the_line_that_mends_it(table, mark):
    text = mark.join(["id", "ds", "y"]) + "\n" + mark.join(["007", "2024-01-01", "1"]) + "\n"
    with pytest.raises(SourceError, match=r"format: \{separator: ") as refused:
        table(text)
    assert ("\\t" if mark == "\t" else mark) in str(refused.value)
    assert table(text, spelled(separator=mark))["id"].tolist() == ["007"]


@pytest.mark.parametrize(
    ("marks", "text", "number"),
    [
        ({"decimal": ","}, "1,5", 1.5),
        ({"decimal": ","}, "-0,5e3", -500.0),
        ({"decimal": ","}, "1234", 1234.0),
        ({"decimal": ",", "thousands": "."}, "1.234", 1234.0),
        ({"decimal": ",", "thousands": "."}, "1.234.567,25", 1234567.25),
        ({"thousands": ","}, "1,234", 1234.0),
        ({"thousands": ","}, "12,34,567.5", 1234567.5),
        ({"thousands": " "}, "1 234", 1234.0),
        ({"thousands": " "}, "1\u202f234", 1234.0),
        ({"thousands": "'"}, "1'234.5", 1234.5),
        ({}, "1.234", 1.234),
    ],
)
def test_numbers_are_read_by_the_marks_of_the_contract(table, marks, text, number):
    rows = table(f'id;ds;y\n007;2024-01-01;"{text}"\n', spelled(separator=";", **marks))
    assert rows["y"].tolist() == [number]
    assert rows["id"].tolist() == ["007"]


@pytest.mark.parametrize(
    ("marks", "text"),
    [({"decimal": ","}, "1.5"), ({"decimal": ","}, "1.234,5"), ({"thousands": ","}, "1,5"),
     ({"thousands": ","}, "1,23,4"), ({"decimal": ",", "thousands": "."}, "1.5"), ({}, "1,5"),
     ({"thousands": " "}, "12 34"), ({}, "0x10"), ({}, "-")],
)  # fmt: skip
def test_a_number_with_other_marks_is_refused_and_never_guessed(table, marks, text):
    with pytest.raises(
        SourceError, match=r"holds what is no number by the contract's format"
    ) as no:
        table(f'id;ds;y\na;2024-01-01;"{text}"\n', spelled(separator=";", **marks))
    assert f"{text!r} in row 0" in str(no.value)


def test_texts_that_the_contract_calls_missing_are_missing(table):
    layout = spelled(separator=";", decimal=",", missing=("-", "n.a."))
    rows = table("id;ds;y\n-;2024-01-01;-\nb;2024-01-01;n.a.\nc;2024-01-01;1,5\n", layout)
    assert rows["id"].tolist() == ["-", "b", "c"]
    assert rows["y"].isna().tolist() == [True, True, False]


def test_marks_count_for_texts_in_parquet_too(tmp_path):
    rows = pd.DataFrame({"id": ["a", "b"], "ds": "2024-01-01", "y": ["1,5", None]})
    rows.to_parquet(tmp_path / "rows.parquet")
    found = read_table(tmp_path / "rows.parquet", spelled(decimal=","))[0]
    assert found["y"].fillna(0).tolist() == [1.5, 0]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["1,5", "2"], "add 'format: {decimal: \",\"}' to the contract"),
        (["1,234", "5"], "'format: {decimal: \",\"}' or 'format: {thousands: \",\"}', whichever"),
        (["1.234,5"], 'add \'format: {decimal: ",", thousands: "."}\''),
        (["1,234.5"], "add 'format: {thousands: \",\"}' to"),
        (["1.234.567"], 'add \'format: {decimal: ",", thousands: "."}\''),
        (["1", "-"], "such as '-': correct them, or, where they stand for no value, add "
                     "'format: {missing: [\"-\"]}'"),
        (["1,5", "n.a."], 'add \'format: {decimal: ",", missing: ["n.a."]}\''),
        (["1", "2"], "they are numbers written as text"),
        (["12a"], "such as '12a': correct them"),
    ],
)  # fmt: skip
def test_texts_among_numbers_are_told_with_the_line_that_mends_them(values, told):
    assert told in mend(pd.Series(values))


def test_numbers_need_no_mend():
    assert mend(pd.Series([1.5, None])) == mend(pd.Series([Decimal("1")])) == ""


def contract(**more: object) -> Contract:
    columns = {"id": {"type": "text"}, "ds": {"type": "time"},
               "y": {"type": "number", "min": 0, "max": 9, "mostly": 0.1, "outliers": "missing",
                     "max_missing": 0.5}}  # fmt: skip
    return Contract.model_validate({"name": "x", "table": {"freq": "d"}, "columns": columns} | more)


def days(values: list[object]) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=len(values))
    return pd.DataFrame({"id": "a", "ds": times, "y": pd.array(values, dtype=object)})


def test_decimals_satisfy_a_contract_of_numbers(tmp_path):
    rows = days([Decimal("1.5"), None, Decimal("99")])
    report = validate_frame(rows, contract(), time_column="ds", id_column="id", docs_dir=tmp_path)
    assert report.success, report.broken
    blanked, counts = missing_by_contract(rows, contract(), "id")
    assert counts == {"y": 1}
    assert blanked["y"].isna().tolist() == [False, True, True]


def test_a_broken_type_is_reported_with_its_mend(tmp_path):
    report = validate_frame(
        days(["1,5", "2", "3"]), contract(), time_column="ds", id_column="id", docs_dir=tmp_path
    )
    (broken,) = [rule for rule in report.broken if rule.rule == "type"]
    assert "1 of 3 values are not; they are texts such as '1,5': add 'format" in broken.observed


def test_a_contract_of_impossible_marks_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    head = "name: x\ntable: {freq: d}\ncolumns: {y: {type: number}}\n"
    for marks in ('{thousands: "."}', '{decimal: ",", thousands: ","}', '{separator: ";;"}',
                  '{decimal: ";"}'):  # fmt: skip
        path.write_text(f"{head}format: {marks}\n")
        with pytest.raises(ConfigError, match="format"):
            read_contract(path)


def test_the_contract_of_the_documentation_can_be_used(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    (tmp_path / "x.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    read_by = layout_of(
        FrameConfig(id_column="store", freq="d"), read_contract(tmp_path / "x.yaml")
    )
    (tmp_path / "rows.csv").write_text("store;ds;y\n007;2024-01-01;1.234,5\n008;2024-01-01;-\n")
    rows, _ = read_table(tmp_path / "rows.csv", read_by)
    assert rows["store"].tolist() == ["007", "008"]
    assert rows["y"].fillna(0).tolist() == [1234.5, 0]


def test_the_layout_follows_from_frame_and_contract():
    frame = FrameConfig(id_column="id", columns=("y",))
    found = layout_of(frame, contract(format={"decimal": ","}))
    assert (found.texts, found.numbers, found.is_told) == (("id",), ("y",), True)
    assert found.names == ("id", "ds", "y")
    assert not layout_of(frame, contract()).is_told
    numbered = contract(columns={"id": {"type": "number"}, "y": {"type": "number"}})
    assert layout_of(frame, numbered).texts == ("id",)  # a name is text, whatever the contract says
    assert layout_of(frame, numbered).numbers == ("y",)


def test_what_is_read_is_kept_by_the_layout_too(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "rows.csv").write_text("id,ds,y\n007,2024-01-01,1\n")
    by_id, without = IDS, layout_of(FrameConfig(id_column=None, columns=("y",)))
    keys = {LOAD.key(home, _content("rows.csv", one, home)) for one in (by_id, without)}
    assert len(keys) == 2
    raw = snapshot(read("rows.csv", home, by_id), "rows.csv", home)
    note_read(raw, home, by_id)
    later = pd.Timestamp("2100-01-01")
    assert newest_read("rows.csv", later, home, by_id).snapshot == raw
    assert newest_read("rows.csv", later, home, without) is None


def test_the_known_data_are_read_as_they_were(tmp_path):
    frame = FrameConfig(id_column="origin", columns=("y",), time_column="time_hour")
    path = Path(__file__).parents[3] / "conf" / "contracts" / "nyc-weather.yaml"
    named = read("nyc-weather", Home(tmp_path), layout_of(frame, read_contract(path)))
    before = pd.read_csv(locate(find_dataset("nyc-weather"), Home(tmp_path)))
    assert named.to_parquet() == before.to_parquet()  # so its snapshot keeps its name
