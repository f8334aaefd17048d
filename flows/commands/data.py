"""`informer data`: the data sets known by name."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_actions, add_common
from informer.errors import ConfigError
from tasks.rows import DATASETS, find_dataset, locate
from tasks.settings import find_home

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer data list` and `informer data fetch NAME`."""
    actions = add_actions(parser)
    add_common(actions.add_parser("list", help="show all data sets and where they are stored"))
    fetch = actions.add_parser("fetch", help="download a data set")
    add_common(fetch)
    fetch.add_argument("name", metavar="NAME", help="name of the data set")


def run(args: argparse.Namespace) -> int:
    """List them, or fetch one."""
    return _fetch(args) if args.action == "fetch" else _list(args)


def _fetch(args: argparse.Namespace) -> int:
    dataset = find_dataset(args.name)
    if dataset is None:
        known = ", ".join(d.name for d in DATASETS)
        raise ConfigError(f"there is no data set named {args.name!r}. Use one of: {known}.")
    from tasks.rows import fetch

    path = fetch(dataset, find_home())
    Console().print(str(path), soft_wrap=True)
    finish(args, {"name": dataset.name, "path": str(path)})
    return 0


def _list(args: argparse.Namespace) -> int:
    home = find_home()
    found = [(d, locate(d, home)) for d in DATASETS]
    names = ("name", "what", "license", "on this machine")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for known_set, place in found:
        table.add_row(known_set.name, known_set.about, known_set.license, str(place or "no"))
    Console().print(table)
    rows = [{"name": d.name, "license": d.license, "path": p and str(p)} for d, p in found]
    finish(args, {"datasets": rows})
    return 0
