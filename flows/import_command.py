"""`informer import`: what it does with its arguments, and what it shows."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path

from rich.console import Console

from flows.answer import finish
from flows.import_checkpoint import Imported, import_checkpoint
from flows.terminal import error_table, quiet
from tasks.reference import model_name, read_args, to_flags

__all__ = ["import_"]


def import_(args: argparse.Namespace) -> int:
    """`informer import CHECKPOINT --args FILE [--name NAME] [--data PATH]`."""
    flags = to_flags(read_args(Path(args.args)), args.data)
    name = model_name(args.name, flags)
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
        f"registered without an alias, so no champion is displaced: mlflow.pyfunc.load_model"
        f"({uri!r}) forecasts with it, and a pipeline called {name} does once it is its champion",
        markup=False,
    )
