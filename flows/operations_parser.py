"""The arguments of the commands that keep a pipeline running: monitor, models, worker and more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.arguments import Parser

if TYPE_CHECKING:
    from flows.arguments import Commands

__all__ = ["add_operations"]

KEPT_DAYS = 90


def add_operations(commands: Commands, common: Parser, conf: Parser) -> None:
    """Add them to `commands`; `common` and `conf` are the arguments that others have too."""
    monitor = commands.add_parser(
        "monitor", parents=[common, conf], help="past forecasts against what came, inputs for drift"
    )
    monitor.add_argument("--as-of", metavar="TIME", help="forget what came after this time")
    monitor.add_argument("--output", metavar="DIR", help="folder of the report")
    _add_models(commands, common, conf)
    _add_forecasts(commands, common, conf)
    _add_replay(commands, common, conf)
    _add_deployments(commands, common)


def _add_models(commands: Commands, common: Parser, conf: Parser) -> None:
    models = commands.add_parser("models", help="the registry by alias, the ledger of promotions")
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common, conf], help="versions, aliases and errors")
    actions.add_parser("history", parents=[common, conf], help="every promotion: who, when, why")
    promote = actions.add_parser("promote", parents=[common, conf], help="serve a version")
    promote.add_argument("--version", metavar="N", help="of the model; without it the challenger")
    rollback = actions.add_parser("rollback", parents=[common, conf], help="serve the previous one")
    for action in (promote, rollback):
        action.add_argument("--reason", metavar="TEXT", help="what the ledger says of it")


def _add_forecasts(commands: Commands, common: Parser, conf: Parser) -> None:
    forecasts = commands.add_parser("forecasts", help="what was forecast, and when")
    actions = forecasts.add_subparsers(dest="action", required=True, metavar="ACTION")
    as_of = actions.add_parser("as-of", parents=[common], help="what was known at a time")
    as_of.add_argument("time", metavar="TIME")
    as_of.add_argument("conf", metavar="CONF", nargs="?", help="without it, every pipeline")
    as_of.add_argument("--output", metavar="FILE", help="CSV or Parquet file of these rows")
    change = commands.add_parser(
        "explain-change", parents=[common, conf],
        help="why a forecast moved: new data, new weights, changed covariates",
    )  # fmt: skip
    change.add_argument("--before", metavar="VINTAGE", help="cutoff or file; the last but one")
    change.add_argument("--after", metavar="VINTAGE", help="cutoff or file; the last")
    change.add_argument("--output", metavar="DIR", help="folder of the table and the chart")


def _add_replay(commands: Commands, common: Parser, conf: Parser) -> None:
    replay = commands.add_parser(
        "replay", parents=[common, conf],
        help="held-back rows played as a live stream, to choose a schedule",
    )  # fmt: skip
    replay.add_argument("--start", metavar="TIME", help="first cutoff; rows before it are known")
    replay.add_argument(
        "--policies", metavar="NAME", nargs="+", help="never, drift, or a time such as 7d"
    )
    replay.add_argument("--output", metavar="DIR", help="folder of the report")


def _add_deployments(commands: Commands, common: Parser) -> None:
    deployments = commands.add_parser(
        "deployments", parents=[common], help="prefect.yaml as conf/ has it, and whether it is so"
    )
    deployments.add_argument("--write", action="store_true", help="write it")
    automations = commands.add_parser(
        "setup-automations", parents=[common],
        help="pools, limits and automations on the Prefect server, created or brought up to date",
    )  # fmt: skip
    automations.add_argument("--webhook", metavar="URL", help="told of crashed and endless runs")
    worker = commands.add_parser(
        "worker", parents=[common], help="reconcile, then work for a pool until told to stop"
    )
    worker.add_argument("--pool", metavar="NAME", default="cpu", help="cpu unless told")
    worker.add_argument(
        "--limit", metavar="N", type=int, help="runs at once; without it any number"
    )
    commands.add_parser(
        "reconcile", parents=[common],
        help="close what dead workers left open: flow runs, MLflow runs, trials, slots",
    )  # fmt: skip
    clean = commands.add_parser(
        "clean", parents=[common], help="remove working files that no run has used for a while"
    )
    clean.add_argument(
        "--older-than", metavar="DAYS", type=int, default=KEPT_DAYS,
        help=f"since when nobody used them; {KEPT_DAYS} unless told",
    )  # fmt: skip
    clean.add_argument("--dry-run", action="store_true", help="only say what would be removed")
