"""Signals that are heard wherever they arrive, and end a process that cleans up behind itself.

Python and Prefect make SIGINT and SIGTERM an exception in whatever code runs at that moment. In a
destructor or in a weak reference's callback Python prints that exception and drops it, and the
flow that was told to stop would train on. And where no flow runs, SIGTERM and SIGHUP end Python on
the spot, which leaves the temporary server of a local run behind.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "hear_dropped_signals", "signals_raised"]

AGAIN_S = 0.1
ENDING = (signal.SIGTERM, signal.SIGHUP)


class Terminated(SystemExit):
    """The process was told to end by a signal; its status is the shell's, 128 and the number."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number, and the status that says so."""
        self.signal, self.status = number, 128 + number
        super().__init__(self.status)


@contextmanager
def signals_raised() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP raise `Terminated`; one that is ignored, as by nohup, stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    default = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in default:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in default:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _frame: FrameType | None) -> None:
    raise Terminated(number)


def hear_dropped_signals() -> None:
    """From now on, send this process a signal once more if its exception was dropped."""
    others = sys.unraisablehook

    def hook(dropped: sys.UnraisableHookArgs, /) -> None:
        number = _number(dropped.exc_value)
        if number is None:
            others(dropped)
            return
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook


def _number(error: BaseException | None) -> int | None:
    """The signal that an exception stands for."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    from prefect.exceptions import TerminationSignal  # not before the environment is set

    return error.signal if isinstance(error, TerminationSignal | Terminated) else None
