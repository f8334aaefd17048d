"""What serves is changed here alone: promotions and rollbacks.

A move is first written to the ledger, then `previous` moves, and `champion` last: that is when the
move is done, and one that was cut off before is finished by the same command.
"""

from __future__ import annotations

import json

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from tasks.models.aliases import CHAMPION, PREVIOUS, alias_version
from tasks.models.ledger import (
    Action,
    Facts,
    anchor,
    entry_of,
    read_ledger,
    record,
    unfinished,
)
from tasks.runs import PROMOTED, connect, tell
from tasks.settings import Home, RegistryError

__all__ = ["carry_move_out", "facts_of", "promote_version", "rollback"]


def facts_of(version: ModelVersion) -> Facts:
    """What the ledger says of a version, from its tags."""
    tags = version.tags
    return Facts(
        windows=json.loads(tags.get("windows", "{}")),
        data_sha256=tags.get("data_sha256", ""),
        git_commit=tags.get("git_commit", ""),
        run_id=version.run_id or "",
    )


def promote_version(
    name: str,
    version: str,
    home: Home,
    *,
    reason: str = "no reason was given",
    action: Action = "promote",
) -> str | None:
    """Serve `version` from now on; returns the version that was served before, now `previous`.

    A version that serves already is left as it is, and the ledger too.

    Raises:
        RegistryError: there is no such version.
    """
    client = connect(home)
    before = alias_version(client, name, CHAMPION)
    if before != version:
        _move(client, name, (before, version), action, reason)
    return before


def carry_move_out(
    name: str,
    version: str,
    instead_of: str | None,
    home: Home,
    *,
    reason: str,
    action: Action,
    run_id: str,
) -> str | None:
    """Serve a version as a run has decided, once; returns the version that serves then.

    The decision holds against the champion of its time alone: where another version serves by now,
    that one stays. What the run has done already is not done again, also where somebody has taken
    it back since.

    Args:
        name: of the registered model.
        version: what is to serve.
        instead_of: the champion that the decision was taken against; None: there was none.
        home: where the stores are.
        reason: for the ledger.
        action: likewise.
        run_id: the MLflow run that decided.

    Raises:
        RegistryError: there is no such version.
    """
    client = connect(home)
    serving, entries = alias_version(client, name, CHAMPION), read_ledger(client, name)
    own = entry_of(entries, action, version, run_id)
    is_begun = own is not None and own == unfinished(entries, serving)
    if serving == version or (own is not None and not is_begun):
        return serving
    if serving != instead_of:
        return serving
    _move(client, name, (serving, version), action, reason, run_id)
    return version


def rollback(name: str, home: Home, *, reason: str = "no reason was given") -> tuple[str, str]:
    """Serve the version that served before; returns it and the one that it takes the place of.

    Raises:
        RegistryError: nothing serves, or nothing served before.
    """
    client = connect(home)
    serving = alias_version(client, name, CHAMPION)
    if serving is None:
        raise RegistryError(
            f"model {name} has no champion to roll back. Run: informer retrain {name}"
        )
    target = _served_before(client, name, serving)
    if target is None:
        raise RegistryError(
            f"version {serving} of model {name} is the first champion, so there is no previous "
            f"one. See: informer models list {name}"
        )
    _move(client, name, (serving, target), "rollback", reason)
    return target, serving


def _served_before(client: mlflow.MlflowClient, name: str, serving: str) -> str | None:
    """What a rollback goes to; after one that was cut off, the same again.

    A move that was cut off may have put `previous` onto the champion itself; the ledger then knows.
    """
    entries = read_ledger(client, name)
    begun = unfinished(entries, serving)
    if begun is not None and begun.action == "rollback":
        return begun.to_version
    previous = alias_version(client, name, PREVIOUS)
    if previous != serving:
        return previous
    arrivals = (e for e in reversed(entries) if e.action != "hold" and e.to_version == serving)
    return next((entry.from_version for entry in arrivals), None)


def _move(
    client: mlflow.MlflowClient,
    name: str,
    between: tuple[str | None, str],
    action: Action,
    reason: str,
    run_id: str | None = None,
) -> None:
    before, version = between
    try:
        facts = facts_of(client.get_model_version(name, version))
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RegistryError(
            f"model {name} has no version {version}. See: informer models list {name}"
        ) from error
    begun = unfinished(read_ledger(client, name), before)
    if begun is not None and (begun.action, begun.to_version) == (action, version):
        anchor(client, name, begun)
    else:
        record(client, name, action, version, between, reason, facts, run_id=run_id)
    if before is not None:
        client.set_registered_model_alias(name, PREVIOUS, before)
    client.set_registered_model_alias(name, CHAMPION, version)
    moved = {"version": version, "from_version": before, "reason": reason, "action": action}
    tell(PROMOTED, name, moved)
