"""What each command does with its arguments, and what it shows."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from flows.answer import finish
from flows.deployments_command import submit
from flows.forecast import forecast as forecast_flow
from flows.retrain import Retrained, retrain as retrain_flow
from flows.terminal import error_table, quiet
from flows.times import time_of
from informer.errors import ConfigError
from tasks.forecasts import Forecast, left_out_sentences
from tasks.operations import FAIL, examine
from tasks.rows import DATASETS, fetch, find_dataset, locate
from tasks.settings import RunConfig, find_home, load_config

__all__ = ["data", "doctor", "forecast", "retrain"]


def retrain(args: argparse.Namespace) -> int:
    """`informer retrain CONF [--deployment] [key=value ...]`."""
    config = _config(args)
    if args.deployment:
        return submit(args, config)
    quiet(args)
    done = retrain_flow(config)
    _show_retrained(config, done)
    finish(args, _retrained_record(config, done))
    return 0


def forecast(args: argparse.Namespace) -> int:
    """`informer forecast CONF [--as-of TIME] [--output DIR]`."""
    as_of = None if args.as_of is None else time_of(args.as_of)
    config = _config(args)
    if args.output is not None:
        config = config.with_values({"forecast.output": args.output})
    quiet(args)
    made = forecast_flow(config, as_of)
    Console().print(
        f"{made.n_rows:,} rows for {made.n_series} series after {made.cutoff}, by version "
        f"{made.model_version}: {made.path}",
        soft_wrap=True,
    )
    _show_others(made)
    finish(args, _forecast_record(made))
    return 0


def data(args: argparse.Namespace) -> int:
    """`informer data list` and `informer data fetch NAME`."""
    home = find_home()
    if args.action == "fetch":
        dataset = find_dataset(args.name)
        if dataset is None:
            known = ", ".join(d.name for d in DATASETS)
            raise ConfigError(f"no data set is known as {args.name!r}; known are {known}.")
        path = fetch(dataset, home)
        Console().print(str(path), soft_wrap=True)
        finish(args, {"name": dataset.name, "path": str(path)})
        return 0
    found = [(d, locate(d, home)) for d in DATASETS]
    names = ("name", "what", "license", "on this machine")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for known_set, place in found:
        table.add_row(known_set.name, known_set.about, known_set.license, str(place or "no"))
    Console().print(table)
    rows = [{"name": d.name, "license": d.license, "path": p and str(p)} for d, p in found]
    finish(args, {"datasets": rows})
    return 0


def doctor(args: argparse.Namespace) -> int:
    """`informer doctor`."""
    checks = examine(find_home())
    table = Table("", *(Column(name, overflow="fold") for name in ("what", "found", "mend")))
    for check in checks:
        table.add_row(check.state, check.what, check.found, check.mend)
    Console().print(table)
    failed = any(check.state == FAIL for check in checks)
    rows = [vars(check) for check in checks]
    finish(args, {"status": "failed" if failed else "ok", "checks": rows})
    return int(failed)


def _config(args: argparse.Namespace) -> RunConfig:
    return load_config(args.conf, args.overrides, conf_dir=find_home().conf_dir)


def _show_others(made: Forecast) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if made.caught_up:
        console.print(f"caught up on {len(made.caught_up)}: {', '.join(made.caught_up)}")
    for sentence in left_out_sentences(made.left_out):
        console.print(sentence)


def _forecast_record(made: Forecast) -> dict[str, Any]:
    return {
        "model_version": made.model_version,
        "n_series": made.n_series,
        "n_rows": made.n_rows,
        "cutoff": made.cutoff,
        "path": str(made.path),
        "vintages": made.n_written,
        "caught_up": list(made.caught_up),
        "left_out": made.left_out,
    }


def _show_retrained(config: RunConfig, done: Retrained) -> None:
    console = Console()
    decision = done.promotion.decision
    console.print(error_table(f"{config.name}, test", done.evaluation.metrics))
    console.print(f"{decision.verdict}: {decision.reason}", soft_wrap=True, highlight=False)
    console.print(
        f"version {done.version} was judged, version {done.promotion.champion_version} serves",
        highlight=False,
    )
    console.print(f"forecast: {done.forecast.path}", soft_wrap=True, highlight=False)
    console.print("the runs, models and plots: make ui", highlight=False)


def _retrained_record(config: RunConfig, done: Retrained) -> dict[str, Any]:
    decision, evaluation = done.promotion.decision, done.evaluation
    champion = evaluation.metrics.get("champion")
    return {
        "status": "completed",
        "run_id": done.run_id,
        "model_name": config.name,
        "model_version": done.version,
        "promoted": decision.verdict == "PROMOTE",
        "verdict": decision.verdict,
        "reason": decision.reason,
        "metrics": evaluation.metrics["informer"],
        "baselines": {
            name: {"mse": errors["mse"], "mae": errors["mae"]}
            for name, errors in evaluation.baselines.items()
        },
        "champion": None
        if evaluation.champion_version is None
        else {"version": evaluation.champion_version} | (champion or {}),
        "champion_version": done.promotion.champion_version,
        "n_windows": evaluation.n_windows,
        "forecast_path": str(done.forecast.path),
    }
