"""`informer backtest`: what it does with its arguments, and what it shows."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.answer import finish
from flows.backtest import BacktestRun, backtest as backtest_flow
from flows.terminal import add_errors, error_table, quiet
from informer.errors import ConfigError
from tasks.judging import CHAMPION_NAME, RollOptions
from tasks.settings import RunConfig, find_home, load_config

__all__ = ["backtest"]


def backtest(args: argparse.Namespace) -> int:
    """`informer backtest CONF [key=value ...] [--roll FILE ...] [--output DIR]`."""
    config = load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir)
    roll_over = _roll_options(args)
    quiet(args)
    done = backtest_flow(config, roll_over, None if args.output is None else Path(args.output))
    _show(config, done)
    finish(args, _record(done))
    return 0


def _roll_options(args: argparse.Namespace) -> RollOptions | None:
    if args.refit_every is not None and args.refit_every < 1:
        raise ConfigError(f"--refit-every is {args.refit_every}; it must be at least 1.")
    if args.roll is not None:
        return RollOptions(args.roll, args.refit_every, args.allow_overlap)
    if args.refit_every is not None or args.allow_overlap:
        name = "--allow-overlap" if args.allow_overlap else "--refit-every"
        raise ConfigError(f"{name} says how to roll, but over what? Add --roll FILE.")
    return None


def _show(config: RunConfig, done: BacktestRun) -> None:
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
            "of rows to come"
        )
    if rolled.left_out:
        console.print(f"the file does not go on with {', '.join(rolled.left_out)}: not forecast")
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
