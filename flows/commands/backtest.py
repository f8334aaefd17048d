"""`informer backtest`: score the champion and the baselines on the test rows."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_conf
from flows.commands.terminal.tables import add_errors, error_table, quiet
from informer.errors import ConfigError
from tasks.operations import start_local_server
from tasks.settings import RunConfig, find_home, load_config

if TYPE_CHECKING:
    from flows.backtest import BacktestRun
    from tasks.judging import RollOptions

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer backtest CONF [key=value ...] [--roll FILE ...] [--output DIR]`."""
    add_conf(parser)
    parser.add_argument("--roll", metavar="FILE", help="rows that continue the data")
    parser.add_argument(
        "--refit-every",
        metavar="N",
        type=int,
        help="with --roll: train again after every N cutoffs",
    )
    parser.add_argument(
        "--allow-overlap", action="store_true",
        help="with --roll: accept rows that were known before; the result is then not a test",
    )  # fmt: skip
    parser.add_argument("--output", metavar="DIR", help="folder for the tables and charts")


def run(args: argparse.Namespace) -> int:
    """Score the champion and the baselines. With --roll, forecast the new rows too."""
    config = load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir)
    _check_roll(args)
    start_local_server()
    from flows.backtest import backtest

    quiet(args)
    roll_over = _roll_options(args)
    done = backtest(config, roll_over, None if args.output is None else Path(args.output))
    _show(config, done)
    finish(args, _record(done))
    return 0


def _check_roll(args: argparse.Namespace) -> None:
    if args.refit_every is not None and args.refit_every < 1:
        raise ConfigError(f"--refit-every is {args.refit_every}; it must be at least 1.")
    if args.roll is None and (args.refit_every is not None or args.allow_overlap):
        name = "--allow-overlap" if args.allow_overlap else "--refit-every"
        raise ConfigError(f"{name} needs the rows to forecast. Add --roll FILE.")


def _roll_options(args: argparse.Namespace) -> RollOptions | None:
    from tasks.judging import RollOptions

    if args.roll is None:
        return None
    return RollOptions(args.roll, args.refit_every, args.allow_overlap)


def _show(config: RunConfig, done: BacktestRun) -> None:
    from tasks.judging import CHAMPION_NAME

    console = Console(highlight=False, soft_wrap=True)
    scored = done.scored
    models = {f"{CHAMPION_NAME} (version {scored.model_version})": scored.metrics}
    table = error_table(f"{config.name}, test", models | scored.baselines)
    if done.rolled is not None:
        kind = "" if done.rolled.is_test else ", NOT A TEST"
        table.add_section()
        add_errors(table, f"{CHAMPION_NAME}, rolling{kind}", done.rolled.metrics)
    console.print(table)
    console.print(f"{scored.n_windows:,} test windows")
    if done.rolled is not None:
        _show_rolled(console, done)
    console.print(f"tables and charts: {done.folder}")


def _show_rolled(console: Console, done: BacktestRun) -> None:
    rolled = done.rolled
    assert rolled is not None
    console.print(f"rolled from {rolled.n_cutoffs:,} cutoffs with {rolled.n_refits} refits")
    if not rolled.is_test:
        console.print(
            "not a test: the file repeats rows that were known before, so these errors say nothing "
            "about new rows"
        )
    if rolled.left_out:
        names = ", ".join(rolled.left_out)
        console.print(f"not forecast, because the file has no new rows of these series: {names}")
    console.print(f"forecasts beside actuals: {rolled.path}")


def _record(done: BacktestRun) -> dict[str, Any]:
    scored, rolled = done.scored, done.rolled
    record: dict[str, Any] = {
        "status": "completed",
        "run_id": done.run_id,
        "model_version": scored.model_version,
        "n_windows": scored.n_windows,
        "metrics": scored.metrics,
        "baselines": {
            name: {"mse": errors["mse"], "mae": errors["mae"]}
            for name, errors in scored.baselines.items()
        },
        "path": str(done.folder),
    }
    if rolled is not None:
        record |= {
            "n_cutoffs": rolled.n_cutoffs,
            "n_refits": rolled.n_refits,
            "is_test": rolled.is_test,
            "left_out": list(rolled.left_out),
            "rolling_metrics": {k: None if isnan(v) else v for k, v in rolled.metrics.items()},
            "rolling_path": str(rolled.path),
        }
    return record
