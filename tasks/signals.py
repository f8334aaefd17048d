"""Signals that are heard wherever they arrive.

Python and Prefect make SIGINT and SIGTERM an exception in whatever code runs at that moment. In a
destructor or in a weak reference's callback Python prints that exception and drops it, and the
flow that was told to stop would train on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

__all__ = ["hear_dropped_signals"]

AGAIN_S = 0.1


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
    from prefect.exceptions import ExternalSignal  # not before the environment is set

    return getattr(error, "signal", None) if isinstance(error, ExternalSignal) else None
