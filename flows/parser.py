"""The arguments of every command; what a command does with them stands in its own module."""

from __future__ import annotations

from flows.arguments import Parser
from flows.operations_parser import add_operations
from tasks.reference import add_flags

__all__ = ["make_parser"]


def make_parser() -> Parser:
    """The parser of `informer`, all commands in it."""
    common = Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="end stdout with one JSON object")
    common.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    conf = Parser(add_help=False)
    conf.add_argument("conf", metavar="CONF", help="a file under conf/, or its name")
    conf.add_argument("overrides", nargs="*", metavar="key=value", help="such as model.d_model=64")
    parser = Parser(prog="informer", description="Long-horizon forecasting, from data to champion")
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
    retrain.add_argument(
        "--deployment", action="store_true", help="submit it to the workers, and do not wait"
    )
    forecast.add_argument("--as-of", metavar="TIME", help="forget what came after this time")
    forecast.add_argument("--output", metavar="DIR", help="folder of the forecast files")
    _add_backtest(backtest)
    _add_benchmark(benchmark)
    add_operations(commands, common, conf)
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


def _add_backtest(parser: Parser) -> None:
    parser.add_argument("--roll", metavar="FILE", help="rows that go on where the data end")
    parser.add_argument("--refit-every", metavar="N", type=int, help="rolling: fit anew after N")
    parser.add_argument(
        "--allow-overlap", action="store_true", help="rolling: rows known before, which are no test"
    )
    parser.add_argument("--output", metavar="DIR", help="folder of the tables and charts")


def _add_benchmark(parser: Parser) -> None:
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


def _add_import(parser: Parser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the reference's checkpoint.pth")
    parser.add_argument(
        "--args", metavar="FILE", required=True, help="JSON or YAML of the flags it was trained by"
    )
    parser.add_argument("--name", metavar="NAME", help="of the registered model")
    parser.add_argument("--data", metavar="PATH", help="the data it was trained on: file or name")
