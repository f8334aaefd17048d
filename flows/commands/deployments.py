"""`informer deployments`: prefect.yaml as conf/ has it, and whether it is so."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_common
from tasks.operations import all_deployments, is_current, path_of, pipelines, prefect_yaml
from tasks.settings import StoreError, find_home, replaced

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer deployments [--write]`."""
    add_common(parser)
    parser.add_argument("--write", action="store_true", help="write prefect.yaml")


def run(args: argparse.Namespace) -> int:
    """Show them. Write the file with --write; without, fail if it is not up to date."""
    home = find_home()
    path, found = path_of(home), list(all_deployments(pipelines(home)))
    current = is_current(home)
    if args.write and not current:
        with replaced(path) as draft:
            draft.write_text(prefect_yaml(home), encoding="utf-8")
    table = Table(*(Column(name, overflow="fold") for name in ("deployment", "pool", "when")))
    for one in found:
        when = f"{one.cron} ({one.time_zone})" if one.cron else "only on request"
        table.add_row(one.name, one.pool, when)
    Console().print(table)
    if not current and not args.write:
        raise StoreError(
            f"{path} does not match conf/. Run: informer deployments --write, then "
            "prefect deploy --all."
        )
    state = "up to date" if current else "written. To deploy it, run: prefect deploy --all"
    Console().print(f"{path}: {state}", soft_wrap=True)
    rows = [{"name": d.name, "pool": d.pool, "cron": d.cron, "zone": d.time_zone} for d in found]
    finish(args, {"path": str(path), "written": not current, "deployments": rows})
    return 0
