"""The content gate: raw rows against their contract, with Great Expectations.

A breach stops the run before anything is trained. The report names every rule that failed and its
first offending rows; the Data Docs and the Prefect artifacts exist before the error is raised.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from informer.config import FrameConfig
from informer.data import fitting_freq, mend_of_freq
from tasks.rows.contract import Contract, check_columns, of_a_part, read_contract
from tasks.rows.report import (
    OffendingRow,
    RuleResult,
    ValidationReport,
    keep_report,
    kept_report,
    report_markdown,
    report_message,
    report_table,
)
from tasks.runs import code_digest
from tasks.settings import ContractError, SourceError, StoreError

if TYPE_CHECKING:
    from tasks.rows.suites import Outcome

__all__ = ["validate_frame", "validate_snapshot"]

# What a report depends on.
CODE = (
    *(f"tasks.rows.{n}" for n in ("validate", "contract", "layout", "expectations", "rules")),
    "tasks.rows.sentinels", "tasks.rows.suites", "tasks.rows.report", "informer.data.grid",
    *(f"informer.data.{n}" for n in ("columns", "sentinels", "times", "written", "numbered")),
    "informer.data.local", "informer.data.step",
)  # fmt: skip
MAX_ROWS = 5  # offending rows that a report keeps of each rule


def validate_frame(
    frame: pd.DataFrame,
    contract: Contract,
    *,
    time_column: str,
    id_column: str | None,
    docs_dir: Path,
    clock: FrameConfig | None = None,
) -> ValidationReport:
    """Check raw rows against a contract.

    Args:
        frame: the rows as they came, in any order.
        contract: what they must keep.
        time_column: column of times.
        id_column: column of series names; None where there is one series.
        docs_dir: folder of the Data Docs, made where it does not exist.
        clock: how the times are read; None: as they stand.

    Returns:
        The report; a broken contract is a report too.

    Raises:
        TimesError: the times can be read in more than one way.
        StoreError: `docs_dir` cannot be written.
    """
    from tasks.rows.rules import run_rules  # Great Expectations takes seconds to import

    rows = frame.reset_index(drop=True)
    try:
        docs_dir.mkdir(parents=True, exist_ok=True)
        outcomes, docs_path = run_rules(rows, contract, time_column, id_column, docs_dir, clock)
    except OSError as error:
        raise StoreError(
            f"cannot write the Data Docs to {docs_dir} ({type(error).__name__}). Choose a folder "
            "that you may write to."
        ) from error
    results = [_rule_result(outcome, rows, time_column, id_column) for outcome in outcomes]
    results = [_with_mend(result, rows, contract, time_column, clock) for result in results]
    results.sort(key=lambda result: (result.success, result.severity != "critical"))
    return ValidationReport(
        contract=contract.name,
        success=not any(r.severity == "critical" and not r.success for r in results),
        n_rows=len(rows),
        rules=tuple(results),
        docs_path=docs_path,
    )


def _rule_result(
    outcome: Outcome, frame: pd.DataFrame, time_column: str, id_column: str | None
) -> RuleResult:
    told, result = outcome.told, outcome.result
    details = result.get("details") or {}
    if "rows" in details:
        rows = [OffendingRow(s, t, f"{n} steps") for s, t, n in details["rows"][:MAX_ROWS]]
    else:
        labels = details.get("at") or result.get("partial_unexpected_index_list") or []
        rows = [
            _row(frame, int(i), time_column, id_column, told["column"]) for i in labels[:MAX_ROWS]
        ]
    n_unexpected = details.get("n_long", details.get("count", result.get("unexpected_count")))
    return RuleResult(
        rule=told["rule"],
        column=told["column"],
        severity=told["severity"],
        success=outcome.success,
        observed=_observed(outcome, frame),
        expected=told["expected"],
        n_unexpected=int(not outcome.success) if n_unexpected is None else int(n_unexpected),
        rows=tuple(rows),
    )


def _with_mend(
    result: RuleResult,
    frame: pd.DataFrame,
    contract: Contract,
    time_column: str,
    clock: FrameConfig | None,
) -> RuleResult:
    """A result with what to do about times that lie on the grid of another step."""
    if result.rule != "regular" or result.success:
        return result
    from tasks.rows.rules import as_read

    times = pd.DatetimeIndex(as_read(frame, contract, None, clock)[time_column].dropna())
    found = fitting_freq(times)
    if found is None:
        return result
    mend = mend_of_freq(times, "frame.freq, and freq under table in the contract,")
    return replace(result, mend=mend)


def _row(
    frame: pd.DataFrame, at: int, time_column: str, id_column: str | None, column: str | None
) -> OffendingRow:
    """Row number `at` of `frame`, with its value in `column` unless that is the time."""
    found = {
        name: frame[name].iloc[at]
        for name in (id_column, time_column, column)
        if name in frame and not pd.isna(frame[name].iloc[at])
    }
    value = None if column == time_column else found.get(column)
    return OffendingRow(
        series=str(found[id_column]) if id_column in found else None,
        time=str(found[time_column]) if time_column in found else None,
        value=_plain(value),
    )


def _plain(value: Any) -> str | float | None:  # noqa: ANN401 -- whatever a cell holds
    if value is None:
        return None
    return float(value) if isinstance(value, Real) else str(value)


def _observed(outcome: Outcome, frame: pd.DataFrame) -> str:
    """What came, in words."""
    rule, noun, result = outcome.told["rule"], outcome.told["noun"], outcome.result
    if outcome.problem:
        return f"the rule cannot be checked on this data ({outcome.problem})"
    if rule == "rows":
        return f"there are {len(frame):,}"
    if rule == "present":
        columns = ", ".join(map(str, frame.columns))
        return "it is" if outcome.success else f"there are only {columns or 'none'}"
    if rule == "complete":
        absent = ", ".join(map(str, result.get("partial_missing_list") or []))
        return f"{absent} not found" if absent else "they do"
    if rule == "sentinels":
        return _sentinels(str(result["observed_value"]), outcome.success)
    if "details" in result:
        longest, n_long = result["observed_value"], result["details"]["n_long"]
        places = "" if outcome.success else f", in {n_long:,} place{'s' * (n_long > 1)}"
        return f"up to {longest} are{places}"
    total = result["element_count"] - (0 if rule == "missing" else result.get("missing_count", 0))
    count = result["unexpected_count"] or 0
    share = f" ({100 * count / total:.3g}%)" if count and rule in {"missing", "range"} else ""
    return f"{count:,} of {total:,} {noun}{share}"


def _sentinels(reason: str, success: bool) -> str:
    """What was found among the values, and where it breaks the contract, what mends it."""
    if not reason:
        return "nothing speaks against it"
    mends = "; give the column min and max, or set its sentinels to missing or keep"
    return reason + ("" if success else mends)


def _report(
    snapshot_path: Path, contract: Contract, frame: FrameConfig, docs_dir: Path
) -> ValidationReport:
    """The report that was kept of the same rows and contract, or a new one."""
    try:
        key = _key(snapshot_path, contract, frame)
        kept = kept_report(docs_dir, key)
        if kept is not None:
            return kept
        rows = pd.read_parquet(snapshot_path)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"cannot read the snapshot {snapshot_path} ({type(error).__name__}). "
            "Load the data again."
        ) from error
    report = validate_frame(
        rows,
        contract,
        time_column=frame.time_column,
        id_column=frame.id_column,
        docs_dir=docs_dir,
        clock=frame,
    )
    keep_report(report, docs_dir, key)
    return report


def _key(snapshot_path: Path, contract: Contract, frame: FrameConfig) -> str:
    """A digest of all that a report depends on."""
    with snapshot_path.open("rb") as file:
        rows = hashlib.file_digest(file, "sha256").hexdigest()
    columns = (frame.time_column, frame.id_column, frame.freq)
    clock = (frame.time_zone, frame.naive, frame.time_format)
    engine = importlib.metadata.version("great_expectations")
    parts = (rows, contract.model_dump(mode="json"), columns, clock, engine, code_digest(CODE))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@task(name="validate", cache_policy=NO_CACHE, persist_result=False)
def validate_snapshot(
    snapshot_path: Path,
    contract_path: Path,
    frame: FrameConfig,
    docs_dir: Path,
    *,
    is_part: bool = False,
) -> ValidationReport:
    """Check a snapshot against its contract; stop the run where a critical rule is broken.

    Rows that were held against the same contract before are not checked again: Great Expectations
    takes seconds, and the report that lies beside its Data Docs is taken over.

    Args:
        snapshot_path: Parquet file of the rows as they came.
        contract_path: file of the contract.
        frame: which columns of the snapshot are what.
        docs_dir: folder of the Data Docs.
        is_part: whether the rows only continue the data set, see `of_a_part`.

    Returns:
        The report, shown as a markdown and a table artifact.

    Raises:
        ConfigError: the contract cannot be used, or does not fit `frame`.
        SourceError: the snapshot cannot be read.
        StoreError: `docs_dir` cannot be written.
        ContractError: a critical rule is broken.
    """
    contract = read_contract(contract_path)
    check_columns(contract, frame)
    if is_part:
        contract = of_a_part(contract)
    report = _report(snapshot_path, contract, frame, docs_dir)
    create_markdown_artifact(report_markdown(report), key="validation")
    create_table_artifact(report_table(report), key="validation-rules")
    logger = get_run_logger()
    for rule in report.broken:
        logger.warning("%s", rule)
    if not report.success:
        raise ContractError(report_message(report))
    logger.info("%s rows satisfy the contract %s", f"{report.n_rows:,}", report.contract)
    return report
