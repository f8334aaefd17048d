"""`informer import`: a checkpoint of the reference, registered as a model."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_common
from flows.commands.terminal.tables import error_table, quiet
from tasks.operations import start_local_server
from tasks.reference import model_name, read_args, to_flags

if TYPE_CHECKING:
    from flows.import_checkpoint import Imported

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer import CHECKPOINT --args FILE [--name NAME] [--data PATH]`."""
    add_common(parser)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="checkpoint.pth of the reference")
    parser.add_argument(
        "--args",
        metavar="FILE",
        required=True,
        help="JSON or YAML file with the flags of its training",
    )
    parser.add_argument("--name", metavar="NAME", help="name for the registered model")
    parser.add_argument(
        "--data", metavar="PATH", help="its training data: a file or a named data set"
    )


def run(args: argparse.Namespace) -> int:
    """Register it without an alias, and show its errors."""
    flags = to_flags(read_args(Path(args.args)), args.data)
    name = model_name(args.name, flags)
    start_local_server()
    from flows.import_checkpoint import import_checkpoint

    quiet(args)
    done = import_checkpoint(Path(args.checkpoint), flags, name)
    _show(name, done)
    metrics = {k: None if isnan(v) else v for k, v in done.adopted.metrics.items()}
    finish(
        args,
        {
            "status": "completed",
            "model_name": name,
            "model_version": done.version,
            "run_id": done.run_id,
            "metrics": metrics,
            "n_windows": done.adopted.n_windows,
        },
    )
    return 0


def _show(name: str, done: Imported) -> None:
    console = Console(highlight=False, soft_wrap=True)
    label = f"{name} version {done.version}"
    console.print(error_table(f"{name}, test", {label: done.adopted.metrics}))
    uri = f"models:/{name}/{done.version}"
    console.print(
        f"registered without an alias, so the champion stays. mlflow.pyfunc.load_model({uri!r}) "
        f"loads it. A pipeline named {name} forecasts with it after a promotion",
        markup=False,
    )
