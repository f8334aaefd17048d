"""A contract as Great Expectations suites, run on a frame, with Data Docs.

Two suites check two frames: `schema` the rows as they came (columns, types, what is missing or
infinite) and `content` the rows as read (numbers, naive times), for what the values say.
Importing this file imports Great Expectations (seconds), so `tasks.rows.validate` imports it late.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from great_expectations import expectations as gxe

from informer.config import FrameConfig
from informer.data import LARGEST, frame_times
from informer.errors import FrameError, TimesError
from tasks.rows.contract import Contract, readable_numbers
from tasks.rows.expectations import (
    ExpectColumnTimesToBeOnGrid,
    ExpectColumnValuesToBeFinite,
    ExpectColumnValuesToBeMeasurements,
    ExpectColumnValuesToBeReadable,
    ExpectColumnValuesToHaveSquares,
    ExpectGapsToBeShort,
    ExpectTimesOfSeriesToBeOnGrid,
    read_times,
)
from tasks.rows.layout import mend
from tasks.rows.sentinels import sentinels_of
from tasks.rows.suites import Outcome, run_suites

__all__ = ["as_read", "content_rules", "run_rules", "schema_rules"]


def as_read(
    frame: pd.DataFrame,
    contract: Contract,
    id_column: str | None,
    clock: FrameConfig | None = None,
) -> pd.DataFrame:
    """The contract's columns, numbers as floats and times as naive times.

    What the `schema` suite rejects (text among numbers, infinities, what is no time) is missing,
    and so is a value that the contract treats as missing because it cannot be a measurement.

    Args:
        frame: the rows as they came.
        contract: names the columns.
        id_column: column of series names; None where there is one series.
        clock: how the times of its time column are read; None: as they stand.

    Raises:
        TimesError: a column of times can be read in more than one way.
    """
    columns: dict[str, pd.Series[Any]] = {}
    series = frame.get(id_column)
    for name, column in contract.columns.items():
        if name not in frame:
            continue
        if column.type == "number":
            numbers = readable_numbers(frame[name])
            columns[name] = numbers.mask(numbers.isin([np.inf, -np.inf]))
            if column.sentinels == "missing":
                found = sentinels_of(columns[name], series, column.min, column.max)
                columns[name] = columns[name].mask(found.mask)
        else:
            is_time = column.type == "time"
            columns[name] = _times(frame, name, clock) if is_time else frame[name].astype("str")
    return pd.DataFrame(columns, index=frame.index)


def _times(frame: pd.DataFrame, name: str, clock: FrameConfig | None) -> pd.Series[Any]:
    """The times of a column: of the frame's own as the forecaster will read them."""
    if clock is None or name != clock.time_column:
        return read_times(frame[name])
    if clock.id_column not in frame:
        clock = replace(clock, id_column=None)
    there = frame[frame[name].notna()]
    try:
        times = frame_times(there, clock).astype("datetime64[us]").reindex(frame.index)
    except TimesError:
        raise
    except FrameError:  # single values are no times
        return read_times(frame[name], clock.time_format)
    return times


def _told(rule: str, column: str | None, expected: str, noun: str, severity: str) -> dict[str, Any]:
    """What every rule carries: its sentence for the Data Docs, its place in our own report."""
    meta = {
        "rule": rule, "column": column, "expected": expected, "noun": noun, "severity": severity,
    }  # fmt: skip
    sentence = f"Expect {expected}" if column is None else f"{column}: expect {expected}"
    return {"description": sentence, "severity": severity, "meta": meta}


def schema_rules(
    frame: pd.DataFrame,
    contract: Contract,
    id_column: str | None,
    clock: FrameConfig | None = None,
) -> list[Any]:
    """Expectations of the frame as it came: rows, columns, types, what is missing or no number."""
    table = contract.table
    least = f"at least {table.min_rows:,} rows"
    told = _told("rows", None, least, "rows", table.severity)
    rules: list[Any] = [gxe.ExpectTableRowCountToBeBetween(min_value=table.min_rows, **told)]
    for name, column in contract.columns.items():
        told = _told("present", name, "the column to be there", "", column.severity)
        rules.append(gxe.ExpectColumnToExist(column=name, **told))
        if name not in frame or frame.empty:
            continue
        noun = f"values are not{mend(frame[name]) if column.type == 'number' else ''}"
        told = _told("type", name, f"every value to be a {column.type}", noun, column.severity)
        written = clock.time_format if clock is not None and name == clock.time_column else None
        rules.append(
            ExpectColumnValuesToBeReadable(
                column=name, kind=column.type, time_format=written, **told
            )
        )
        share = f"at most {column.max_missing:.2%} of the values to be missing"
        told = _told("missing", name, share, "values are missing", column.severity)
        mostly = 1 - column.max_missing
        rules.append(gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=mostly, **told))
        if column.type == "number":
            told = _told(
                "finite", name, "every value to be finite", "values are infinite", column.severity
            )
            rules.append(ExpectColumnValuesToBeFinite(column=name, **told))
            rules += _measurement_rules(name, contract, id_column if id_column in frame else None)
    return rules


