"""What a person sees of a run in the terminal, and what is kept away from it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from math import isnan, nan

from rich.table import Table

from tasks.settings import by_size

__all__ = ["add_errors", "error_table", "quiet"]


class _WithoutTraceback(logging.Filter):
    """Keeps tracebacks off the terminal: a failure is told in one line, Prefect keeps the rest."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop a record that carries an exception."""
        return not record.exc_info


def quiet(args: argparse.Namespace) -> None:
    """Leave the terminal to what a person asked for; --debug shows all."""
    if args.debug:
        return
    for logger in (logging.getLogger("prefect"), logging.getLogger()):
        for handler in logger.handlers:
            handler.addFilter(_WithoutTraceback())
    logging.getLogger("mlflow").setLevel(logging.WARNING)


def error_table(title: str, models: Mapping[str, Mapping[str, float]]) -> Table:
    """Models and their errors, the best first; beside the MAE that of the worst tenth of series."""
    columns = ("model", "MSE", "MAE", "worst tenth", "MASE", "coverage of 80 %", "churn")
    table = Table(*columns, title=title)
    for name, errors in sorted(models.items(), key=lambda item: by_size(item[1]["mse"])):
        add_errors(table, name, errors)
    return table


def add_errors(table: Table, name: str, errors: Mapping[str, float]) -> None:
    """One more row of an `error_table`."""
    mse, mae, worst, mase, churn = (
        _shown(errors.get(key, nan)) for key in ("mse", "mae", "mae_worst", "mase", "churn")
    )
    table.add_row(name, mse, mae, worst, mase, f"{100 * errors['coverage']:.1f} %", churn)


def _shown(value: float) -> str:
    return "-" if isnan(value) else f"{value:.4f}"
