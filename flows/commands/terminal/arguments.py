"""Parsers that report a mistake in one line, and the arguments that many commands take."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

__all__ = ["MISUSED", "Actions", "Parser", "add_actions", "add_common", "add_conf"]

MISUSED = 2
OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_]+)*=")
ENDS = "--"  # what follows is no option, as in every shell command


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
        filled = self.filled()
        given = filled._in_order(sys.argv[1:] if args is None else args)
        return argparse.ArgumentParser.parse_known_args(filled, given, namespace)

    def _in_order(self, args: Sequence[str]) -> list[str]:
        """The same arguments, each option joined with its value, the other texts in one place.

        Python's parser takes no `key=value` from behind an option, and no value that begins with a
        dash. Here an option takes the text behind it, whatever that looks like, unless it names an
        option itself. A parser that only chooses between actions leaves the order to theirs, and
        what is not understood is left for Python's parser to tell.
        """
        if any(action.nargs == argparse.PARSER for action in self._actions):
            return list(args)
        takes_overrides = any(action.dest == "overrides" for action in self._actions)
        options: list[str] = []
        alone: list[str] = []
        rest = list(args)
        while rest:
            text = rest.pop(0)
            if not text.startswith("-"):
                alone.append(text)
            elif text == ENDS:
                alone, rest = [*alone, *rest], []
            elif (option := self._option(text)) is None:
                return list(args)
            else:
                options += self._with_values(text, option, rest, takes_overrides)
        if takes_overrides:
            alone.sort(key=lambda text: OVERRIDE.match(text) is not None)  # CONF comes first
        if any(text.startswith("-") for text in alone):
            return [*options, ENDS, *alone]
        return [*alone, *options]

    def _with_values(
        self, text: str, option: argparse.Action, rest: list[str], takes_overrides: bool
    ) -> list[str]:
        """An option and its values, which are taken from the front of `rest`."""
        if "=" in text or not rest:
            return [text]
        if option.nargs is None:
            is_value = rest[0] != ENDS and not self._names_option(rest[0])
            return [f"{text}={rest.pop(0)}" if is_value else text]
        found = [text]
        n_most = {"?": 1, "+": len(rest), "*": len(rest)}.get(str(option.nargs), 0)
        while rest and len(found) <= n_most and not rest[0].startswith("-"):
            if takes_overrides and OVERRIDE.match(rest[0]):
                break
            found.append(rest.pop(0))
        return found

    def _option(self, text: str) -> argparse.Action | None:
        """The option that a text names, perhaps shortened; None where it names none."""
        known, name = self._option_string_actions, text.partition("=")[0]
        if name in known or not (self.allow_abbrev and name.startswith("--")):
            return known.get(name)
        meant = {id(known[other]): known[other] for other in known if other.startswith(name)}
        return next(iter(meant.values())) if len(meant) == 1 else None

    def _names_option(self, text: str) -> bool:
        return text.partition("=")[0] in self._option_string_actions

    def error(self, message: str) -> NoReturn:
        """Print the line and leave."""
        print(f"error: {message}. See: {self.prog} --help", file=sys.stderr)
        raise SystemExit(MISUSED)


Actions: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_common(parser: Parser) -> None:
    """What every command takes."""
    parser.add_argument(
        "--json", action="store_true", help="write one JSON object as the last line of stdout"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks and all log lines")


def add_conf(parser: Parser) -> None:
    """What every command of a pipeline takes: its configuration, and fields of it."""
    add_common(parser)
    parser.add_argument(
        "conf", metavar="CONF", help="configuration: a file, or its name under conf/"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="fields to override, such as model.d_model=64",
    )


def add_actions(parser: Parser) -> Actions:
    """A command of several actions, such as `models list` and `models promote`."""
    return parser.add_subparsers(dest="action", required=True, metavar="ACTION")
