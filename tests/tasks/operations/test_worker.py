"""Processes that must end, and those that are known to have ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil

from tasks.operations.reconcile.flow_runs import WORKER, worker_name
from tasks.operations.worker import end
from tasks.runs import alive

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(
    [sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True
)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_worker_that_ignores_the_signal_is_killed_and_its_runs_end():
    worker = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True)
    run = psutil.Process(int(worker.stdout.readline()))
    began = time.monotonic()
    end(worker.pid, grace_s=1.0)
    assert worker.wait(5) == -9
    assert time.monotonic() - began < 10
    psutil.wait_procs([run], timeout=5)
    assert not alive(run.pid, time.time())
    end(worker.pid, grace_s=1.0)  # nobody is there any more: nothing to do


def test_a_process_is_alive_if_it_is_the_same_one():
    assert alive(os.getpid(), time.time())
    assert not alive(os.getpid(), psutil.Process().create_time() - 60)
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert not alive(done.pid, time.time())


def test_a_worker_s_name_says_where_its_runs_are():
    known = WORKER.match(worker_name("cpu"))
    assert known
    assert (known["pool"], known["pid"]) == ("cpu", str(os.getpid()))
