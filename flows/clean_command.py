"""`informer clean`."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rich.console import Console

from flows.answer import finish
from tasks.operations import clean_home
from tasks.settings import find_home

__all__ = ["clean"]

MEGABYTE = 1_000_000


def clean(args: argparse.Namespace) -> int:
    """`informer clean [--older-than DAYS] [--dry-run]`."""
    done = clean_home(find_home(), args.older_than, dry_run=args.dry_run)
    verb = "would remove" if args.dry_run else "removed"
    for one in done:
        size = f"{one.n_bytes / MEGABYTE:,.1f} MB"
        Console().print(f"{verb} {one.n:,} of mlruns/{one.kind}: {size}", soft_wrap=True)
    finish(args, {"removed": [asdict(one) for one in done], "dry_run": args.dry_run})
    return 0
