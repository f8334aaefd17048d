"""`informer forecast`: the next horizon, by the champion."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_conf
from flows.commands.terminal.tables import quiet
from tasks.operations import start_local_server
from tasks.settings import find_home, load_config, time_of

if TYPE_CHECKING:
    from tasks.forecasts import Forecast

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer forecast CONF [key=value ...] [--as-of TIME] [--output DIR]`."""
    add_conf(parser)
    parser.add_argument("--as-of", metavar="TIME", help="use only what was known at this time")
    parser.add_argument("--output", metavar="DIR", help="folder for the forecast files")


def run(args: argparse.Namespace) -> int:
    """Forecast, and show what was written and which series were left out."""
    as_of = None if args.as_of is None else time_of(args.as_of)
    config = load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir)
    if args.output is not None:
        config = config.with_values({"forecast.output": args.output})
    start_local_server()
    from flows.forecast import forecast

    quiet(args)
    made = forecast(config, as_of)
    _show(made)
    finish(args, _record(made))
    return 0


def _show(made: Forecast) -> None:
    from tasks.forecasts import BY_MODEL, unseen_sentence
    from tasks.rows import left_out_lines

    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{made.n_rows:,} rows for {made.n_series} series after {made.cutoff}, by version "
        f"{made.model_version}: {made.path}",
        highlight=None,
    )
    if made.caught_up:
        console.print(
            f"missed cutoffs forecast too, {len(made.caught_up)}: {', '.join(made.caught_up)}"
        )
    for values in made.values:
        console.print(values.sentence)
    if made.unseen:
        console.print(unseen_sentence(made.unseen))
    for sentence in left_out_lines(made.left_out, BY_MODEL):
        console.print(sentence)


def _record(made: Forecast) -> dict[str, Any]:
    return {
        "model_version": made.model_version,
        "n_series": made.n_series,
        "n_rows": made.n_rows,
        "cutoff": made.cutoff,
        "path": str(made.path),
        "vintages": made.n_written,
        "caught_up": list(made.caught_up),
        "left_out": made.left_out,
        "unseen": list(made.unseen),
        "values": [
            {
                "cutoff": one.cutoff.isoformat(),
                "read_at": None if one.read_at is None else one.read_at.isoformat(),
                "snapshot": one.snapshot or None,
            }
            for one in made.values
        ],
    }
