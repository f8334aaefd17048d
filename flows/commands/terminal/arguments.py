"""Parsers that tell a mistake as the project does, and the arguments that many commands take."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

__all__ = ["MISUSED", "Actions", "Parser", "add_actions", "add_common", "add_conf"]

MISUSED = 2


class Parser(argparse.ArgumentParser):
    """One `error:` line on stderr, and exit status 2."""

    fill: Callable[[Parser], None] | None = None
    """Adds the arguments of a command, once it is called."""

    def filled(self) -> Parser:
        """The parser with its arguments."""
        if self.fill is not None:
            fill, self.fill = self.fill, None
            fill(self)
        return self

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Of a command that is called, the arguments are added first."""
        return argparse.ArgumentParser.parse_known_args(self.filled(), args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the line and leave."""
        print(f"error: {message}. See: {self.prog} --help", file=sys.stderr)
        raise SystemExit(MISUSED)


Actions: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_common(parser: Parser) -> None:
    """What every command takes."""
    parser.add_argument("--json", action="store_true", help="end stdout with one JSON object")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a failure")


def add_conf(parser: Parser) -> None:
    """What every command of a pipeline takes: its configuration, and fields of it."""
    add_common(parser)
    parser.add_argument("conf", metavar="CONF", help="a file under conf/, or its name")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="such as model.d_model=64"
    )


def add_actions(parser: Parser) -> Actions:
    """A command of several actions, such as `models list` and `models promote`."""
    return parser.add_subparsers(dest="action", required=True, metavar="ACTION")
