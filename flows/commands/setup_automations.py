"""`informer setup-automations`: pools, limits and automations on the Prefect server."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_common
from informer.errors import ConfigError
from tasks.settings import find_home

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer setup-automations [--webhook URL]`."""
    add_common(parser)
    parser.add_argument(
        "--webhook",
        metavar="URL",
        help="gets a message when a run fails, crashes or lasts too long",
    )


def run(args: argparse.Namespace) -> int:
    """Create or update them."""
    if args.webhook is not None and not args.webhook.startswith(("http://", "https://")):
        raise ConfigError(
            f"--webhook {args.webhook!r} is no URL. A URL begins with http:// or https://."
        )
    from tasks.operations import pipelines, set_up

    changes = set_up(pipelines(find_home()), args.webhook)
    table = Table(*(Column(name, overflow="fold") for name in ("", "name", "state")))
    for change in changes:
        table.add_row(change.kind, change.name, change.what)
    Console().print(table)
    if args.webhook is None:
        Console().print(
            "no messages are sent about failed or endless runs. To get them, add --webhook URL"
        )
    finish(args, {"changes": [vars(change) for change in changes], "webhook": args.webhook})
    return 0
