"""The command line: `informer COMMAND`, or `python -m flows COMMAND`.

Exit status: 0 done; 1 the pipeline failed; 2 a mistake in the command or the configuration; 130 if
it was interrupted, 128 plus the signal's number if a signal stopped it. A failure prints one
`error:` line on stderr. With --json the last line of stdout is one JSON object.
"""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from flows.commands import COMMANDS, make_parser
from flows.commands.terminal.arguments import MISUSED
from informer.errors import ConfigError, InformerError
from tasks.settings import (
    PipelineError,
    Terminated,
    check_writable,
    enter,
    find_home,
    signals_raised,
)

__all__ = ["main", "run"]

FAILED, INTERRUPTED = 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn an exception into one line and an exit status."""
    args = make_parser().parse_args(argv)
    command = COMMANDS[args.command]
    enter(find_home())  # before Prefect, MLflow or torch is imported and reads its variables
    try:
        with signals_raised():
            if command.writes:
                check_writable(find_home().store_dir)  # before Prefect trips over it
            return command.run(args)
    except (ConfigError, PipelineError, InformerError) as error:
        raised: BaseException = error
        status, text = (MISUSED if isinstance(error, ConfigError) else FAILED), str(error)
    except (KeyboardInterrupt, Terminated) as error:
        raised, text = error, "interrupted"
        status = error.status if isinstance(error, Terminated) else INTERRUPTED
        if command.writes:
            text += "; the MLflow run is marked KILLED"
    except Exception as error:
        raised, status = error, FAILED
        text = f"unexpected {type(error).__name__}: {error}. Run again with --debug and report it."
    if args.debug:
        traceback.print_exception(raised)
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return status


def run() -> NoReturn:
    """The console script: `main`, and a quick end."""
    status = main()
    gc.freeze()  # else Python looks for garbage in all that was imported before it ends
    sys.exit(status)


if __name__ == "__main__":
    run()
