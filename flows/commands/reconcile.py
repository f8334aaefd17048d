"""`informer reconcile`: close what dead workers left open, run again what can continue."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rich.console import Console

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_common
from flows.commands.terminal.tables import quiet

if TYPE_CHECKING:
    from tasks.operations import Reconciled

__all__ = ["add_arguments", "run", "show"]


def add_arguments(parser: Parser) -> None:
    """`informer reconcile`."""
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Reconcile, and show what was closed and what runs again."""
    from flows.reconcile import reconcile

    quiet(args)
    done = reconcile()
    show(done)
    finish(args, done.as_record())
    return 0


def show(done: Reconciled) -> None:
    """What a reconciliation did."""
    console = Console()
    for closed in done.closed:
        console.print(f"closed {closed.kind} {closed.id}: {closed.reason}", soft_wrap=True)
    for resumed in done.resumed:
        console.print(
            f"ran {resumed.deployment} again: {resumed.name} replaces {resumed.resumed_from}",
            soft_wrap=True,
        )
    if not done.closed and not done.resumed:
        console.print("nothing was open: there is nothing to reconcile")
