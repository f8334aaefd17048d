"""`informer models`: the registry by alias, the ledger of promotions."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_actions, add_conf
from flows.commands.terminal.tables import quiet
from tasks.settings import find_home, load_config

if TYPE_CHECKING:
    from tasks.models import Version

__all__ = ["add_arguments", "run"]

NO_REASON = "no reason was given"


def add_arguments(parser: Parser) -> None:
    """`informer models list|promote|rollback|history CONF [--version N] [--reason TEXT]`."""
    actions = add_actions(parser)
    add_conf(actions.add_parser("list", help="show versions, aliases and errors"))
    add_conf(actions.add_parser("history", help="show every promotion: who, when, why"))
    promote = actions.add_parser("promote", help="make a version the champion")
    rollback = actions.add_parser("rollback", help="make the previous champion the champion again")
    for action in (promote, rollback):
        add_conf(action)
        action.add_argument("--reason", metavar="TEXT", help="reason for the ledger")
    promote.add_argument("--version", metavar="N", help="version (default: the challenger)")


def run(args: argparse.Namespace) -> int:
    """Show the registry, or move the champion."""
    name = load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir).name
    quiet(args)
    actions = {"list": _list, "promote": _promote, "rollback": _rollback, "history": _history}
    actions[args.action](args, name)
    return 0


def _list(args: argparse.Namespace, name: str) -> None:
    from tasks.models import list_versions

    found = list_versions(name, find_home())
    columns = ("", "made (UTC)", "estimator", "MSE", "MAE", "in 80 %", "verdict", "aliases")
    table = Table(*columns, title=name, box=SIMPLE_HEAD, pad_edge=False)
    for one in found:
        table.add_row(
            one.version, one.created_at[:16].replace("T", " "), one.estimator, *_numbers(one),
            one.verdict, "\n".join(one.aliases),
        )  # fmt: skip
    Console().print(table if found else f"model {name} has no versions yet")
    finish(args, {"model_name": name, "versions": [asdict(one) for one in found]})


def _numbers(one: Version) -> tuple[str, ...]:
    values = (one.metrics[error] for error in ("mse", "mae", "coverage"))
    return tuple("-" if value is None else f"{value:.4f}" for value in values)


def _promote(args: argparse.Namespace, name: str) -> None:
    from tasks.models import promote_version, require_challenger

    home = find_home()
    version = args.version or require_challenger(name, home)
    reason = args.reason or NO_REASON
    before = promote_version(name, version, home, reason=reason)
    if before == version:
        _say(f"version {version} of {name} already serves: nothing changed")
    else:
        _say(f"version {version} of {name} serves now; before: {before or 'none'}")
    _finish_move(args, name, reason)


def _rollback(args: argparse.Namespace, name: str) -> None:
    from tasks.models import rollback

    reason = args.reason or NO_REASON
    version, before = rollback(name, find_home(), reason=reason)
    _say(f"version {version} of {name} serves again; before: {before}")
    _finish_move(args, name, reason)


def _finish_move(args: argparse.Namespace, name: str, reason: str) -> None:
    from tasks.models import serving

    champion, previous = serving(name, find_home())
    record = {"model_name": name, "champion_version": champion}
    finish(args, record | {"previous_version": previous, "reason": reason})


def _history(args: argparse.Namespace, name: str) -> None:
    from tasks.models import promotions

    rows, problems = promotions(name, find_home())
    columns = ("when (UTC)", "what", "version", "served", "why, and who")
    table = Table(*columns, title=name, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        what = row.action if row.state == "done" else f"{row.action} ({row.state})"
        served = f"{row.from_version or '-'} -> {row.to_version or '-'}"
        when = row.when[:16].replace("T", " ")
        table.add_row(when, what, row.version, served, f"{row.reason}; {row.who}")
    console = Console(highlight=False, soft_wrap=True)
    console.print(table if rows else f"the ledger of {name} has no entries yet", soft_wrap=False)
    for problem in problems:
        console.print(f"THE LEDGER IS BROKEN: {problem}")
    entries = [asdict(row) for row in rows]
    record = {"model_name": name, "entries": entries, "verified": not problems}
    finish(args, record | {"problems": problems})


def _say(text: str) -> None:
    Console(highlight=False, soft_wrap=True).print(text)
