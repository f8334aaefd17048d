"""The command line: `informer COMMAND`, or `python -m flows COMMAND`.

Exit status: 0 done; 1 the pipeline failed; 2 a mistake in the command or the configuration. A
failure prints one `error:` line on stderr; with --json the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from tasks.home import check_writable, enter, find_home
from tasks.reference.flags import add_flags

__all__ = ["main"]

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
WRITERS = ("retrain", "forecast", "backtest", "import")
FUNCTIONS = {
    "retrain": ("flows.commands", "retrain"),
    "forecast": ("flows.commands", "forecast"),
    "backtest": ("flows.backtest_command", "backtest"),
    "import": ("flows.import_command", "import_"),
    "benchmark": ("flows.benchmark", "benchmark"),
    "reference": ("flows.reference", "reference"),
    "data": ("flows.commands", "data"),
    "doctor": ("flows.commands", "doctor"),
}
OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_]+)*=")
Command = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message}. See: {self.prog} --help", file=sys.stderr)
        raise SystemExit(MISUSED)


def _parser() -> argparse.ArgumentParser:
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="end stdout with one JSON object")
    common.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    conf = _Parser(add_help=False)
    conf.add_argument("conf", metavar="CONF", help="a file under conf/, or its name")
    parser = _Parser(prog="informer", description="Long-horizon forecasting, from data to champion")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    retrain = commands.add_parser(
        "retrain", parents=[common, conf], help="data to validated, promoted model and forecast"
    )
    forecast = commands.add_parser(
        "forecast", parents=[common, conf], help="batch forecast by the champion"
    )
    backtest = commands.add_parser(
        "backtest", parents=[common, conf], help="the champion and the baselines, scored again"
    )
    benchmark = commands.add_parser(
        "benchmark", parents=[common, conf],
        help="the published protocol: scaled errors over every test window, beside published ones",
    )  # fmt: skip
    for command in (retrain, forecast, backtest, benchmark):
        command.add_argument(
            "overrides", nargs="*", metavar="key=value", help="such as model.d_model=64"
        )
    forecast.add_argument("--as-of", metavar="TIME", help="forget what came after this time")
    forecast.add_argument("--output", metavar="DIR", help="folder of the forecast files")
    _add_backtest(backtest)
    _add_benchmark(benchmark)
    adopted = commands.add_parser(
        "import", parents=[common], help="a checkpoint of the reference, registered as a model"
    )
    _add_import(adopted)
    reference = commands.add_parser(
        "reference", parents=[common], allow_abbrev=False,
        help="the reference implementation's command line, flag for flag",
    )  # fmt: skip
    add_flags(reference)
    data = commands.add_parser("data", help="the data sets known by name")
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common], help="what there is, and what lies here")
    fetch = actions.add_parser("fetch", parents=[common], help="download into the cache")
    fetch.add_argument("name", metavar="NAME")
    commands.add_parser(
        "doctor", parents=[common], help="what is installed, reachable, writable; and the mend"
    )
    return parser


def _add_backtest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--roll", metavar="FILE", help="rows that go on where the data end")
    parser.add_argument("--refit-every", metavar="N", type=int, help="rolling: fit anew after N")
    parser.add_argument(
        "--allow-overlap", action="store_true", help="rolling: rows known before, which are no test"
    )
    parser.add_argument("--output", metavar="DIR", help="folder of the tables and charts")


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="PATH", help="a file or data set in place of CONF's")
    parser.add_argument(
        "--horizon", metavar="N", type=int, nargs="+", help="steps ahead, one table each"
    )
    parser.add_argument("--features", choices=("M", "S", "MS"), help="columns read and forecast")
    parser.add_argument("--seeds", metavar="N", type=int, help="seeds of the Informer to average")
    parser.add_argument(
        "--models", metavar="NAME", nargs="+", help="informer, or names of baselines"
    )
    parser.add_argument(
        "--tune", action="store_true", help="search first, on the validation rows alone"
    )
    parser.add_argument("--output", metavar="FILE", help="JSON file to which the rows are added")


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the reference's checkpoint.pth")
    parser.add_argument(
        "--args", metavar="FILE", required=True, help="JSON or YAML of the flags it was trained by"
    )
    parser.add_argument("--name", metavar="NAME", help="of the registered model")
    parser.add_argument("--data", metavar="PATH", help="the data it was trained on: file or name")


def _reordered(argv: Sequence[str]) -> list[str]:
    """Overrides directly behind CONF: argparse does not take them from behind an option."""
    overrides = [text for text in argv if OVERRIDE.match(text)]
    rest = [text for text in argv if not OVERRIDE.match(text)]
    place = 2 if len(rest) > 1 and not rest[1].startswith("-") else len(rest)
    return [*rest[:place], *overrides, *rest[place:]]


def _command(name: str) -> Command:
    """The function behind a command; its imports are paid for only when it runs."""
    module, function = FUNCTIONS[name]
    command: Command = getattr(import_module(module), function)
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn what was raised into one line and an exit status."""
    args = _parser().parse_args(_reordered(sys.argv[1:] if argv is None else argv))
    enter(find_home())
    # Prefect, MLflow and torch read their variables when they are imported: not before this line.
    from informer.errors import ConfigError, InformerError
    from tasks.errors import PipelineError

    try:
        if args.command in WRITERS:
            check_writable(find_home().store_dir)  # before Prefect trips over it
        return _command(args.command)(args)
    except (ConfigError, PipelineError, InformerError) as error:
        raised: BaseException = error
        status, text = (MISUSED if isinstance(error, ConfigError) else FAILED), str(error)
    except KeyboardInterrupt as error:
        raised, status, text = error, INTERRUPTED, "interrupted"
        if args.command in WRITERS:
            text += "; the MLflow run is marked KILLED"
    except Exception as error:
        raised, status = error, FAILED
        text = f"unexpected {type(error).__name__}: {error}. Run again with --debug and report it."
    if args.debug:
        traceback.print_exception(raised)
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
