"""The command line: `informer COMMAND`, or `python -m flows COMMAND`.

Exit status: 0 done; 1 the pipeline failed; 2 a mistake in the command or the configuration; 130 or
128 and the signal's number where it was told to stop. A failure prints one `error:` line on stderr;
with --json the last line of stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module

from flows.arguments import MISUSED
from flows.parser import make_parser
from tasks.settings import Terminated, check_writable, enter, find_home, signals_raised

__all__ = ["main"]

FAILED, INTERRUPTED = 1, 130
WRITERS = ("retrain", "forecast", "backtest", "import", "monitor", "models", "replay")
FUNCTIONS = {
    "retrain": ("flows.commands", "retrain"),
    "forecast": ("flows.commands", "forecast"),
    "backtest": ("flows.backtest_command", "backtest"),
    "import": ("flows.import_command", "import_"),
    "benchmark": ("flows.benchmark", "benchmark"),
    "reference": ("flows.reference", "reference"),
    "data": ("flows.commands", "data"),
    "doctor": ("flows.commands", "doctor"),
    "monitor": ("flows.monitor_command", "monitor"),
    "models": ("flows.models_command", "models"),
    "forecasts": ("flows.forecasts_command", "forecasts"),
    "explain-change": ("flows.explain_command", "explain_change"),
    "replay": ("flows.replay_command", "replay"),
    "deployments": ("flows.deployments_command", "deployments"),
    "setup-automations": ("flows.deployments_command", "setup_automations"),
    "worker": ("flows.worker_command", "worker"),
    "reconcile": ("flows.worker_command", "reconcile"),
    "clean": ("flows.clean_command", "clean"),
}
OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_]+)*=")
Command = Callable[[argparse.Namespace], int]


def _reordered(argv: Sequence[str]) -> list[str]:
    """Overrides directly behind CONF: argparse does not take them from behind an option."""
    overrides = [text for text in argv if OVERRIDE.match(text)]
    rest = [text for text in argv if not OVERRIDE.match(text)]
    options = (i for i, text in enumerate(rest) if text.startswith("-"))
    place = next(options, len(rest))
    return [*rest[:place], *overrides, *rest[place:]]


def _command(name: str) -> Command:
    """The function behind a command; its imports are paid for only when it runs."""
    module, function = FUNCTIONS[name]
    command: Command = getattr(import_module(module), function)
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn what was raised into one line and an exit status."""
    args = make_parser().parse_args(_reordered(sys.argv[1:] if argv is None else argv))
    enter(find_home())
    # Prefect, MLflow and torch read their variables when they are imported: not before this line.
    from informer.errors import ConfigError, InformerError
    from tasks.settings import PipelineError

    try:
        with signals_raised():
            if args.command in WRITERS:
                check_writable(find_home().store_dir)  # before Prefect trips over it
            return _command(args.command)(args)
    except (ConfigError, PipelineError, InformerError) as error:
        raised: BaseException = error
        status, text = (MISUSED if isinstance(error, ConfigError) else FAILED), str(error)
    except (KeyboardInterrupt, Terminated) as error:
        raised, text = error, "interrupted"
        status = error.status if isinstance(error, Terminated) else INTERRUPTED
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
