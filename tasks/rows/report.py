"""What a validation found, as small records, and its three readers: one line, a table, a page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.settings import mark_used, replaced

__all__ = [
    "OffendingRow",
    "RuleResult",
    "ValidationReport",
    "keep_report",
    "kept_report",
    "report_markdown",
    "report_message",
    "report_table",
]

KEPT = "report.json"
MAX_ROWS_TOLD = 3  # offending rows of each rule that the one-line message names


@dataclass(frozen=True)
class OffendingRow:
    """Where a rule fails: the series (None where there is one), the time and the value there."""

    series: str | None
    time: str | None
    value: str | float | None

    def __str__(self) -> str:
        """`EWR 2013-02-12T08:00:00Z 1048.4`; a missing value is left out."""
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return " ".join(str(part) for part in (self.series, self.time, value) if part is not None)


@dataclass(frozen=True)
class RuleResult:
    """One rule of the contract and how the data stands to it.

    Attributes:
        rule: rows, present, type, missing, finite, square, sentinels, range, values, complete,
            unique, regular, gap or value gap.
        column: the column it is about; None for the table.
        severity: `critical` or `warning`.
        success: whether the data keeps the rule.
        observed: what came, in words.
        expected: what should have come, in words.
        n_unexpected: how many values, rows or gaps break it, tolerated ones included.
        rows: the first of them.
        mend: what to do about it, where that is known.
    """

    rule: str
    column: str | None
    severity: str
    success: bool
    observed: str
    expected: str
    n_unexpected: int
    rows: tuple[OffendingRow, ...]
    mend: str = ""

    def __str__(self) -> str:
        """The rule, what came and the first offending rows, in one line."""
        where = self.rule if self.column is None else f"{self.column} ({self.rule})"
        rows = "; ".join(str(row) for row in self.rows[:MAX_ROWS_TOLD])
        return f"{where}: expected {self.expected}, but {self.observed}" + (
            f" [{rows}]" if rows else ""
        )


@dataclass(frozen=True)
class ValidationReport:
    """Every rule of a contract; `success` means that no critical one failed.

    Attributes:
        contract: its name.
        success: whether the run may go on.
        n_rows: how many rows were checked.
        rules: one result for each rule, broken ones first.
        docs_path: first page of the Data Docs.
    """

    contract: str
    success: bool
    n_rows: int
    rules: tuple[RuleResult, ...]
    docs_path: Path

    @property
    def broken(self) -> tuple[RuleResult, ...]:
        """The rules that failed, critical or not."""
        return tuple(rule for rule in self.rules if not rule.success)


def report_message(report: ValidationReport) -> str:
    """One line: every critical rule that failed, what came, and the first offending rows."""
    broken = [rule for rule in report.broken if rule.severity == "critical"]
    n_rules = "1 rule" if len(broken) == 1 else f"{len(broken)} rules"
    told = " | ".join(str(rule) for rule in broken)
    mends = [rule.mend for rule in broken if rule.mend]
    if len(mends) < len(broken):
        mends.append("Correct the data, or relax the contract.")
    return (
        f"the data break {n_rules} of the contract {report.contract!r}: {told}. "
        f"{' '.join(mends)} All rules are in {report.docs_path}."
    )


def report_table(report: ValidationReport) -> list[dict[str, Any]]:
    """One record for each rule, for a table."""
    return [
        {
            "rule": rule.rule,
            "column": rule.column or "",
            "severity": rule.severity,
            "kept": rule.success,
            "expected": rule.expected,
            "observed": rule.observed,
            "rows": "; ".join(str(row) for row in rule.rows),
        }
        for rule in report.rules
    ]


def report_markdown(report: ValidationReport) -> str:
    """The report for a reader: the verdict, then what failed, then what was tolerated."""
    n_kept = sum(rule.success for rule in report.rules)
    verdict = "kept" if report.success else "**broken**"
    lines = [
        f"# Contract {report.contract}: {verdict}",
        f"{report.n_rows:,} rows; {n_kept} of {len(report.rules)} rules kept. "
        f"Data Docs: `{report.docs_path}`",
    ]
    if report.broken:
        lines += ["## Broken rules", *_markdown_table(report.broken)]
    tolerated = [rule for rule in report.rules if rule.success and rule.n_unexpected]
    if tolerated:
        lines += ["## Tolerated by the contract", *_markdown_table(tolerated)]
    return "\n\n".join(lines)


def _markdown_table(rules: Iterable[RuleResult]) -> list[str]:
    rows = [
        (
            r.column or "(table)",
            r.rule,
            r.severity,
            r.expected,
            r.observed,
            "; ".join(map(str, r.rows)),
        )
        for r in rules
    ]
    header = ("column", "rule", "severity", "expected", "came", "first rows")
    lines = [header, ("---",) * len(header), *rows]
    return ["\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in lines)]


def keep_report(report: ValidationReport, docs_dir: Path, key: str) -> None:
    """Keep a report beside its Data Docs, under a key of all that it depends on."""
    content = {"key": key, "report": asdict(report) | {"docs_path": report.docs_path.name}}
    with replaced(docs_dir / KEPT) as draft:
        draft.write_text(json.dumps(content, indent=2), encoding="utf-8")


def kept_report(docs_dir: Path, key: str) -> ValidationReport | None:
    """The report that was kept beside the Data Docs; None where it is of another key."""
    try:
        content = json.loads((docs_dir / KEPT).read_text(encoding="utf-8"))
        if content["key"] != key:
            return None
        found = content["report"]
        rules = tuple(
            RuleResult(**rule | {"rows": tuple(OffendingRow(**row) for row in rule["rows"])})
            for rule in found["rules"]
        )
        docs_path = docs_dir / found["docs_path"]
        if not docs_path.is_file():
            return None
        mark_used(docs_dir)
        return ValidationReport(**found | {"rules": rules, "docs_path": docs_path})
    except (OSError, ValueError, KeyError, TypeError):  # none was kept, or not all of it is there
        return None
