"""`informer explain-change`: what made a forecast move, for people and as JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_conf
from flows.commands.terminal.tables import quiet
from tasks.settings import find_home, load_config

if TYPE_CHECKING:
    from tasks.forecasts import Explained, VintageFile

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer explain-change CONF [--before VINTAGE] [--after VINTAGE] [--output DIR]`."""
    add_conf(parser)
    parser.add_argument(
        "--before", metavar="VINTAGE", help="cutoff or file (default: the one before --after)"
    )
    parser.add_argument("--after", metavar="VINTAGE", help="cutoff or file (default: the newest)")
    parser.add_argument("--output", metavar="DIR", help="folder for the table and the chart")


def run(args: argparse.Namespace) -> int:
    """Explain it part by part."""
    home = find_home()
    config = load_config(args.conf, args.overrides, conf_dir=home.conf_dir)
    from tasks.forecasts import explain_vintages

    quiet(args)
    output = None if args.output is None else Path(args.output)
    found = explain_vintages(config, args.before, args.after, output, home)
    _show(found)
    finish(args, _record(found))
    return 0


def _show(found: Explained) -> None:
    from informer.evaluation import PARTS

    console = Console(highlight=False, soft_wrap=True)
    names = ("series", "times", "change", "new data", "new weights", "covariates", "churn")
    table = Table(*names, title=f"mean change from {found.before.label} to {found.after.label}")
    for row in found.by_series.to_dict("records"):
        numbers = [f"{row[name]:+.4g}" for name in ("change", *PARTS)]
        if not found.has_covariates:
            numbers[-1] = "none"
        table.add_row(str(row["unique_id"]), f"{row['n']}", *numbers, f"{row['churn']:.4g}")
    console.print(table)
    if not found.has_covariates:
        console.print("there are no covariates: every channel is also a target")
    console.print(f"table of every time, and the chart: {found.folder}")


def _record(found: Explained) -> dict[str, Any]:
    from informer.evaluation import PARTS

    means = found.table[["change", *PARTS]].mean()
    sizes = found.table[list(PARTS)].abs().mean()  # rises and falls do not cancel out in these
    return {
        "before": _described(found.before),
        "after": _described(found.after),
        "n_rows": len(found.table),
        "change": float(means["change"]),
        "parts": {name: float(means[name]) for name in PARTS},
        "covariates_apply": found.has_covariates,
        "sizes": {name: float(size) for name, size in sizes.items()},
        "churn": float(found.table["change"].abs().mean()),
        "series": found.by_series.to_dict("records"),
        "path": str(found.folder),
    }


def _described(vintage: VintageFile) -> dict[str, str]:
    return {
        "cutoff": vintage.cutoff.isoformat(),
        "model_version": vintage.version,
        "path": str(vintage.path),
    }
