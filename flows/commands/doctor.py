"""`informer doctor`: check installation, stores and servers, and name remedies."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_common
from tasks.operations import FAIL, examine
from tasks.settings import find_home

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer doctor`."""
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run all checks. Fail if one of them fails."""
    checks = examine(find_home())
    table = Table("", *(Column(name, overflow="fold") for name in ("what", "found", "remedy")))
    for check in checks:
        table.add_row(check.state, check.what, check.found, check.mend)
    Console().print(table)
    failed = any(check.state == FAIL for check in checks)
    rows = [vars(check) for check in checks]
    finish(args, {"status": "failed" if failed else "ok", "checks": rows})
    return int(failed)
