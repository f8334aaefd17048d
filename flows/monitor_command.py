"""`informer monitor`: what it does with its arguments, and what it shows."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.answer import finish
from flows.monitor import Monitored, monitor as monitor_flow
from flows.terminal import quiet
from flows.times import time_of
from tasks.settings import RunConfig, find_home, load_config

__all__ = ["monitor"]


def monitor(args: argparse.Namespace) -> int:
    """`informer monitor CONF [key=value ...] [--as-of TIME] [--output DIR]`."""
    as_of = None if args.as_of is None else time_of(args.as_of)
    config = load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir)
    quiet(args)
    done = monitor_flow(config, as_of, None if args.output is None else Path(args.output))
    _show(config, done)
    finish(args, {"status": "completed", **done.found, "path": str(done.path)})
    return 0


def _show(config: RunConfig, done: Monitored) -> None:
    console = Console(highlight=False, soft_wrap=True)
    found = done.found
    title = f"{config.name} version {found['model_version']}, last {config.monitor.window}"
    table = Table("", "came", "promised", title=title)
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
        console.print(f"no forecasts yet. Run: informer forecast {config.name}")
    console.print(f"report: {done.path}")