def _measurement_rules(name: str, contract: Contract, id_column: str | None) -> list[Any]:
    """What can be computed with, and what has been measured; `min` and `max` go before the rule."""
    column = contract.columns[name]
    blanked = [
        place
        for place, rule in (("outside", column.outliers), ("inside", column.sentinels))
        if rule == "missing"
    ]
    noun = "values are larger; correct them, or set the column's sentinels to missing"
    # A warning would let a training go on that can only end in numbers that are none.
    expected = f"no value beyond {LARGEST:g}, the square of which cannot be computed with"
    told = _told("square", name, expected, noun, "critical")
    bounds = {"min_value": column.min, "max_value": column.max}
    rules: list[Any] = [
        ExpectColumnValuesToHaveSquares(column=name, blanked=blanked, **bounds, **told)
    ]
    if column.min is not None and column.max is not None:
        return rules
    told = _told("sentinels", name, "every value to be a measurement", "", column.severity)
    return [
        *rules,
        ExpectColumnValuesToBeMeasurements(
            value_column=name, id_column=id_column, with_large=column.sentinels == "missing",
            tolerated=column.sentinels != "refuse", any_deviation=column.sentinels == "keep",
            **bounds, **told,
        ),
    ]  # fmt: skip


def content_rules(
    frame: pd.DataFrame, contract: Contract, time_column: str, id_column: str | None
) -> list[Any]:
    """Expectations of the frame as read: ranges, texts, times, gaps."""
    if frame.empty:
        return []
    by_series = id_column is None or id_column in frame
    timed = time_column in frame and by_series
    rules = _time_rules(frame, contract, time_column, id_column) if timed else []
    for name, column in contract.columns.items():
        if name in frame and column.values is not None:
            rules += _text_rules(name, column.values, column.severity)
        elif name in frame and column.type == "number":
            rules += _range_rules(name, contract)
            if timed and column.max_value_gap is not None:
                rules.append(_value_gap_rule(name, contract, time_column, id_column))
    return rules


def _time_rules(
    frame: pd.DataFrame, contract: Contract, time_column: str, id_column: str | None
) -> list[Any]:
    table = contract.table
    told = _told(
        "unique",
        time_column,
        "one row for each series and time",
        "rows share theirs",
        table.severity,
    )
    rules: list[Any] = [
        gxe.ExpectColumnValuesToBeUnique(column=time_column, **told)
        if id_column is None
        else gxe.ExpectCompoundColumnsToBeUnique(
            column_list=[id_column, time_column], ignore_row_if="any_value_is_missing", **told
        )
    ]
    told = _told(
        "regular", time_column, f"every time to lie on the grid {table.freq!r}", "times lie off it",
        table.severity,
    )  # fmt: skip
    rules.append(
        ExpectColumnTimesToBeOnGrid(column=time_column, freq=table.freq, **told)
        if id_column is None
        else ExpectTimesOfSeriesToBeOnGrid(
            column_A=id_column, column_B=time_column, freq=table.freq,
            ignore_row_if="either_value_is_missing", **told,
        )
    )  # fmt: skip
    told = _told(
        "gap", time_column, f"at most {table.max_gap} time steps in a row to be missing", "missing",
        table.severity,
    )  # fmt: skip
    rules.append(
        ExpectGapsToBeShort(
            time_column=time_column, id_column=id_column, freq=table.freq, max_gap=table.max_gap,
            **told,
        )
    )  # fmt: skip
    return rules


def _text_rules(name: str, values: tuple[str, ...], severity: str) -> list[Any]:
    listed = ", ".join(values)
    told = _told("values", name, f"every value to be one of {listed}", "values are not", severity)
    complete = _told("complete", name, f"each of {listed} to occur", "", severity)
    return [
        gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(values), **told),
        gxe.ExpectColumnDistinctValuesToContainSet(column=name, value_set=list(values), **complete),
    ]


def _range_rules(name: str, contract: Contract) -> list[Any]:
    column = contract.columns[name]
    if not column.bounded:
        return []
    low = "-inf" if column.min is None else f"{column.min:g}"
    high = "inf" if column.max is None else f"{column.max:g}"
    share = "every value" if column.mostly == 1 else f"at least {column.mostly:.2%} of the values"
    told = _told(
        "range",
        name,
        f"{share} to lie within {low} to {high}",
        "values lie outside",
        column.severity,
    )
    return [
        gxe.ExpectColumnValuesToBeBetween(
            column=name, min_value=column.min, max_value=column.max, mostly=column.mostly, **told
        )
    ]


def _value_gap_rule(
    name: str, contract: Contract, time_column: str, id_column: str | None
) -> ExpectGapsToBeShort:
    column = contract.columns[name]
    blanked = column.outliers == "missing"
    told = _told(
        "value gap", name, f"at most {column.max_value_gap} values in a row to be missing",
        "missing", column.severity,
    )  # fmt: skip
    return ExpectGapsToBeShort(
        time_column=time_column, id_column=id_column, freq=contract.table.freq,
        max_gap=column.max_value_gap, value_column=name,
        min_value=column.min if blanked else None, max_value=column.max if blanked else None,
        **told,
    )  # fmt: skip


def run_rules(
    frame: pd.DataFrame,
    contract: Contract,
    time_column: str,
    id_column: str | None,
    docs_dir: Path,
    clock: FrameConfig | None = None,
) -> tuple[list[Outcome], Path]:
    """Check both suites and write the Data Docs.

    Args:
        frame: the rows as they came, with positions for labels.
        contract: what they must keep.
        time_column: column of times.
        id_column: column of series names; None where there is one series.
        docs_dir: folder of the Data Docs, made where it does not exist.
        clock: how the times are read, see `as_read`.

    Returns:
        One outcome for each rule, and the first page of the Data Docs.

    Raises:
        TimesError: a column of times can be read in more than one way.
    """
    read = as_read(frame, contract, id_column, clock)
    return run_suites(
        contract.name,
        (
            ("schema", frame, schema_rules(frame, contract, id_column, clock)),
            ("content", read, content_rules(read, contract, time_column, id_column)),
        ),
        docs_dir,
    )
