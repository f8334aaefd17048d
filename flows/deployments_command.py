"""`informer deployments` and `informer setup-automations`; `informer retrain --deployment`."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table

from flows.answer import finish
from informer.errors import ConfigError
from tasks.operations import (
    all_deployments,
    is_current,
    path_of,
    pipelines,
    prefect_yaml,
    set_up,
    submit_retrain,
)
from tasks.settings import RunConfig, StoreError, find_home, replaced

__all__ = ["deployments", "setup_automations", "submit"]


def deployments(args: argparse.Namespace) -> int:
    """`informer deployments [--write]`: prefect.yaml as conf/ has it, and whether it is so."""
    home = find_home()
    path, found = path_of(home), list(all_deployments(pipelines(home)))
    current = is_current(home)
    if args.write and not current:
        with replaced(path) as draft:
            draft.write_text(prefect_yaml(home), encoding="utf-8")
    table = Table(*(Column(name, overflow="fold") for name in ("deployment", "pool", "when")))
    for one in found:
        when = f"{one.cron} ({one.time_zone})" if one.cron else "only when asked for"
        table.add_row(one.name, one.pool, when)
    Console().print(table)
    if not current and not args.write:
        raise StoreError(
            f"{path} is not what conf/ makes. Run: informer deployments --write, then "
            "prefect deploy --all."
        )
    state = "up to date" if current else "written; to bring it to the server: prefect deploy --all"
    Console().print(f"{path}: {state}", soft_wrap=True)
    rows = [{"name": d.name, "pool": d.pool, "cron": d.cron, "zone": d.time_zone} for d in found]
    finish(args, {"path": str(path), "written": not current, "deployments": rows})
    return 0


def setup_automations(args: argparse.Namespace) -> int:
    """`informer setup-automations [--webhook URL]`."""
    if args.webhook is not None and not args.webhook.startswith(("http://", "https://")):
        raise ConfigError(f"--webhook {args.webhook!r} is no URL; it begins with http or https.")
    changes = set_up(pipelines(find_home()), args.webhook)
    table = Table(*(Column(name, overflow="fold") for name in ("", "name", "state")))
    for change in changes:
        table.add_row(change.kind, change.name, change.what)
    Console().print(table)
    if args.webhook is None:
        Console().print("nobody is told of crashed or endless runs: give --webhook URL for that")
    finish(args, {"changes": [vars(change) for change in changes], "webhook": args.webhook})
    return 0


def submit(args: argparse.Namespace, config: RunConfig) -> int:
    """`informer retrain CONF --deployment`: hand it to the workers and return at once."""
    done = submit_retrain(config)
    console = Console()
    console.print(f"submitted as {done.name}: {done.url}", soft_wrap=True)
    if done.warning:
        console.print(f"but {done.warning}", soft_wrap=True)
    record = {"status": "submitted", "flow_run_id": done.flow_run_id}
    record |= {"name": done.name, "url": done.url, "warning": done.warning}
    finish(args, record)
    return 0
