"""What a data set promises: a contract, read from `conf/contracts/*.yaml`.

A contract says what each column holds and how its rows follow one another; `tasks.rows.validate`
checks it. Two rules need no setting: a series has one row for each time, and numbers are finite.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from informer.config import FrameConfig
from informer.data import as_numbers
from informer.errors import ConfigError
from informer.frequency import pandas_offset

__all__ = [
    "ColumnContract",
    "Contract",
    "FormatContract",
    "TableContract",
    "check_columns",
    "of_a_part",
    "out_of_range",
    "read_contract",
]

Severity = Literal["critical", "warning"]
Share = Annotated[float, Field(ge=0, le=1)]
Steps = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnContract(_Part):
    """What one column holds; every column of a contract must be there.

    Attributes:
        type: `number`, `text` or `time`; a time is naive, or has a zone and is kept in UTC.
        min: least number, in the column's unit; None for no bound.
        max: greatest number, in the column's unit; None for no bound.
        values: the texts a text column may hold, each of which must occur; None for any.
        max_missing: share of the rows that may hold no value.
        mostly: share of the values there are that must lie within `min` and `max`.
        outliers: what becomes of the tolerated rest: `keep`, or `missing` to treat such a value as
            if it had not been read.
        sentinels: what becomes of values that cannot be measurements (-9999, 1e20 and their like,
            see `informer.data.sentinels`): `refuse` breaks the contract, `missing` treats them as
            if they had not been read, `keep` takes them as data. `min` and `max` go before it, each
            on its side. Values whose squares cannot be summed are never data.
        max_value_gap: longest run of missing values, in time steps, where a missing time step and
            an outlier that is treated as missing count too; None for no limit.
        severity: `critical` stops the run, `warning` is only reported.
    """

    type: Literal["number", "text", "time"]
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] | None = None
    max_missing: Share = 0.0
    mostly: Annotated[float, Field(gt=0, le=1)] = 1.0
    outliers: Literal["keep", "missing"] = "keep"
    sentinels: Literal["refuse", "missing", "keep"] = "refuse"
    max_value_gap: Steps | None = None
    severity: Severity = "critical"

    @model_validator(mode="after")
    def _settings_fit_the_type(self) -> ColumnContract:
        names = ("min", "max", "mostly", "outliers", "sentinels", "max_value_gap")
        changed = [n for n in names if getattr(self, n) != type(self).model_fields[n].default]
        if self.type != "number" and changed:
            raise ValueError(f"{', '.join(changed)} is for numbers only, not for {self.type}")
        if self.type != "text" and self.values is not None:
            raise ValueError("values is for text only")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min={self.min} exceeds max={self.max}")
        if self.mostly < 1 and not self.bounded:
            raise ValueError("mostly needs a min or a max")
        if self.outliers == "missing" and self.mostly == 1:
            raise ValueError("outliers: missing has no effect while mostly is 1; lower mostly")
        return self

    @property
    def bounded(self) -> bool:
        """Whether the column has a least or a greatest number."""
        return self.min is not None or self.max is not None


class TableContract(_Part):
    """How the rows follow one another.

    Attributes:
        freq: the step from one row of a series to the next, as `FrameConfig.freq` spells it.
        max_gap: longest run of missing time steps in a series.
        min_rows: least number of rows of the whole table.
        severity: `critical` stops the run, `warning` is only reported.
    """

    freq: str
    max_gap: Steps = 0
    min_rows: Annotated[int, Field(ge=1)] = 1
    severity: Severity = "critical"

    @field_validator("freq")
    @classmethod
    def _freq_is_known(cls, freq: str) -> str:
        pandas_offset(freq)
        return freq


class FormatContract(_Part):
    """How the file writes its cells; what is not said is never guessed.

    Attributes:
        separator: the mark between the cells of a CSV file.
        decimal: the decimal mark of the columns of numbers.
        thousands: the mark between groups of digits there; None: there is none.
        missing: further texts that stand for no value in columns of numbers and times.
    """

    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'", "_"] | None = None
    missing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _marks_differ(self) -> FormatContract:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        return self


class Contract(_Part):
    """The whole contract; `name` stands in reports and in the Data Docs."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    format: FormatContract = FormatContract()
    table: TableContract
    columns: Annotated[dict[str, ColumnContract], Field(min_length=1)]


def read_contract(path: Path) -> Contract:
    """Read a contract.

    Raises:
        ConfigError: the file is missing, is no YAML, or a field is unknown or impossible.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the contract {path} ({type(error).__name__}). "
            "Name a file under conf/contracts/."
        ) from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = " ".join(str(error).split())
        raise ConfigError(f"the contract {path} is not valid YAML: {place}.") from error
    try:
        return Contract.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"the contract {path} cannot be used: {_faults(error)}.") from error


def _faults(error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        reason = fault["msg"].removeprefix("Value error, ").rstrip(".")
        unknown = fault["type"] == "extra_forbidden"
        faults.append(f"{where}: {'unknown field; remove or correct it' if unknown else reason}")
    return "; ".join(faults)


def check_columns(contract: Contract, frame: FrameConfig) -> None:
    """Make sure that a contract speaks of the columns and the frequency that a run uses.

    Columns that only the contract names are checked too, so a run may model fewer of them.

    Raises:
        ConfigError: a column is not in the contract or has another type there, or `freq` differs.
    """
    wanted = [(frame.time_column, "time"), *((name, "number") for name in frame.columns)]
    found = {name: column.type for name, column in contract.columns.items()}
    absent = [name for name, _ in wanted if name not in found]
    if frame.id_column is not None and frame.id_column not in found:
        absent.append(frame.id_column)
    if absent:
        raise ConfigError(
            f"the contract {contract.name!r} does not describe the columns {absent}; it has "
            f"{list(found)}. Add them there, or correct frame: in the configuration."
        )
    differing = [
        f"{name!r} must be {kind} but is {found[name]} there"
        for name, kind in wanted
        if found[name] != kind
    ]
    if differing:
        raise ConfigError(
            f"the contract {contract.name!r} disagrees with frame: {'; '.join(differing)}. "
            "Correct one of the two."
        )
    if pandas_offset(contract.table.freq) != pandas_offset(frame.freq):
        raise ConfigError(
            f"the contract {contract.name!r} has freq={contract.table.freq!r}, the configuration "
            f"has frame.freq={frame.freq!r}. Make them the same."
        )


def of_a_part(contract: Contract) -> Contract:
    """What rows that continue a data set must keep of its contract.

    They may be few, and need not hold every series.
    """
    columns = {
        name: column.model_copy(update={"values": None})
        for name, column in contract.columns.items()
    }
    table = contract.table.model_copy(update={"min_rows": 1})
    return contract.model_copy(update={"columns": columns, "table": table})


def readable_numbers(column: pd.Series) -> pd.Series[float]:
    """Numbers of any type as floats, NaN where none can be read."""
    found = as_numbers(column)
    if found is None:
        return pd.to_numeric(column, errors="coerce").astype("float64")
    return pd.Series(found, index=column.index, name=column.name)


def out_of_range(
    values: pd.Series[float], minimum: float | None, maximum: float | None
) -> pd.Series[bool]:
    """Which values lie below `minimum` or above `maximum`; a missing one does not."""
    outside = pd.Series(False, index=values.index)
    if minimum is not None:
        outside |= values < minimum
    if maximum is not None:
        outside |= values > maximum
    return outside
