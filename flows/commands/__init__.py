"""The commands of `informer`. Each has one file: its arguments, its work and its output.

Only the file of the called command is imported. It reads its arguments and its configuration
before it imports its flow, so it reports a mistake at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from flows.commands.terminal.arguments import Parser

__all__ = ["COMMANDS", "Command", "make_parser"]


@dataclass(frozen=True)
class Command:
    """A command and its module.

    Attributes:
        name: its name on the command line.
        about: one line of `informer --help`.
        writes: whether it writes to the stores. They must then be writable.
    """

    name: str
    about: str
    writes: bool = False

    @property
    def module(self) -> str:
        """The module with its `add_arguments` and its `run`."""
        return f"flows.commands.{MODULES.get(self.name, self.name.replace('-', '_'))}"

    def fill(self, parser: Parser) -> None:
        """Add its arguments."""
        import_module(self.module).add_arguments(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Run it. Returns the exit status."""
        run: Callable[[argparse.Namespace], int] = import_module(self.module).run
        return run(args)


MODULES = {"import": "import_"}  # import is a keyword of Python
COMMANDS = {
    command.name: command
    for command in (
        Command("retrain", "train a model, judge it, forecast with the better one", writes=True),
        Command("forecast", "forecast the next horizon with the champion", writes=True),
        Command("backtest", "score the champion and the baselines on the test rows", writes=True),
        Command(
            "benchmark",
            "measure scaled errors in the published protocol, beside published errors",
        ),
        Command(
            "monitor", "compare past forecasts with actuals, check inputs for drift", writes=True
        ),
        Command("models", "list versions, promote, roll back, show the ledger", writes=True),
        Command("forecasts", "show the forecasts that were known at a time"),
        Command("explain-change", "show why a forecast changed: new data, new weights, covariates"),
        Command(
            "replay", "play held-back rows as a live stream, to choose a schedule", writes=True
        ),
        Command("deployments", "list the deployments, check or write prefect.yaml"),
        Command(
            "setup-automations",
            "create or update pools, limits and automations on the Prefect server",
        ),
        Command("worker", "reconcile, then run the work of a pool until stopped"),
        Command(
            "reconcile",
            "close what dead workers left open: flow runs, MLflow runs, trials, slots",
        ),
        Command("clean", "remove old working files that no run uses"),
        Command("import", "register a checkpoint of the reference as a model", writes=True),
        Command("reference", "train, test and predict with the flags of the reference"),
        Command("data", "list the named data sets, or download one"),
        Command("doctor", "check installation, stores and servers, and name remedies"),
    )
}


def make_parser() -> Parser:
    """The parser of `informer`; a command's own arguments are added when it is called."""
    parser = Parser(
        prog="informer", description="Train, judge, serve and monitor long-horizon forecasts"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS.values():
        # The reference's flags are not abbreviated, as in the reference.
        own = commands.add_parser(
            command.name, help=command.about, allow_abbrev=command.name != "reference"
        )
        own.fill = command.fill
    return parser
