"""`informer replay`: held-back rows played as a live stream, to choose a schedule."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_conf
from flows.commands.terminal.tables import quiet
from tasks.operations import start_local_server
from tasks.settings import find_home, load_config, time_of

if TYPE_CHECKING:
    from tasks.replay import Outcome, Replayed

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer replay CONF [key=value ...] [--start TIME] [--policies ...] [--output DIR]`."""
    add_conf(parser)
    parser.add_argument(
        "--start", metavar="TIME", help="first cutoff; earlier rows are known from the beginning"
    )
    parser.add_argument(
        "--policies",
        metavar="NAME",
        nargs="+",
        help="when to retrain: never, drift, or an interval such as 7d",
    )
    parser.add_argument("--output", metavar="DIR", help="folder for the report")


def run(args: argparse.Namespace) -> int:
    """Play every policy, and recommend one."""
    from tasks.replay import DEFAULT, read_policies

    config = load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir)
    policies = tuple(args.policies or DEFAULT)
    read_policies(policies, config)  # reports a wrong name before anything starts
    start = None if args.start is None else time_of(args.start, "--start")
    start_local_server()
    from flows.replay import replay

    quiet(args)
    done = replay(config, policies, start, None if args.output is None else Path(args.output))
    _show(config.name, done)
    finish(args, _record(done))
    return 0


def _show(name: str, done: Replayed) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(
        "policy", "MSE", "MAE", "MASE", "in 80%", "churn", "retrained", "CPU min",
        title=f"{name}, replay",
    )  # fmt: skip
    for outcome in done.policies:
        table.add_row(*_errors(outcome), _counts(outcome), f"{outcome.cpu_seconds / 60:.1f}")
    table.add_section()
    for outcome in done.references:
        table.add_row(*_errors(outcome))
    console.print(table)
    console.print("retrained: P promoted, H held back, F a baseline serves instead")
    console.print(
        f"{done.n_forecasts} forecasts from {done.start} to {done.end}. Reason for the start: "
        f"{done.why}. The first model took {done.first_cost.cpu_seconds / 60:.1f} CPU minutes."
    )
    console.print(done.recommendation.reason)
    console.print(f"report, tables and chart: {done.folder}")


def _errors(outcome: Outcome) -> tuple[str, ...]:
    numbers = (f"{v:.4f}" for v in (outcome.mse, outcome.mae, outcome.mase))
    churn = "-" if outcome.churn is None else f"{outcome.churn:.4f}"
    return outcome.name, *numbers, f"{outcome.coverage:.1%}", churn


def _counts(outcome: Outcome) -> str:
    """How often retrained, and what became of it: P promoted, H held, F fallback."""
    parts = {"P": outcome.n_promoted, "H": outcome.n_held, "F": outcome.n_fallbacks}
    told = " ".join(f"{n}{what}" for what, n in parts.items() if n)
    return f"{outcome.n_retrains}: {told}" if told else str(outcome.n_retrains)


def _record(done: Replayed) -> dict[str, Any]:
    return {
        "status": "completed",
        "run_id": done.run_id,
        "start": done.start.isoformat(),
        "end": done.end.isoformat(),
        "why": done.why,
        "n_days": done.n_days,
        "n_forecasts": done.n_forecasts,
        "policies": [vars(outcome) for outcome in done.policies],
        "references": [vars(outcome) for outcome in done.references],
        "first_model": vars(done.first_cost),
        "recommended": done.recommendation.policy,
        "recommendation": done.recommendation.reason,
        "path": str(done.folder),
    }
