"""`informer retrain`: data to validated, promoted model and forecast."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_conf
from flows.commands.terminal.tables import error_table, quiet
from tasks.operations import start_local_server
from tasks.settings import RunConfig, find_home, load_config

if TYPE_CHECKING:
    from flows.retrain import Retrained

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer retrain CONF [key=value ...] [--deployment]`."""
    add_conf(parser)
    parser.add_argument(
        "--deployment",
        action="store_true",
        help="submit the run to the workers, do not wait for it",
    )


def run(args: argparse.Namespace) -> int:
    """Run it here to its end, or submit it to the workers and return at once."""
    config = load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir)
    if args.deployment:
        return _submit(args, config)
    start_local_server()
    from flows.retrain import retrain

    quiet(args)
    done = retrain(config)
    _show(config, done)
    finish(args, _record(config, done))
    return 0


def _submit(args: argparse.Namespace, config: RunConfig) -> int:
    from tasks.operations import submit_retrain

    done = submit_retrain(config)
    console = Console()
    console.print(f"submitted as {done.name}: {done.url}", soft_wrap=True)
    if done.warning:
        console.print(f"warning: {done.warning}", soft_wrap=True)
    record = {"status": "submitted", "flow_run_id": done.flow_run_id}
    record |= {"name": done.name, "url": done.url, "warning": done.warning}
    finish(args, record)
    return 0


def _show(config: RunConfig, done: Retrained) -> None:
    from tasks.rows import left_out_lines

    console = Console()
    decision = done.promotion.decision
    console.print(error_table(f"{config.name}, test", done.evaluation.metrics))
    console.print(f"{decision.verdict}: {done.promotion.reason}", soft_wrap=True, highlight=False)
    console.print(
        f"version {done.version} was judged, version {done.promotion.champion_version} serves",
        highlight=False,
    )
    for line in left_out_lines(done.left_out, "learnt from or forecast by the model"):
        console.print(line, soft_wrap=True, highlight=False)
    console.print(f"forecast: {done.forecast.path}", soft_wrap=True, highlight=False)
    console.print("to see runs, models and plots: make ui", highlight=False)


def _record(config: RunConfig, done: Retrained) -> dict[str, Any]:
    decision, evaluation = done.promotion.decision, done.evaluation
    champion = evaluation.metrics.get("champion")
    return {
        "status": "completed",
        "run_id": done.run_id,
        "model_name": config.name,
        "model_version": done.version,
        "promoted": done.promotion.champion_version == done.version,
        "verdict": decision.verdict,
        "reason": done.promotion.reason,
        "metrics": evaluation.metrics["informer"],
        "baselines": {
            name: {"mse": errors["mse"], "mae": errors["mae"]}
            for name, errors in evaluation.baselines.items()
        },
        "champion": None
        if evaluation.champion_version is None
        else {"version": evaluation.champion_version} | (champion or {}),
        "champion_version": done.promotion.champion_version,
        "n_windows": evaluation.n_windows,
        "left_out": done.left_out,
        "forecast_path": str(done.forecast.path),
    }
