"""`informer worker` and `informer reconcile`."""

from __future__ import annotations

import argparse

from rich.console import Console

from flows.answer import finish
from flows.reconcile import reconcile as reconcile_flow
from flows.terminal import quiet
from tasks.operations import Reconciled, named_server, supervise

__all__ = ["reconcile", "worker"]


def reconcile(args: argparse.Namespace) -> int:
    """`informer reconcile`."""
    quiet(args)
    done = reconcile_flow()
    _show(done)
    finish(args, done.as_record())
    return 0


def worker(args: argparse.Namespace) -> int:
    """`informer worker [--pool NAME] [--limit N]`: reconciles, then works until told to stop."""
    with named_server():
        pass  # a worker without a server of its own to poll would wait for ever
    quiet(args)
    done = reconcile_flow()
    _show(done)
    status = supervise(args.pool, limit=args.limit)
    finish(args, {"pool": args.pool, "status": status} | done.as_record())
    return int(status != 0)


def _show(done: Reconciled) -> None:
    console = Console()
    for closed in done.closed:
        console.print(f"closed {closed.kind} {closed.id}: {closed.reason}", soft_wrap=True)
    for resumed in done.resumed:
        console.print(
            f"ran {resumed.deployment} again: {resumed.name}, in place of {resumed.resumed_from}",
            soft_wrap=True,
        )
    if not done.closed and not done.resumed:
        console.print("nothing was left open")
