"""`informer reference [flags]`: the reference implementation's command, and what it shows."""

from __future__ import annotations

import argparse
from math import isfinite
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_common
from tasks.reference import add_flags, read_flags
from tasks.settings import find_home

if TYPE_CHECKING:
    import pandas as pd

    from tasks.reference import Experiment, Finished

__all__ = ["add_arguments", "run"]

SHOWN_STEPS = 12


def add_arguments(parser: Parser) -> None:
    """`informer reference [flags]`."""
    add_common(parser)
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Read the data, then train, test and predict as often as `--itr` says."""
    flags = read_flags(vars(args))
    from tasks.reference import prepare, repeat

    experiment = prepare(flags, find_home())
    hints = Console(stderr=True, highlight=False, soft_wrap=True)
    for warning in experiment.warnings:
        hints.print(f"warning: {warning}", markup=False)
    hints.print(_about(experiment), markup=False)
    runs = []
    for repetition in range(flags.itr):
        done = repeat(experiment, repetition)
        _show(done, experiment)
        runs.append(_record(done))
    finish(args, {"runs": runs})
    return 0


def _about(experiment: Experiment) -> str:
    import pandas as pd

    source, frame, split = experiment.source, experiment.config.frame, experiment.split
    channels, targets = (", ".join(names[:8]) for names in (frame.channels, frame.targets))
    borders = pd.Series([split.val_start, split.test_start, split.test_end])
    val, test, end = source.clock.show(borders)
    return (
        f"{source.name}: {len(experiment.rows):,} rows, one every {frame.freq} by "
        f"{source.time_column!r}; {channels} to {targets}; validation from {val}, test from {test} "
        f"to {end} (exclusive)"
    )


def _show(done: Finished, experiment: Experiment) -> None:
    from informer.evaluation import summarize

    console = Console(highlight=False, soft_wrap=True)
    metrics = done.scored.metrics
    unit = "units of the data" if experiment.flags.inverse else "scaled"
    console.print(
        f"mse:{metrics['mse']:.6g}, mae:{metrics['mae']:.6g} ({unit}) over "
        f"{len(done.scored.pred):,} test windows: {done.folder}",
        markup=False,
    )
    if not experiment.flags.show_results:
        return
    console.print(_errors(summarize(done.scored.scores, ["unique_id"]), "unique_id", "target"))
    console.print(_errors(_some_steps(done.scored.scores), "step", "step"))
    if done.rolled is not None:
        kind = "a test" if done.rolled.is_test else "no test: rows were known before"
        console.print(f"rolled from {done.rolled.n_cutoffs} cutoffs, {kind}", markup=False)
        console.print(_errors(summarize(done.rolled.scores, ["unique_id"]), "unique_id", "target"))
    console.print(f"forecast: {done.folder / 'forecast.png'}", markup=False)


def _some_steps(scores: pd.DataFrame) -> pd.DataFrame:
    """Errors by step; of a long horizon some steps, the first and the last among them."""
    import numpy as np

    from informer.evaluation import summarize

    table = summarize(scores, ["step"])
    shown = np.unique(np.linspace(0, len(table) - 1, SHOWN_STEPS).round().astype(int))
    return table.iloc[shown]


def _errors(scores: pd.DataFrame, column: str, title: str) -> Table:
    table = Table(title, "MSE (scaled)", "MAE (scaled)", "MAE (units)", "coverage of 80 %")
    for row in scores.to_dict("records"):
        errors = (f"{row[name]:.4f}" for name in ("mse", "mae", "mae_units"))
        table.add_row(str(row[column]), *errors, f"{100 * row['coverage']:.1f} %")
    return table


def _record(done: Finished) -> dict[str, Any]:
    record: dict[str, Any] = {
        "setting": done.setting,
        "results": str(done.folder),
        "checkpoint": str(done.checkpoint),
        "metrics": {k: v if isfinite(v) else None for k, v in done.scored.metrics.items()},
        "n_windows": len(done.scored.pred),
        "epochs": len(done.history),
        "seconds": sum(epoch.seconds for epoch in done.history),
    }
    if done.rolled is not None:
        record["rolling"] = {"n_cutoffs": done.rolled.n_cutoffs, "is_test": done.rolled.is_test}
    return record
