"""`informer forecasts`: what was forecast, and when it was known."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_actions, add_common
from tasks.forecasts import Known, forecasts_as_of, write_known
from tasks.settings import find_home, time_of

__all__ = ["add_arguments", "run"]

SHOWN_ROWS = 24


def add_arguments(parser: Parser) -> None:
    """`informer forecasts as-of TIME [CONF] [--output FILE]`."""
    as_of = add_actions(parser).add_parser(
        "as-of", help="show the forecasts that were known at TIME"
    )
    add_common(as_of)
    as_of.add_argument("time", metavar="TIME", help="UTC, or with a zone")
    as_of.add_argument("conf", metavar="CONF", nargs="?", help="one pipeline (default: all)")
    as_of.add_argument("--output", metavar="FILE", help="CSV or Parquet file for the rows")


def run(args: argparse.Namespace) -> int:
    """Show the forecasts known at TIME for later times. With --output, write all rows known."""
    time = time_of(args.time, "TIME")
    output = None if args.output is None else Path(args.output)
    known = forecasts_as_of(time, args.conf, find_home())
    path = None if output is None else write_known(known, output)
    _show(known, path)
    finish(args, _record(known, path))
    return 0


def _show(known: Known, path: Path | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    ahead = known.rows[known.rows["ds"] > known.time].sort_values(["pipeline", "ds", "unique_id"])
    names = ("pipeline", "series", "time", "forecast", "10 %", "90 %", "cutoff", "version")
    table = Table(*names, title=f"forecasts known at {known.time} for later times")
    for row in ahead.head(SHOWN_ROWS).to_dict("records"):
        table.add_row(
            row["pipeline"], row["unique_id"], f"{row['ds']}",
            *(_number(row.get(name)) for name in ("y_hat", "y_hat_q10", "y_hat_q90")),
            f"{row['cutoff']}", row["model_version"],
        )  # fmt: skip
    if len(ahead):
        console.print(table)
    if len(ahead) > SHOWN_ROWS:
        console.print(f"and {len(ahead) - SHOWN_ROWS:,} more")
    console.print(
        f"{len(known.rows):,} rows known at {known.time}, {len(ahead):,} of them for later times"
    )
    if path is not None:
        console.print(f"written, all rows: {path}")


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) and not pd.isna(value) else ""


def _record(known: Known, path: Path | None) -> dict[str, Any]:
    return {
        "as_of": known.time.isoformat(),
        "n_rows": len(known.rows),
        "n_series": len(known.rows[["pipeline", "unique_id"]].drop_duplicates()),
        "path": None if path is None else str(path),
        "pipelines": sorted(known.rows["pipeline"].unique()),
    }
