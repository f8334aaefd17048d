"""The ledger of promotions: what served when, who or what changed it, and why.

MLflow keeps the present aliases and no past ones. The entries are tags of the registered model, one
each, so that they live where the registry lives; none is ever changed. An entry carries the hashes
of the entries that no other one names yet, usually one: a changed or removed entry leaves a name
without its entry. Two that are written at once name the same predecessor, and the next names both.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import socket
import uuid
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import mlflow

from tasks.settings import RegistryError

__all__ = [
    "Action", "Entry", "Facts", "Row", "anchor", "entry_of", "history", "last_move",
    "read_ledger", "record",    "unfinished", "verify",
]  # fmt: skip

PREFIX = "ledger."
SHOWN = ("when", "who", "action", "version", "from_version", "to_version", "reason", "facts")
MAX_TAG = 5000  # characters that MLflow's databases keep of a registered model's tag
CUT = " ..."

Action = Literal["promote", "rollback", "fallback", "hold"]


@dataclass(frozen=True)
class Facts:
    """What an entry says of the version that it is about; empty where that is not known.

    Attributes:
        windows: first and last cutoff that it was judged on, and how many windows.
        data_sha256: of the data that it was trained on.
        git_commit: of the code.
        run_id: the MLflow run that made it.
    """

    windows: dict[str, Any] = field(default_factory=dict)
    data_sha256: str = ""
    git_commit: str = ""
    run_id: str = ""


@dataclass(frozen=True)
class Entry:
    """One decision; `hold` moved nothing, all others made `to_version` the champion.

    Attributes:
        when: UTC, ISO 8601 with microseconds.
        who: user@host of the process, or the name and id of the flow run.
        action: what was done.
        version: the version that was judged or asked for.
        from_version: the champion before; None where there was none.
        to_version: the champion after; None only for a hold where there is none.
        reason: in a sentence.
        facts: of `version`.
        before: hashes of the entries that none named when this one was written.
        id: tells apart what was written at the same time.
        sha256: of all of the above.
    """

    when: str
    who: str
    action: Action
    version: str
    from_version: str | None
    to_version: str | None
    reason: str
    facts: Facts
    before: tuple[str, ...] = ()
    id: str = ""
    sha256: str = ""

    @property
    def key(self) -> str:
        """The name of its tag; the names sort by time."""
        return f"{PREFIX}{''.join(c for c in self.when if c.isalnum())}.{self.id}"

    @property
    def text(self) -> str:
        """What its tag holds: JSON, in which a character of any script counts as one."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @property
    def digest(self) -> str:
        """What `sha256` must be."""
        content = asdict(replace(self, sha256=""))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """A line of the history: an entry, or a move that has none (`outside`).

    `state` is `done`, or `unfinished` for a move that a crash kept from taking effect.
    """

    when: str
    who: str
    action: str
    version: str
    from_version: str | None
    to_version: str | None
    reason: str
    facts: Facts = Facts()
    state: str = "done"


def read_ledger(client: mlflow.MlflowClient, name: str) -> tuple[Entry, ...]:
    """All entries, the oldest first; none where the model is not registered or has none.

    Raises:
        RegistryError: an entry cannot be read.
    """
    entries = []
    for key, value in _tags(client, name).items():
        if not key.startswith(PREFIX):
            continue
        try:
            raw = json.loads(value)
            raw |= {"facts": Facts(**raw["facts"]), "before": tuple(raw["before"])}
            entries.append(Entry(**raw))
        except (ValueError, TypeError, KeyError) as error:
            raise RegistryError(
                f"the ledger entry {key} of model {name} cannot be read ({error}). Somebody "
                "changed that tag. Restore it from a backup of the MLflow store."
            ) from error
    return tuple(sorted(entries, key=lambda entry: (entry.when, entry.id)))


def _tags(client: mlflow.MlflowClient, name: str) -> dict[str, str]:
    try:
        return dict(client.get_registered_model(name).tags)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise


def record(
    client: mlflow.MlflowClient,
    name: str,
    action: Action,
    version: str,
    between: tuple[str | None, str | None],
    reason: str,
    facts: Facts,
    *,
    run_id: str | None = None,
) -> Entry:
    """Add an entry; the one of the same action, version and run is given back, where there is one.

    Args:
        client: of the registry.
        name: of the registered model.
        action: what is done.
        version: the version that it is about.
        between: the champion before and after.
        reason: in a sentence; cut where the entry would be too long for a tag.
        facts: of the version.
        run_id: the MLflow run that decided so, which does it once however often it is carried out;
            None: every call is a decision of its own.
    """
    entries = read_ledger(client, name)
    own = None if run_id is None else entry_of(entries, action, version, run_id)
    if own is not None:
        anchor(client, name, own)
        return own
    named = {sha256 for entry in entries for sha256 in entry.before}
    entry = Entry(
        when=datetime.now(UTC).isoformat(timespec="microseconds"),
        who=_who(),
        action=action,
        version=version,
        from_version=between[0],
        to_version=between[1],
        reason=reason.encode(errors="replace").decode(),  # a text that the database can hold
        facts=facts,
        before=tuple(sorted(entry.sha256 for entry in entries if entry.sha256 not in named)),
        id=uuid.uuid4().hex[:8] if run_id is None else _id(action, version, run_id),
    )
    entry = _cut(entry)
    entry = replace(entry, sha256=entry.digest)
    client.set_registered_model_tag(name, entry.key, entry.text)
    anchor(client, name, entry)
    return entry


