"""The rules for time series that Great Expectations lacks: readable, finite, on the grid, no gaps.

    T rows of all series

Importing this file imports Great Expectations (seconds) and registers the rules there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    BatchExpectation,
    ColumnMapExpectation,
    ColumnPairMapExpectation,
)
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    ColumnPairMapMetricProvider,
    column_condition_partial,
    column_pair_condition_partial,
)
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from informer.data import LARGEST, as_numbers, parse_times, placed
from informer.errors import FrameError, TimesError
from informer.frequency import pandas_offset
from tasks.rows.contract import out_of_range, readable_numbers
from tasks.rows.sentinels import sentinels_of

__all__ = [
    "ExpectColumnTimesToBeOnGrid",
    "ExpectColumnValuesToBeFinite",
    "ExpectColumnValuesToBeMeasurements",
    "ExpectColumnValuesToBeReadable",
    "ExpectColumnValuesToHaveSquares",
    "ExpectGapsToBeShort",
    "ExpectTimesOfSeriesToBeOnGrid",
    "positions",
    "read_times",
    "unreadable",
]

SAMPLE = 20  # runs of missing steps that a result holds


def unreadable(
    column: pd.Series[Any], kind: str, time_format: str | None = None
) -> pd.Series[bool]:
    """Which values, among those there are, cannot be read as `kind` (number, text or time)."""
    nothing = pd.Series(False, index=column.index)
    if kind == "number" and as_numbers(column) is None:
        bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
        return bad if bad.any() else column.notna()  # numbers written as text are text
    if kind == "time" and column.notna().any():
        there = column.dropna()
        if _parsed(there, time_format) is None:
            bad = read_times(there, time_format).isna().reindex(column.index, fill_value=False)
            return bad if bad.any() else column.notna()
    return nothing


def read_times(column: pd.Series[Any], time_format: str | None = None) -> pd.Series[pd.Timestamp]:
    """Naive times (UTC where there was a zone), NaT where none can be read.

    Raises:
        TimesError: the column can be read in more than one way.
    """
    there = column.dropna()
    read = _parsed(there, time_format)
    if read is None:
        if pd.api.types.is_numeric_dtype(there):  # pandas would count nanoseconds since 1970
            there = there.astype("str")
        with warnings.catch_warnings(action="ignore"):
            read = pd.to_datetime(there, errors="coerce", utc=True, format=time_format)
            read = read.dt.tz_localize(None)
    return read.astype("datetime64[us]").reindex(column.index)


def _parsed(there: pd.Series[Any], time_format: str | None) -> pd.Series[pd.Timestamp] | None:
    """Times as they are written; None where single ones are no times."""
    if there.empty:
        return there.astype("datetime64[us]")
    with warnings.catch_warnings(action="ignore"):  # of a first value that looks like no time
        try:
            return parse_times(there, str(there.name), time_format)
        except TimesError:
            raise
        except FrameError:
            return None


def positions(
    times: pd.Series[pd.Timestamp], freq: str, series: pd.Series[Any] | None = None
) -> npt.NDArray[np.int64]:
    """(T,) number of each time on the grid of `freq` from the earliest on; -1 off the grid.

    Of several `series`, the grid of each may begin at a time of its own, as `placed` has it.
    """
    if not len(times):
        return np.empty(0, dtype=np.int64)
    codes = np.zeros(len(times), dtype=np.int64)
    if series is not None:
        codes = pd.factorize(series)[0].astype(np.int64)
    return placed(pd.DatetimeIndex(times), codes, int(codes.max()) + 1, freq)[1]


def _runs(
    frame: pd.DataFrame, time_column: str, id_column: str | None, freq: str, seen: pd.Series[bool]
) -> Iterator[tuple[str | None, pd.Timestamp, int, int]]:
    """Each run of grid steps at which a series was not `seen`.

    Yields:
        The series, the first time, how many steps, and for how many of them there is a row.
    """
    known = frame[time_column].notna()
    known &= frame[id_column].notna() if id_column else True
    times = frame.loc[known, time_column]
    series = frame.loc[known, id_column] if id_column else pd.Series("", index=times.index)
    rows = pd.DataFrame({"place": positions(times, freq, series), "seen": seen[known]})
    rows = rows[rows["place"] >= 0]
    offset = pandas_offset(freq)
    for name, part in rows.groupby(series.loc[rows.index], sort=True):
        place = part["place"].to_numpy()
        edges = [place.min() - 1, place.max() + 1]
        at = np.unique(np.concatenate([edges, place[part["seen"]]]))
        for before, after in pairwise(at):
            if after - before > 1:
                first = times[part.index[int(place.argmin())]]
                begin = first + (int(before) + 1 - int(place.min())) * offset
                n_rows = int(((place > before) & (place < after)).sum())
                yield (str(name) if id_column else None, begin, int(after - before - 1), n_rows)


class _ReadableMetric(ColumnMapMetricProvider):  # type: ignore[misc]  # GX is untyped here
    condition_metric_name = "column_values.readable"
    condition_value_keys = ("kind", "time_format")

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls, column: pd.Series[Any], kind: str, time_format: str | None = None, **_: object
    ) -> pd.Series[bool]:
        return ~unreadable(column, kind, time_format)


class ExpectColumnValuesToBeReadable(ColumnMapExpectation):  # type: ignore[misc]
    """Every value that is there can be read as a `kind`: number, text or time."""

    kind: str
    time_format: str | None = None
    map_metric = "column_values.readable"
    success_keys = ("kind", "time_format", "mostly")


class _FiniteMetric(ColumnMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "column_values.finite"

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: pd.Series[Any], **_: object) -> pd.Series[bool]:
        return ~readable_numbers(column).isin([np.inf, -np.inf])


class ExpectColumnValuesToBeFinite(ColumnMapExpectation):  # type: ignore[misc]
    """No value is infinite; one that is no number is left to another rule."""

    map_metric = "column_values.finite"


class _SquareMetric(ColumnMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "column_values.square"
    condition_value_keys = ("min_value", "max_value", "blanked")

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,
        column: pd.Series[Any],
        min_value: float | None = None,
        max_value: float | None = None,
        blanked: Sequence[str] = (),
        **_: object,
    ) -> pd.Series[bool]:
        numbers = readable_numbers(column)
        large = (numbers.abs() > LARGEST) & ~numbers.isin([np.inf, -np.inf])
        outside = out_of_range(numbers, min_value, max_value)
        gone = (outside & ("outside" in blanked)) | (~outside & ("inside" in blanked))
        return ~large | gone


class ExpectColumnValuesToHaveSquares(ColumnMapExpectation):  # type: ignore[misc]
    """The squares of all values can be summed; an infinite value is left to another rule.

    Values that are `blanked`, `inside` or `outside` of the range, need not.
    """

    min_value: float | None = None
    max_value: float | None = None
    blanked: list[str] = []  # noqa: RUF012 -- a field of pydantic's
    map_metric = "column_values.square"
    success_keys = ("min_value", "max_value", "blanked", "mostly")


class _MeasurementMetric(TableMetricProvider):  # type: ignore[misc]
    metric_name = "table.sentinels"
    value_keys = ("value_column", "id_column", "min_value", "max_value", "with_large")

    @metric_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: object,
    ) -> dict[str, Any]:
        frame, _domain, _accessor = execution_engine.get_compute_domain(
            domain_kwargs=metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE
        )
        asked = metric_value_kwargs
        numbers = readable_numbers(frame[asked["value_column"]])
        if not asked["with_large"]:
            numbers = numbers.mask(numbers.abs() > LARGEST)
        series = None if asked["id_column"] is None else frame[asked["id_column"]]
        found = sentinels_of(numbers, series, asked["min_value"], asked["max_value"])
        places = np.flatnonzero(found.mask)
        return {
            "count": len(places),
            "at": [int(frame.index[place]) for place in places[:SAMPLE]],
            "reason": found.reason,
            "underflows": found.underflows,
        }


class ExpectColumnValuesToBeMeasurements(BatchExpectation):  # type: ignore[misc]
    """No value of `value_column` is a code for a missing one, see `informer.data.sentinels`.

    The values of each series are looked at by themselves. Below `min_value` and above `max_value`
    nothing is looked for, nor among values whose squares cannot be summed but `with_large`. What is
    found may be `tolerated`, and so may a deviation that cannot be computed (`any_deviation`).
    """

    value_column: str
    id_column: str | None = None
    min_value: float | None = None
    max_value: float | None = None
    with_large: bool = False
    tolerated: bool = False
    any_deviation: bool = False
    metric_dependencies = ("table.sentinels",)
    success_keys = (*_MeasurementMetric.value_keys, "tolerated", "any_deviation")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: PandasExecutionEngine | None = None,
    ) -> dict[str, Any]:
        found = metrics["table.sentinels"]
        is_kept = (self.tolerated or not found["count"]) and (
            self.any_deviation or not found["underflows"]
        )
        return {
            "success": is_kept,
            "result": {
                "observed_value": found["reason"],
                "details": {"count": found["count"], "at": found["at"]},
            },
        }


class _OnGridMetric(ColumnMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "column_values.on_grid"
    condition_value_keys = ("freq",)

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: pd.Series[pd.Timestamp], freq: str, **_: object) -> pd.Series[bool]:
        return pd.Series(positions(column, freq) >= 0, index=column.index)


class ExpectColumnTimesToBeOnGrid(ColumnMapExpectation):  # type: ignore[misc]
    """Every time is a whole number of steps `freq` after the earliest."""

    freq: str
    map_metric = "column_values.on_grid"
    success_keys = ("freq", "mostly")


class _PairOnGridMetric(ColumnPairMapMetricProvider):  # type: ignore[misc]
    condition_metric_name = "column_pair_values.on_grid"
    condition_domain_keys = (
        "batch_id", "table", "column_A", "column_B", "row_condition", "condition_parser",
        "ignore_row_if",
    )  # fmt: skip
    condition_value_keys = ("freq",)

    @column_pair_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls, column_A: pd.Series[Any], column_B: pd.Series[pd.Timestamp], freq: str, **_: object
    ) -> pd.Series[bool]:
        return pd.Series(positions(column_B, freq, column_A) >= 0, index=column_B.index)


class ExpectTimesOfSeriesToBeOnGrid(ColumnPairMapExpectation):  # type: ignore[misc]
    """Every time of a series (`column_B`) is a whole number of steps `freq` after its first one.

    Steps of unequal length, such as months, have one grid for all series (`column_A` names them).
    """

    freq: str
    ignore_row_if: str = "either_value_is_missing"
    domain_keys = _PairOnGridMetric.condition_domain_keys
    map_metric = "column_pair_values.on_grid"
    success_keys = ("freq", "mostly")


class _GapMetric(TableMetricProvider):  # type: ignore[misc]
    metric_name = "table.time_gaps"
    value_keys = (
        "time_column", "id_column", "freq", "value_column", "min_value", "max_value", "max_gap",
    )  # fmt: skip

    @metric_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,
        execution_engine: PandasExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: object,
    ) -> dict[str, Any]:
        frame, _domain, _accessor = execution_engine.get_compute_domain(
            domain_kwargs=metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE
        )
        asked = metric_value_kwargs
        seen = pd.Series(True, index=frame.index)
        if name := asked["value_column"]:
            outside = out_of_range(frame[name], asked["min_value"], asked["max_value"])
            seen = frame[name].notna() & ~outside
        runs = list(_runs(frame, asked["time_column"], asked["id_column"], asked["freq"], seen))
        if name:  # where no row is either, the time steps are missing: that is another rule's
            runs = [run for run in runs if run[3] > 0]
        long = [run for run in runs if run[2] > asked["max_gap"]]
        rows = [[series, begin.isoformat(), steps] for series, begin, steps, _n in long[:SAMPLE]]
        longest = max((run[2] for run in runs), default=0)
        return {"longest": longest, "n_long": len(long), "rows": rows}


class ExpectGapsToBeShort(BatchExpectation):  # type: ignore[misc]
    """No series lacks more than `max_gap` steps in a row: rows, or values of `value_column`.

    A run of missing values counts the missing rows within it; one of missing rows alone is none.
    Values below `min_value` or above `max_value` count as missing, where those are given.
    """

    time_column: str
    id_column: str | None = None
    freq: str
    value_column: str | None = None
    min_value: float | None = None
    max_value: float | None = None
    max_gap: int
    metric_dependencies = ("table.time_gaps",)
    success_keys = _GapMetric.value_keys

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: PandasExecutionEngine | None = None,
    ) -> dict[str, Any]:
        gaps = metrics["table.time_gaps"]
        return {
            "success": gaps["n_long"] == 0,
            "result": {"observed_value": gaps["longest"], "details": gaps},
        }
