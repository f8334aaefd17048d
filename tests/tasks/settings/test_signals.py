"""A signal that arrives where Python drops exceptions stops the process all the same."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from prefect.exceptions import TerminationSignal

from tasks.settings.signals import Terminated, hear_dropped_signals, signals_raised


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_would_end_python_on_the_spot_is_raised(number):
    with pytest.raises(Terminated) as raised, signals_raised():
        signal.raise_signal(number)
    assert raised.value.code == raised.value.status == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it
    try:
        with signals_raised():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