def entry_of(entries: Sequence[Entry], action: Action, version: str, run_id: str) -> Entry | None:
    """The entry by which a run has done something already."""
    wanted = _id(action, version, run_id)
    return next((entry for entry in entries if entry.id == wanted), None)


def _id(action: Action, version: str, run_id: str) -> str:
    return hashlib.sha256(f"{action} {version} {run_id}".encode()).hexdigest()[:8]


def _cut(entry: Entry) -> Entry:
    """The same with as much of its reason as its tag has room for, beside all else."""

    def length(n: int) -> int:
        return len(replace(entry, reason=entry.reason[:n] + CUT, sha256=entry.digest).text)

    if len(replace(entry, sha256=entry.digest).text) <= MAX_TAG:
        return entry
    n = bisect_right(range(len(entry.reason)), MAX_TAG, key=length) - 1
    return replace(entry, reason=entry.reason[: max(n, 0)] + CUT)


def anchor(client: mlflow.MlflowClient, name: str, entry: Entry) -> None:
    """Let the version that an entry is about bear its hash, under a key that no other writes."""
    client.set_model_version_tag(name, entry.version, f"{PREFIX}{entry.id}", entry.sha256)


def _who() -> str:
    from prefect.runtime import flow_run  # which a look at the ledger needs not

    if flow_run.id is not None:
        return f"flow run {flow_run.name} ({flow_run.id})"
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def verify(client: mlflow.MlflowClient, name: str, entries: Sequence[Entry]) -> list[str]:
    """What is wrong with the chain, a sentence each; none where every entry is as it was written.

    An entry that none names yet is held in place by the version that it is about, which bears its
    hash too.
    """
    problems = [
        f"the entry of {entry.when} ({entry.action}, version {entry.version}) was changed"
        for entry in entries
        if entry.sha256 != entry.digest
    ]
    known = {entry.sha256 for entry in entries}
    for entry in entries:
        lost = [sha256 for sha256 in entry.before if sha256 not in known]
        if lost:
            problems.append(f"{len(lost)} before the entry of {entry.when} is missing")
    for version in client.search_model_versions(f"name='{name}'"):
        problems += [
            f"an entry about version {version.version} is missing"
            for key, sha256 in version.tags.items()
            if key.startswith(PREFIX) and sha256 not in known
        ]
    return problems


def last_move(entries: Sequence[Entry]) -> Entry | None:
    """The newest entry that is no hold."""
    return next((entry for entry in reversed(entries) if entry.action != "hold"), None)


def unfinished(entries: Sequence[Entry], champion: str | None) -> Entry | None:
    """The newest move, where a crash came between its entry and the alias."""
    last = last_move(entries)
    if last is None or champion == last.to_version or champion != last.from_version:
        return None
    return last


def history(entries: Sequence[Entry], champion: str | None) -> tuple[Row, ...]:
    """The entries, and a row `outside` wherever the champion is not what the ledger made it.

    Args:
        entries: in the order of time.
        champion: the version with that alias now.
    """
    rows: list[Row] = []
    served: str | None = None
    starts = [entry.from_version for entry in entries if entry.action != "hold"][1:]
    afterwards = iter([*starts, champion])
    for entry in entries:
        shown = {name: getattr(entry, name) for name in SHOWN}
        if entry.action == "hold":
            rows.append(Row(**shown))
            continue
        if entry.from_version != served:
            rows.append(_outside(served, entry.from_version, f"before {entry.when}"))
        undone = next(afterwards) == entry.from_version != entry.to_version
        rows.append(Row(**shown, state="unfinished" if undone else "done"))
        served = entry.from_version if undone else entry.to_version
    if champion != served:
        rows.append(_outside(served, champion, "since the last entry"))
    return tuple(rows)


def _outside(before: str | None, after: str | None, when: str) -> Row:
    reason = "the alias champion was moved without this pipeline, such as in MLflow's UI"
    return Row(when, "unknown", "outside", after or "", before, after, reason)
