"""The rules for time series that Great Expectations lacks: readable, finite, on the grid, no gaps.

    T rows of all series

Importing this file imports Great Expectations (seconds) and registers the rules there.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation, ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from pandas.tseries.offsets import Tick

from informer.data import parse_times
from informer.errors import FrameError, TimesError
from informer.frequency import pandas_offset
from tasks.rows.contract import out_of_range

__all__ = [
    "ExpectColumnTimesToBeOnGrid",
    "ExpectColumnValuesToBeFinite",
    "ExpectColumnValuesToBeReadable",
    "ExpectGapsToBeShort",
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
    if kind == "number" and not pd.api.types.is_numeric_dtype(column):
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


def positions(times: pd.Series[pd.Timestamp], freq: str) -> npt.NDArray[np.int64]:
    """(T,) number of each time on the grid of `freq` from the earliest on; -1 off the grid."""
    if not len(times):
        return np.empty(0, dtype=np.int64)
    offset, first = pandas_offset(freq), times.min()
    if not isinstance(offset, Tick):  # steps of unequal length, such as months
        return pd.date_range(first, times.max(), freq=offset).get_indexer(pd.Index(times))
    step = pd.Timedelta(offset)
    whole, rest = divmod(times - first, step)
    return np.where(rest == pd.Timedelta(0), whole, -1).astype(np.int64)


def _runs(
    frame: pd.DataFrame, time_column: str, id_column: str | None, freq: str, seen: pd.Series[bool]
) -> Iterator[tuple[str | None, pd.Timestamp, int, int]]:
    """Each run of grid steps at which a series was not `seen`.

    Yields:
        The series, the first time, how many steps, and for how many of them there is a row.
    """
    known = frame[time_column].notna()
    times = frame.loc[known, time_column]
    rows = pd.DataFrame({"place": positions(times, freq), "seen": seen[known]})
    rows = rows[rows["place"] >= 0]
    series = frame.loc[rows.index, id_column] if id_column else pd.Series("", index=rows.index)
    for name, part in rows.groupby(series, sort=True):
        place = part["place"].to_numpy()
        edges = [place.min() - 1, place.max() + 1]
        at = np.unique(np.concatenate([edges, place[part["seen"]]]))
        for before, after in pairwise(at):
            if after - before > 1:
                begin = times.min() + (int(before) + 1) * pandas_offset(freq)
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
        return ~pd.to_numeric(column, errors="coerce").isin([np.inf, -np.inf])


class ExpectColumnValuesToBeFinite(ColumnMapExpectation):  # type: ignore[misc]
    """No value is infinite; one that is no number is left to another rule."""

    map_metric = "column_values.finite"


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
