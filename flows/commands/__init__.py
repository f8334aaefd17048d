"""The commands of `informer`, a file each: its arguments, what it does with them, what it shows.

Only the file of the command that is called is imported. It reads its arguments and its
configuration first and imports its flow after that, so that a mistake is told at once.
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
    """A command and where it stands.

    Attributes:
        name: as it is typed.
        about: one line of `informer --help`.
        writes: whether runs of it are kept in the stores, which must be writable.
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
        """Do it; returns the exit status."""
        run: Callable[[argparse.Namespace], int] = import_module(self.module).run
        return run(args)


MODULES = {"import": "import_"}  # a word of Python's own
COMMANDS = {
    command.name: command
    for command in (
        Command("retrain", "data to validated, promoted model and forecast", writes=True),
        Command("forecast", "batch forecast by the champion", writes=True),
        Command("backtest", "the champion and the baselines, scored again", writes=True),
        Command(
            "benchmark",
            "the published protocol: scaled errors over every test window, beside published ones",
        ),
        Command("monitor", "past forecasts against what came, inputs for drift", writes=True),
        Command("models", "the registry by alias, the ledger of promotions", writes=True),
        Command("forecasts", "what was forecast, and when"),
        Command(
            "explain-change", "why a forecast moved: new data, new weights, changed covariates"
        ),
        Command(
            "replay", "held-back rows played as a live stream, to choose a schedule", writes=True
        ),
        Command("deployments", "prefect.yaml as conf/ has it, and whether it is so"),
        Command(
            "setup-automations",
            "pools, limits and automations on the Prefect server, created or brought up to date",
        ),
        Command("worker", "reconcile, then work for a pool until told to stop"),
        Command(
            "reconcile",
            "close what dead workers left open: flow runs, MLflow runs, trials, slots",
        ),
        Command("clean", "remove working files that no run has used for a while"),
        Command("import", "a checkpoint of the reference, registered as a model", writes=True),
        Command("reference", "the reference implementation's command line, flag for flag"),
        Command("data", "the data sets known by name"),
        Command("doctor", "what is installed, reachable, writable; and the mend"),
    )
}


def make_parser() -> Parser:
    """The parser of `informer`; a command's own arguments are added once it is called."""
    parser = Parser(prog="informer", description="Long-horizon forecasting, from data to champion")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS.values():
        # The flags of the reference are taken as they are written there, never shortened.
        own = commands.add_parser(
            command.name, help=command.about, allow_abbrev=command.name != "reference"
        )
        own.fill = command.fill
    return parser
