"""The decision of a run: one record, written once, from which everything else is derived.

The ledger, the aliases, tags, `gate.json`, the artifacts and the report say what stands in it. They
may be made again and again, by a retry or by a run that goes on; the decision is never taken twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tasks.judging.evaluate import Windows
from tasks.judging.gate import Check, Evidence, Ruling, Verdict
from tasks.runs import Stage
from tasks.settings import Home, finite

__all__ = ["Decision", "decided_once"]


@dataclass(frozen=True)
class Decision:
    """What was decided of a challenger, and by what.

    Attributes:
        run_id: the MLflow run that decided.
        challenger: the version that was judged.
        champion: the version that served when the run began; None where none did.
        ruling: the verdict, its reason, who serves, and each check; a person's word is in it.
        evidence: the errors and tests that it follows from.
        windows: the windows that were judged.
    """

    run_id: str
    challenger: str
    champion: str | None
    ruling: Ruling
    evidence: Evidence
    windows: Windows

    @property
    def verdict(self) -> Verdict:
        """PROMOTE, HOLD or FALLBACK."""
        return self.ruling.verdict

    @property
    def reason(self) -> str:
        """The verdict's reason, in a sentence."""
        return self.ruling.reason

    @property
    def serves(self) -> str:
        """`informer`, `champion`, or the name of a baseline."""
        return self.ruling.serves

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every rule that was looked at."""
        return self.ruling.checks

    def as_record(self) -> dict[str, Any]:
        """As JSON holds it: the ruling first; null where a number is not finite."""
        rest = asdict(self)
        record: dict[str, Any] = finite(rest.pop("ruling") | rest)
        return record


DECIDE = Stage("decide", Decision)


def decided_once(run_id: str, home: Home, decide: Callable[[], Decision]) -> Decision:
    """The decision of a run: the one that is written down, or a new one, which is written down.

    It is called by the flow itself, not as a task: a person may be asked, which suspends the flow.

    Args:
        run_id: the MLflow run.
        home: where the stores are.
        decide: takes the decision.
    """
    key = DECIDE.key(home, run_id)
    decision = DECIDE.kept(key, home)
    if decision is None:
        decision = decide()
        DECIDE.keep(key, home, decision)
    return decision
