"""Suites of expectations, run by Great Expectations on frames, with Data Docs.

Importing this file imports Great Expectations (seconds).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

__all__ = ["Outcome", "run_suites"]

RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": 20}


@dataclass(frozen=True)
class Outcome:
    """What Great Expectations says of one rule.

    Attributes:
        told: the rule's name, column, expectation in words, noun and severity, as given to it.
        success: whether the data keeps it.
        result: GX's own record: counts, and positions of offending rows in the frame.
        problem: why the rule could not be evaluated, else empty; such a rule has failed.
    """

    told: dict[str, Any]
    success: bool
    result: dict[str, Any]
    problem: str


def run_suites(
    title: str, suites: Iterable[tuple[str, pd.DataFrame, list[Any]]], docs_dir: Path
) -> tuple[list[Outcome], Path]:
    """Check frames against expectations and write the Data Docs.

    Args:
        title: what the pages are named by.
        suites: name of a suite, the rows that it checks, and its expectations, each with the
            `meta` that `Outcome.told` gives back; a suite of none is left out.
        docs_dir: folder of the Data Docs, made where it does not exist.

    Returns:
        One outcome for each expectation, and the first page of the Data Docs.
    """
    context = _context(docs_dir)
    source = context.data_sources.add_pandas(title)
    run_id = RunIdentifier(run_name=title)
    outcomes: list[Outcome] = []
    for suite_name, rows, rules in suites:
        if not rules:
            continue
        batch = source.add_dataframe_asset(suite_name).add_batch_definition_whole_dataframe("all")
        name = f"{title}-{suite_name}"
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=rules))
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batch, suite=suite)
        )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(
                name=name, validation_definitions=[definition], result_format=RESULT_FORMAT
            )
        )
        done = checkpoint.run(batch_parameters={"dataframe": rows}, run_id=run_id)
        (checked,) = done.run_results.values()
        outcomes += [_outcome(one) for one in checked.results]
    return outcomes, _write_docs(context, docs_dir)


def _context(docs_dir: Path) -> EphemeralDataContext:
    """GX's state, in memory: no bars, no usage statistics, one site of Data Docs."""
    site = {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(docs_dir.resolve()),
        },
    }
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        data_docs_sites={"local": site},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _write_docs(context: EphemeralDataContext, docs_dir: Path) -> Path:
    context.build_data_docs(site_names=["local"])
    return docs_dir / "index.html"


def _outcome(checked: ExpectationValidationResult) -> Outcome:
    """Read GX's record of one expectation; one that raised has failed and says why."""
    info = checked.exception_info or {}
    raised = [info] if "raised_exception" in info else list(info.values())
    problems = [str(one.get("exception_message")) for one in raised if one.get("raised_exception")]
    return Outcome(
        told=dict(checked.expectation_config.meta),
        success=bool(checked.success),
        result=dict(checked.result or {}),
        problem=" ".join(" ".join(problems).split()),
    )
