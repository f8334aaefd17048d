"""Whether forecasts got worse and inputs moved: frames, limits and a promise in, a verdict out.

Nothing in here knows a server or a store, so that a replay judges as the monitor does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from informer.config import FrameConfig
from informer.data import frame_times
from informer.evaluation import drift_table
from tasks.settings import MonitorConfig, duration

__all__ = [
    "Promised", "Verdict", "drift_of", "in_window", "judge", "judge_drift", "judge_errors",
    "split_rows", "window_start",
]  # fmt: skip

MAX_NAMED = 5  # drifted channels that a sentence names


@dataclass(frozen=True)
class Promised:
    """What the backtest of a version said; None where the version does not carry it.

    Attributes:
        version: of the model.
        mae: in units of its train rows' deviation.
        mase: in seasonal differences.
        coverage: share of actuals within the 80 % interval.
    """

    version: str
    mae: float | None = None
    mase: float | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What monitoring found, and why: a sentence of numbers for each half.

    Attributes:
        degraded: the forecasts are worse than promised.
        drifted: the inputs are not those of the train rows.
        errors: the sentence on the forecasts.
        drift: the sentence on the inputs.
    """

    degraded: bool
    drifted: bool
    errors: str
    drift: str

    @property
    def reasons(self) -> tuple[str, str]:
        """Both sentences."""
        return self.errors, self.drift


def window_start(last: pd.Timestamp, settings: MonitorConfig) -> pd.Timestamp:
    """The time after which the window of `settings` up to `last` begins."""
    return last - duration(settings.window)


def in_window(errors: pd.DataFrame, last: pd.Timestamp, settings: MonitorConfig) -> pd.DataFrame:
    """The rows whose forecast time `ds` lies in the window up to `last`."""
    return errors[(errors["ds"] > window_start(last, settings)) & (errors["ds"] <= last)]


def drift_of(
    rows: pd.DataFrame, frame: FrameConfig, train_end: pd.Timestamp, settings: MonitorConfig
) -> pd.DataFrame:
    """The `drift_table` of the window up to the last row against the rows before `train_end`.

    Args:
        rows: regular rows of all series.
        frame: which columns are what.
        train_end: the time at which the model's train rows end; none of them counts as recent.
        settings: window, statistic and limit.
    """
    reference, recent = split_rows(rows, frame, train_end, settings)
    return drift_table(reference, recent, frame, settings.drift_test, settings.drift_limit)


def split_rows(
    rows: pd.DataFrame, frame: FrameConfig, train_end: pd.Timestamp, settings: MonitorConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The train rows and the rows of the window, which share none."""
    times = frame_times(rows, frame)
    is_recent = (times > window_start(times.max(), settings)) & (times >= train_end)
    return rows[times < train_end], rows[is_recent]


def judge(
    errors: pd.DataFrame, drift: pd.DataFrame, promised: Promised, settings: MonitorConfig
) -> Verdict:
    """Both halves of the verdict.

    Args:
        errors: rows of `informer.evaluation.realized_errors` that `promised` speaks of and the
            window holds.
        drift: as `drift_of` gives it.
        promised: what the version's backtest said.
        settings: the limits.
    """
    degraded, told = judge_errors(errors, promised, settings)
    drifted, said = judge_drift(drift, settings)
    return Verdict(degraded, drifted, told, said)


def judge_errors(
    errors: pd.DataFrame, promised: Promised, settings: MonitorConfig
) -> tuple[bool, str]:
    """Whether the forecasts are worse than promised, and the sentence that says so."""
    who = f"version {promised.version}"
    n_cutoffs = errors["cutoff"].nunique()
    known = (promised.mae, promised.coverage)
    if promised.mae is None or promised.coverage is None or not all(map(_is_finite, known)):
        return False, f"{who} has no recorded errors on the test rows to compare with."
    if n_cutoffs < settings.min_forecasts:
        return False, (
            f"{n_cutoffs} cutoffs of {who} have actual values in the last {settings.window}; "
            f"{settings.min_forecasts} are needed to judge it."
        )
    mae, coverage = errors["mae"].mean(), errors["coverage"].mean()
    most = promised.mae * (1 + settings.max_degradation)
    off = abs(coverage - promised.coverage)
    degraded = not (mae <= most and off <= settings.coverage_tolerance)  # a NaN is no success
    return degraded, (
        f"MAE {mae:.4f} over {n_cutoffs} cutoffs of {who} in the last {settings.window}, promised "
        f"{promised.mae:.4f} (limit {most:.4f}); 80 % interval covers {coverage:.1%}, promised "
        f"{promised.coverage:.1%} (difference {off:.1%}, limit {settings.coverage_tolerance:.1%})."
    )


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def judge_drift(drift: pd.DataFrame, settings: MonitorConfig) -> tuple[bool, str]:
    """Whether enough channels have drifted, and the sentence that says so."""
    compared = drift[drift["statistic"].notna()]
    if compared.empty:
        return False, "drift is unknown: no channel has values in the train rows and after them."
    moved = drift[drift["drifted"]].sort_values("statistic", ascending=False)
    share = len(moved) / len(drift)
    named = ", ".join(
        f"{row.channel} {row.statistic:.3f} (limit {row.threshold:.3f})"
        for row in moved.head(MAX_NAMED).itertuples()
    )
    more = f" and {len(moved) - MAX_NAMED} more" if len(moved) > MAX_NAMED else ""
    return share >= settings.min_drifted, (
        f"{len(moved)} of {len(drift)} channels drifted by {settings.drift_test} "
        f"({share:.0%}; limit {settings.min_drifted:.0%})" + (f": {named}{more}." if named else ".")
    )
