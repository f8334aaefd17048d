"""Drift as Great Expectations: the recent values of each channel against those of the train rows.

KL is an expectation that Great Expectations brings; the population stability index and the
Kolmogorov-Smirnov statistic are added here. All three give the numbers of
`informer.evaluation.drift`. The expectations name a file of the train rows: Great Expectations
copies its arguments many times over, and a list of 40,000 values took it minutes. Importing this
file imports Great Expectations (seconds), so `tasks.monitoring.drift` imports it late.

T rows
"""

from __future__ import annotations

from pathlib import Path
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

from informer.evaluation import Bins, ks, psi, smoothed

__all__ = [
    "ExpectColumnKolmogorovSmirnovToBeLessThan",
    "ExpectColumnPopulationStabilityToBeLessThan",
    "drift_rule",
]


class _StabilityMetric(ColumnAggregateMetricProvider):  # type: ignore[misc]  # GX is untyped here
    metric_name = "column.population_stability"
    value_keys = ("reference_path",)

    @column_aggregate_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: pd.Series[float], reference_path: str, **_: object) -> float:
        bins = Bins.of(_reference(reference_path, str(column.name)))
        return psi(bins.counts, bins.of_sample(column))


class _KolmogorovSmirnovMetric(ColumnAggregateMetricProvider):  # type: ignore[misc]
    metric_name = "column.kolmogorov_smirnov"
    value_keys = ("reference_path",)

    @column_aggregate_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: pd.Series[float], reference_path: str, **_: object) -> float:
        return ks(_reference(reference_path, str(column.name)), column)


class _AtMost(ColumnAggregateExpectation):  # type: ignore[misc]
    """The statistic of the only metric that it depends on is at most a limit."""

    reference_path: str
    threshold: float
    success_keys = ("reference_path", "threshold")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: PandasExecutionEngine | None = None,
    ) -> dict[str, Any]:
        (name,) = self.metric_dependencies
        value = float(metrics[name])
        return {"success": bool(value <= self.threshold), "result": {"observed_value": value}}


class ExpectColumnPopulationStabilityToBeLessThan(_AtMost):
    """The population stability index against the column of a Parquet file is at most a limit."""

    metric_dependencies = (_StabilityMetric.metric_name,)


class ExpectColumnKolmogorovSmirnovToBeLessThan(_AtMost):
    """The Kolmogorov-Smirnov statistic against the column of a Parquet file is at most a limit."""

    metric_dependencies = (_KolmogorovSmirnovMetric.metric_name,)


def _reference(path: str | Path, channel: str) -> npt.NDArray[np.float64]:
    """(T,) the values of a channel over the train rows, NaN where missing."""
    return pd.read_parquet(path, columns=[channel])[channel].to_numpy(dtype=np.float64)


def drift_rule(
    channel: str, reference_path: Path, test: str, threshold: float
) -> ColumnAggregateExpectation:
    """The expectation that a channel has not drifted.

    Args:
        channel: column of the recent rows, and of the file.
        reference_path: Parquet file of the train rows, at least one value in the channel; it is
            read when the expectation is checked.
        test: psi, ks or kl.
        threshold: the most that the statistic may be.
    """
    told = {
        "description": f"{channel}: expect {test.upper()} against the train rows to be at most "
        f"{threshold:.3f}",
        "meta": {"rule": "drift", "column": channel, "test": test},
    }
    if test == "kl":
        bins = Bins.of(_reference(reference_path, channel))
        shares = smoothed(bins.counts)
        partition = {
            "bins": bins.edges.tolist(),
            "weights": shares[1:-1].tolist(),
            "tail_weights": [float(shares[0]), float(shares[-1])],
        }
        return gxe.ExpectColumnKLDivergenceToBeLessThan(
            column=channel, partition_object=partition, threshold=threshold, **told
        )
    rule = {
        "psi": ExpectColumnPopulationStabilityToBeLessThan,
        "ks": ExpectColumnKolmogorovSmirnovToBeLessThan,
    }[test]
    return rule(column=channel, reference_path=str(reference_path), threshold=threshold, **told)
