"""A signal that arrives where Python drops exceptions stops the process all the same."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from prefect.exceptions import TerminationSignal

from tasks.signals import hear_dropped_signals


class Deaf:
    """Its destructor is where the signal arrives, and where Python drops what is raised."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        time.sleep(0.01)


def terminate(number: int, _frame: object) -> None:
    raise TerminationSignal(signal=number)


@pytest.fixture
def dropped(monkeypatch):
    """What other hooks than the one under test are told."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    hear_dropped_signals()
    before = signal.signal(signal.SIGTERM, terminate)
    yield told
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGTERM, TerminationSignal), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_dropped_signal_is_sent_once_more(dropped, number, raised):
    deaf = [Deaf(number)]

    def work() -> None:
        deaf.clear()
        time.sleep(20)

    with pytest.raises(raised):
        work()
    assert dropped == []


def test_any_other_dropped_exception_is_left_to_others(dropped):
    class Broken:
        def __del__(self) -> None:
            raise OSError("of no interest")

    broken = Broken()
    del broken
    assert [type(one.exc_value) for one in dropped] == [OSError]
