"""`informer doctor`: what is installed, reachable, writable, working; and the mend."""

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
    """Examine all, and fail where something must be mended."""
    checks = examine(find_home())
    table = Table("", *(Column(name, overflow="fold") for name in ("what", "found", "mend")))
    for check in checks:
        table.add_row(check.state, check.what, check.found, check.mend)
    Console().print(table)
    failed = any(check.state == FAIL for check in checks)
    rows = [vars(check) for check in checks]
    finish(args, {"status": "failed" if failed else "ok", "checks": rows})
    return int(failed)
