"""`informer worker`: reconciles, then works for a pool until told to stop."""

from __future__ import annotations

import argparse

from flows.commands.reconcile import show
from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_common
from flows.commands.terminal.tables import quiet

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer worker [--pool NAME] [--limit N]`."""
    add_common(parser)
    parser.add_argument("--pool", metavar="NAME", default="cpu", help="work pool (default: cpu)")
    parser.add_argument(
        "--limit", metavar="N", type=int, help="maximum number of runs at once (default: no limit)"
    )


def run(args: argparse.Namespace) -> int:
    """Reconcile, then work; the exit status is the worker's."""
    from flows.reconcile import reconcile
    from tasks.operations import named_server, supervise

    with named_server():
        pass  # without a server that it can poll, a worker would wait for ever
    quiet(args)
    done = reconcile()
    show(done)
    status = supervise(args.pool, limit=args.limit)
    finish(args, {"pool": args.pool, "status": status} | done.as_record())
    return int(status != 0)
