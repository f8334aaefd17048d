"""Drift of the inputs: computed, and checked as expectations that leave their Data Docs."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from informer.config import FrameConfig
from informer.evaluation import channel_values
from tasks.monitoring.verdict import drift_of, split_rows
from tasks.settings import MonitorConfig, StoreError

__all__ = ["check_drift", "measure_drift"]


def check_drift(
    rows: pd.DataFrame,
    frame: FrameConfig,
    train_end: pd.Timestamp,
    settings: MonitorConfig,
    docs_dir: Path,
) -> tuple[pd.DataFrame, list[str]]:
    """The drift of every channel, as a table and as Data Docs.

    Args:
        rows: regular rows of all series.
        frame: which columns are what.
        train_end: the time at which the model's train rows end.
        settings: window, statistic and limit.
        docs_dir: folder of the Data Docs, made where it does not exist.

    Returns:
        The table of `drift_of`, and what Great Expectations could not check, a line each.

    Raises:
        StoreError: `docs_dir` cannot be written.
    """
    from tasks.monitoring.drift_rules import (
        drift_rule,  # Great Expectations takes seconds to import
    )
    from tasks.rows import run_suites

    table = drift_of(rows, frame, train_end, settings)
    reference, recent = split_rows(rows, frame, train_end, settings)
    compared = table[table["statistic"].notna()]
    names = list(compared["channel"])
    try:
        docs_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as folder:
            reference_path = Path(folder) / "reference.parquet"
            _wide(reference, frame, names).to_parquet(reference_path)
            rules = [
                drift_rule(name, reference_path, settings.drift_test, float(threshold))
                for name, threshold in zip(names, compared["threshold"], strict=True)
            ]
            suites = [("recent-rows", _wide(recent, frame, names), rules)]
            outcomes, _ = run_suites("drift", suites, docs_dir)
    except OSError as error:
        raise StoreError(
            f"cannot write the Data Docs to {docs_dir} ({type(error).__name__}). Choose a folder "
            "that you may write to."
        ) from error
    return table, [f"{one.told['column']}: {one.problem}" for one in outcomes if one.problem]


def _wide(rows: pd.DataFrame, frame: FrameConfig, names: list[str]) -> pd.DataFrame:
    """A column for each channel of each series, the shorter ones ending in missing values."""
    values = channel_values(rows, frame)
    return pd.DataFrame({name: pd.Series(values[name], dtype="float64") for name in names})


@task(name="drift", cache_policy=NO_CACHE, persist_result=False)
def measure_drift(
    rows: pd.DataFrame,
    frame: FrameConfig,
    train_end: pd.Timestamp,
    settings: MonitorConfig,
    docs_dir: Path,
) -> pd.DataFrame:
    """Compare each channel of late with the train rows; `check_drift` says what the names mean."""
    table, problems = check_drift(rows, frame, train_end, settings, docs_dir)
    logger = get_run_logger()
    for problem in problems:
        logger.warning("drift of %s", problem)
    n_drifted = int(table["drifted"].sum())
    logger.info("%s of %s channels drifted by %s", n_drifted, len(table), settings.drift_test)
    return table
