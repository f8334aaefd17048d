"""What a reconciliation did, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from prefect.artifacts import create_markdown_artifact

__all__ = ["Closed", "Reconciled", "Resumed", "report"]


@dataclass(frozen=True)
class Closed:
    """Something that was open and belonged to nobody.

    Attributes:
        kind: flow run, MLflow run, trial or slot.
        id: what it is known by where it is kept.
        reason: why nobody holds it any more.
    """

    kind: str
    id: str
    reason: str


@dataclass(frozen=True)
class Resumed:
    """A new run of a deployment, in place of one whose worker died."""

    flow_run_id: str
    name: str
    deployment: str
    resumed_from: str


@dataclass(frozen=True)
class Reconciled:
    """Everything that one reconciliation closed and ran again."""

    closed: list[Closed] = field(default_factory=list)
    resumed: list[Resumed] = field(default_factory=list)

    def as_record(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


def report(done: Reconciled) -> None:
    """The artifact `reconciled`, where there is anything to tell."""
    if not done.closed and not done.resumed:
        return
    lines = [f"- closed {c.kind} `{c.id}`: {c.reason}" for c in done.closed]
    lines += [
        f"- ran {r.deployment} again: `{r.flow_run_id}` replaces `{r.resumed_from}`"
        for r in done.resumed
    ]
    create_markdown_artifact(
        "# Reconciled\n\n" + "\n".join(lines), key="reconciled",
        description="What dead workers left open",
    )  # fmt: skip
