"""Drift as Great Expectations: the recent values of each channel against those of the train rows.

KL is an expectation that Great Expectations brings; the population stability index and the
Kolmogorov-Smirnov statistic are added here. All three give the numbers of `informer.drift`.
Importing this file imports Great Expectations (seconds), so `tasks.drift` imports it late.

K bins   T rows
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnAggregateExpectation
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
    column_aggregate_value,
)

from informer.drift import Bins, ks, psi, smoothed

__all__ = [
    "ExpectColumnKolmogorovSmirnovToBeLessThan",
    "ExpectColumnPopulationStabilityToBeLessThan",
    "drift_rule",
]


class _StabilityMetric(ColumnAggregateMetricProvider):  # type: ignore[misc]  # GX is untyped here
    metric_name = "column.population_stability"
    value_keys = ("edges", "counts")

    @column_aggregate_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls, column: pd.Series[float], edges: list[float], counts: list[int], **_: object
    ) -> float:
        bins = Bins(np.array(edges), np.array(counts))
        return psi(bins.counts, bins.of_sample(column))


class _KolmogorovSmirnovMetric(ColumnAggregateMetricProvider):  # type: ignore[misc]
    metric_name = "column.kolmogorov_smirnov"
    value_keys = ("reference",)

    @column_aggregate_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: pd.Series[float], reference: list[float], **_: object) -> float:
        return ks(np.array(reference), column)


class ExpectColumnPopulationStabilityToBeLessThan(ColumnAggregateExpectation):  # type: ignore[misc]
    """The population stability index against `counts` of the bins at `edges` is at most a limit."""

    edges: list[float]
    counts: list[int]
    threshold: float
    metric_dependencies = (_StabilityMetric.metric_name,)
    success_keys = ("edges", "counts", "threshold")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: PandasExecutionEngine | None = None,
    ) -> dict[str, Any]:
        return _at_most(metrics[_StabilityMetric.metric_name], self.threshold)


class ExpectColumnKolmogorovSmirnovToBeLessThan(ColumnAggregateExpectation):  # type: ignore[misc]
    """The Kolmogorov-Smirnov statistic against the `reference` values is at most a limit."""

    reference: list[float]
    threshold: float
    metric_dependencies = (_KolmogorovSmirnovMetric.metric_name,)
    success_keys = ("reference", "threshold")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: PandasExecutionEngine | None = None,
    ) -> dict[str, Any]:
        return _at_most(metrics[_KolmogorovSmirnovMetric.metric_name], self.threshold)


def _at_most(value: float, threshold: float) -> dict[str, Any]:
    return {"success": bool(value <= threshold), "result": {"observed_value": float(value)}}


def drift_rule(
    channel: str, reference: npt.NDArray[np.float64], test: str, threshold: float
) -> ColumnAggregateExpectation:
    """The expectation that a channel has not drifted.

    Args:
        channel: column of the recent rows.
        reference: (T,) its values over the train rows, at least one there; NaN where missing.
        test: psi, ks or kl.
        threshold: the most that the statistic may be.
    """
    told = {
        "description": f"{channel}: expect {test.upper()} against the train rows to be at most "
        f"{threshold:.3f}",
        "meta": {"rule": "drift", "column": channel, "test": test},
    }
    values = reference[~np.isnan(reference)]
    if test == "ks":
        return ExpectColumnKolmogorovSmirnovToBeLessThan(
            column=channel, reference=values.tolist(), threshold=threshold, **told
        )
    bins = Bins.of(values)
    if test == "psi":
        return ExpectColumnPopulationStabilityToBeLessThan(
            column=channel, edges=bins.edges.tolist(), counts=bins.counts.tolist(),
            threshold=threshold, **told,
        )  # fmt: skip
    shares = smoothed(bins.counts)
    partition = {
        "bins": bins.edges.tolist(),
        "weights": shares[1:-1].tolist(),
        "tail_weights": [float(shares[0]), float(shares[-1])],
    }
    return gxe.ExpectColumnKLDivergenceToBeLessThan(
        column=channel, partition_object=partition, threshold=threshold, **told
    )
