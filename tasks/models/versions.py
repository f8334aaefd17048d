"""What the registry holds of a pipeline, for people: versions, and the history of promotions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.models.aliases import CHALLENGER, CHAMPION, PREVIOUS, alias_version
from tasks.models.ledger import Row, history, read_ledger, verify
from tasks.runs import connect
from tasks.settings import Home, RegistryError

__all__ = ["Version", "list_versions", "promotions", "require_challenger", "serving"]

ERRORS = ("mse", "mae", "coverage")


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        version: its number.
        aliases: those that it bears.
        estimator: `informer`, or the name of a baseline.
        created_at: UTC, ISO 8601.
        metrics: mse, mae and coverage on its test rows; None where it was not judged.
        verdict: of the gate, or WAITING for approval; empty where it was not judged.
        reason: of the verdict.
        run_id: the MLflow run that made it.
    """

    version: str
    aliases: tuple[str, ...]
    estimator: str
    created_at: str
    metrics: dict[str, float | None]
    verdict: str
    reason: str
    run_id: str


def list_versions(name: str, home: Home) -> list[Version]:
    """All versions, the newest first; none where nothing was registered yet."""
    client = connect(home)
    found = client.search_model_versions(f"name='{name}'")
    if not found:
        return []
    aliases: dict[str, list[str]] = {}
    for alias, number in client.get_registered_model(name).aliases.items():
        aliases.setdefault(str(number), []).append(alias)
    rows = [
        Version(
            version=str(one.version),
            aliases=tuple(sorted(aliases.get(str(one.version), []))),
            estimator=one.tags.get("estimator", ""),
            created_at=_utc(one.creation_timestamp),
            metrics={error: _number(one.tags, f"test_{error}") for error in ERRORS},
            verdict=one.tags.get("verdict", ""),
            reason=one.tags.get("reason", ""),
            run_id=one.run_id or "",
        )
        for one in found
    ]
    return sorted(rows, key=lambda row: int(row.version), reverse=True)


def _utc(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _number(tags: Mapping[str, str], key: str) -> float | None:
    return float(tags[key]) if key in tags else None


def promotions(name: str, home: Home) -> tuple[tuple[Row, ...], list[str]]:
    """The history of promotions, the oldest first, and what is wrong with the ledger."""
    client = connect(home)
    entries = read_ledger(client, name)
    rows = history(entries, alias_version(client, name, CHAMPION))
    return rows, verify(client, name, entries)


def serving(name: str, home: Home) -> tuple[str | None, str | None]:
    """The champion and the version before it, by alias."""
    client = connect(home)
    return alias_version(client, name, CHAMPION), alias_version(client, name, PREVIOUS)


def require_challenger(name: str, home: Home) -> str:
    """The version with that alias.

    Raises:
        RegistryError: none has it.
    """
    version = alias_version(connect(home), name, CHALLENGER)
    if version is None:
        raise RegistryError(
            f"model {name} has no challenger to promote. Run: informer retrain {name}, or give "
            "--version N."
        )
    return version
