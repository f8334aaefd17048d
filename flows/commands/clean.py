"""`informer clean`: working files that no run has used for a while are removed."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rich.console import Console

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_common
from tasks.settings import find_home

__all__ = ["add_arguments", "run"]

KEPT_DAYS = 90

MEGABYTE = 1_000_000


def add_arguments(parser: Parser) -> None:
    """`informer clean [--older-than DAYS] [--dry-run]`."""
    add_common(parser)
    parser.add_argument(
        "--older-than", metavar="DAYS", type=int, default=KEPT_DAYS,
        help=f"minimum days without use (default: {KEPT_DAYS})",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be removed, remove nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Remove them, or show what would be removed."""
    from tasks.operations import clean_home

    done = clean_home(find_home(), args.older_than, dry_run=args.dry_run)
    verb = "would remove" if args.dry_run else "removed"
    for one in done:
        size = f"{one.n_bytes / MEGABYTE:,.1f} MB"
        Console().print(f"{verb} {one.n:,} of mlruns/{one.kind}: {size}", soft_wrap=True)
    finish(args, {"removed": [asdict(one) for one in done], "dry_run": args.dry_run})
    return 0
