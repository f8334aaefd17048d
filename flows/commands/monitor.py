"""`informer monitor`: compare past forecasts with actual values, check inputs for drift."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_conf
from flows.commands.terminal.tables import quiet
from tasks.operations import start_local_server
from tasks.settings import RunConfig, find_home, load_config, time_of

if TYPE_CHECKING:
    from flows.monitor import Monitored

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer monitor CONF [key=value ...] [--as-of TIME] [--output DIR]`."""
    add_conf(parser)
    parser.add_argument("--as-of", metavar="TIME", help="use only what was known at this time")
    parser.add_argument("--output", metavar="DIR", help="folder for the report")


def run(args: argparse.Namespace) -> int:
    """Compare, check for drift, and show the result."""
    as_of = None if args.as_of is None else time_of(args.as_of)
    config = load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir)
    start_local_server()
    from flows.monitor import monitor

    quiet(args)
    done = monitor(config, as_of, None if args.output is None else Path(args.output))
    _show(config, done)
    finish(args, {"status": "completed", **done.found, "path": str(done.path)})
    return 0


def _show(config: RunConfig, done: Monitored) -> None:
    console = Console(highlight=False, soft_wrap=True)
    found = done.found
    title = f"{config.name} version {found['model_version']}, last {config.monitor.window}"
    table = Table("", "observed", "promised", title=title)
    for name in ("mae", "mase", "coverage", "churn"):
        values = (found[part].get(name) for part in ("metrics", "promised"))
        table.add_row(name, *("-" if value is None else f"{value:.4f}" for value in values))
    console.print(table)
    for is_so, word, sentence in zip(
        (found["degraded"], found["drifted"]), ("DEGRADED", "DRIFTED"), found["reasons"],
        strict=True,
    ):  # fmt: skip
        console.print(f"{word}: {sentence}" if is_so else sentence)
    if not found["n_forecasts"]:
        console.print(f"there are no forecasts yet. Run: informer forecast {config.name}")
    console.print(f"report: {done.path}")
