"""Contracts: what can be written in one, and what is refused with a sentence that helps."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from informer.config import FrameConfig
from informer.errors import ConfigError
from tasks.rows.contract import (
    ColumnContract,
    Contract,
    check_columns,
    of_a_part,
    read_contract,
)
from tasks.rows.sentinels import missing_by_contract

TABLE = "name: demo\ntable: {freq: h}"
Y = "columns: {y: {type: number}}"
CONTRACTS = Path(__file__).parents[3] / "conf" / "contracts"


def contract(**columns: ColumnContract) -> Contract:
    return Contract(name="demo", table={"freq": "h"}, columns=columns)


def write(folder: Path, text: str) -> Path:
    path = folder / "demo.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["nyc-weather", "etth1"])
def test_every_shipped_contract_can_be_read(name: str) -> None:
    assert read_contract(CONTRACTS / f"{name}.yaml").name == name


def test_numbers_may_be_written_as_yaml_reads_them(tmp_path: Path) -> None:
    text = "name: demo\ntable: {freq: h}\ncolumns: {y: {type: number, min: -1e3, max: 5}}"
    assert read_contract(write(tmp_path, text)).columns["y"].min == -1000.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{TABLE}\ncolumns: {{y: {{type: number, mn: 0}}}}", r"columns\.y\.mn: unknown field"),
        (f"{TABLE}\ncolumns: {{y: {{type: colour}}}}", r"columns\.y\.type"),
        (f"{TABLE}\ncolumns: {{}}", "columns"),
        (f"name: demo\ntable: {{freq: h, mingap: 1}}\n{Y}", r"table\.mingap: unknown"),
        (f"name: demo\ntable: {{freq: fortnight}}\n{Y}", r"table\.freq: .*fortnight"),
        (f"name: a/b\ntable: {{freq: h}}\n{Y}", "name: "),
        ("just a sentence", "the file: "),
        ("name: [", "not valid YAML"),
        ("", "the file: "),
    ],
)
def test_a_contract_that_cannot_be_used_names_the_file_and_the_field(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_contract(write(tmp_path, text))
    assert "demo.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_contract_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        read_contract(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"type": "text", "min": 0}, "for numbers only"),
        ({"type": "number", "values": ["a"]}, "for text only"),
        ({"type": "number", "min": 2, "max": 1}, "exceeds max"),
        ({"type": "number", "mostly": 0.9}, "needs a min or a max"),
        ({"type": "number", "min": 0, "outliers": "missing"}, "no effect while mostly is 1"),
        ({"type": "number", "max_missing": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        ColumnContract(**settings)


def test_a_contract_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        contract(y=ColumnContract(type="number")).columns["y"].min = 3


FITTING = contract(
    ds=ColumnContract(type="time"),
    unique_id=ColumnContract(type="text"),
    y=ColumnContract(type="number"),
)


def test_a_contract_that_names_more_columns_than_a_run_models_fits() -> None:
    wide = contract(**FITTING.columns, z=ColumnContract(type="number"))
    check_columns(wide, FrameConfig())


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FrameConfig(columns=("y", "z")), r"does not describe the columns \['z'\]"),
        (FrameConfig(id_column="station"), r"does not describe the columns \['station'\]"),
        (FrameConfig(time_column="y"), "'y' must be time but is number"),
        (FrameConfig(columns=("ds",), target="ds"), "'ds' must be number but is time"),
        (FrameConfig(freq="15min"), r"freq='h'.*frame\.freq='15min'"),
    ],
)
def test_a_contract_that_disagrees_with_the_frame_says_how(
    frame: FrameConfig, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_columns(FITTING, frame)


def test_one_frequency_in_two_spellings_agrees() -> None:
    check_columns(FITTING, FrameConfig(freq="1h"))


def test_only_outliers_that_the_contract_blanks_become_missing() -> None:
    blanking = contract(
        speed=ColumnContract(type="number", min=0, max=120, mostly=0.5, outliers="missing"),
        temp=ColumnContract(type="number", max=50, mostly=0.5),
    )
    frame = pd.DataFrame({"speed": [1048.0, 5.0, np.nan, -1.0], "temp": [99.0, 1.0, 2.0, 3.0]})
    cleaned, counts = missing_by_contract(frame, blanking, None)
    assert counts == {"speed": 2}
    assert cleaned["speed"].isna().tolist() == [True, False, True, True]
    assert cleaned["temp"].tolist() == frame["temp"].tolist()
    assert frame["speed"].iloc[0] == 1048.0


def test_text_in_a_blanked_column_is_left_for_the_structural_gate() -> None:
    speed = ColumnContract(type="number", max=120, mostly=0.5, outliers="missing")
    cleaned, counts = missing_by_contract(
        pd.DataFrame({"speed": ["calm", 5.0]}), contract(speed=speed), None
    )
    assert counts == {"speed": 0}
    assert cleaned["speed"].tolist() == ["calm", 5.0]


def test_rows_that_continue_a_data_set_may_be_few_and_of_some_series_only():
    contract = Contract(
        name="x",
        table={"freq": "h", "min_rows": 100, "max_gap": 2},
        columns={
            "station": {"type": "text", "values": ["north", "south"]},
            "temp": {"type": "number", "min": 0},
        },
    )
    part = of_a_part(contract)
    assert (part.table.min_rows, part.table.max_gap) == (1, 2)
    assert part.columns["station"].values is None
    assert part.columns["temp"] == contract.columns["temp"]
