"""Trials that several processes take from one study: none is lost, none is worked on twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

import optuna
import pytest
from optuna.trial import TrialState

from tasks.fitting import queue as queue_module, studies
from tasks.fitting.queue import FINISHED, Queue
from tasks.fitting.studies import MAX_RETRIES, RUN_ATTRIBUTE, abandon, history_of
from tasks.operations import close_trials
from tasks.settings import Home

ROOT = Path(__file__).parents[3]
FIRST = {"x": 0.5}
WORKER = """
import os, sys
from pathlib import Path
from tasks.settings import Home
from tasks.fitting.queue import Queue

def objective(trial, before):
    x = trial.suggest_float("x", 0, 1)
    trial.report(x, 1)
    if sys.argv[2] == "dies":
        os.kill(os.getpid(), 9)
    print(trial.number, flush=True)
    return x

Queue("s", 0, Home(Path(sys.argv[1]))).work(int(sys.argv[3]), objective)
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.delenv("INFORMER_STUDY_URL", raising=False)
    monkeypatch.setattr(queue_module, "POLL_S", 0.05)
    made = Home(tmp_path)
    made.store_dir.mkdir(exist_ok=True)
    return made


def opened(home: Home, seed: int = 0) -> Queue:
    return Queue("s", seed, home)


def x_of(trial: optuna.Trial, _before: object = None) -> float:
    return trial.suggest_float("x", 0, 1)


def states(queue: Queue) -> list[str]:
    return [trial.state.name for trial in queue.trials()]


def process(home: Home, how: str, n_trials: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(home.root), how, str(n_trials)]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip


def test_as_many_entries_wait_as_results_are_missing(home):
    queue = opened(home)
    assert queue.fill(3, [FIRST, {}]) == 3
    assert states(queue) == ["WAITING"] * 3
    assert opened(home).fill(3, [FIRST]) == 3  # they wait already
    queue.work(3, x_of)
    assert states(queue) == ["COMPLETE"] * 3
    assert queue.trials()[0].params == FIRST
    assert queue.fill(3, [FIRST]) == 0
    assert queue.fill(5, [FIRST, {"x": 0.25}]) == 2
    queue.work(5, x_of)
    assert [t.params["x"] for t in queue.trials()][3] == 0.25
    assert states(queue) == ["COMPLETE"] * 5


def test_what_an_earlier_run_wanted_beyond_the_budget_is_not_tried(home):
    queue = opened(home)
    queue.fill(6, [])
    assert queue.fill(2, [FIRST]) == 2
    queue.work(2, x_of)
    assert len(queue.trials(*FINISHED)) == 2
    assert FIRST in [t.params for t in queue.trials(*FINISHED)]
    assert len(queue.trials(TrialState.FAIL)) == 5


@pytest.mark.slow
def test_processes_share_the_entries_and_no_two_take_the_same(home):
    opened(home).fill(24, [FIRST])
    processes = [process(home, "works", 24) for _ in range(2)]
    numbers = [int(n) for one in processes for n in one.communicate(timeout=60)[0].split()]
    assert [one.returncode for one in processes] == [0, 0]
    assert sorted(numbers) == list(range(24))
    assert states(opened(home)) == ["COMPLETE"] * 24


def test_what_is_drawn_does_not_depend_on_who_takes_it_nor_on_interruptions(home, tmp_path):
    queue = opened(home)
    queue.fill(8, [FIRST])
    queue.work(8, x_of)
    (tmp_path / "other" / "mlruns").mkdir(parents=True)
    other = Home(tmp_path / "other")
    for n_trials in (3, 8):
        again = opened(other)
        again.fill(n_trials, [FIRST])
        again.work(n_trials, x_of)
    drawn = [trial.params["x"] for trial in queue.trials()]
    assert [trial.params["x"] for trial in again.trials()] == drawn
    assert len(set(drawn)) == 8


@pytest.mark.slow
def test_a_killed_process_s_trial_is_tried_again_by_who_is_alive(home, monkeypatch):
    queue = opened(home)
    queue.fill(2, [FIRST])
    dead = process(home, "dies", 2)
    assert dead.wait(60) == -9
    assert states(queue) == ["RUNNING", "WAITING"]
    monkeypatch.setattr(studies, "HEARTBEAT_S", 1)
    monkeypatch.setattr(studies, "GRACE_S", 1)
    alive = opened(home)
    seen = {}

    def objective(trial, before):
        seen[trial.number] = (history_of(before), before.intermediate_values)
        return x_of(trial)

    alive.work(2, objective)
    assert states(alive) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert seen == {1: ([], {}), 2: ([0], {1: 0.5})}
    assert alive.trials()[2].params == FIRST


def test_values_that_kill_every_process_are_given_up(home):
    queue = opened(home)
    queue.fill(1, [FIRST])
    tried = []

    def objective(trial, before):
        tried.append(x_of(trial))
        if tried[-1] == FIRST["x"]:
            assert abandon(queue.study, before)  # as those do who take it for dead
            assert not abandon(queue.study, before)
        trial.report(0.0, 1)
        return 0.0

    queue.work(1, objective)
    assert tried[:-1] == [FIRST["x"]] * (1 + MAX_RETRIES)
    assert tried[-1] != FIRST["x"]
    assert states(queue) == ["FAIL"] * (1 + MAX_RETRIES) + ["COMPLETE"]


@pytest.mark.parametrize(("error", "again"), [(KeyboardInterrupt, FIRST), (RuntimeError, {})])
def test_who_ends_a_trial_without_a_result_puts_an_entry_back(home, error, again):
    queue = opened(home)
    queue.fill(1, [FIRST])

    def objective(trial, _before):
        x_of(trial)
        raise error

    with pytest.raises(error):
        queue.work(1, objective)
    assert states(queue) == ["FAIL", "WAITING"]
    (waiting,) = queue.trials(TrialState.WAITING)
    assert waiting.system_attrs["fixed_params"] == again
    assert history_of(waiting) == []


def test_a_trial_is_pruned_by_what_another_process_has_reported(home):
    opened(home).fill(4, [])
    losses = iter([[1.0, 0.5], [1.0, 0.4], [1.0, 0.9, 0.3], [1.0, 0.1]])

    def objective(trial, _before):
        for epoch, loss in enumerate(next(losses)):
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss

    for n_trials in range(1, 5):
        one = opened(home)
        one.work(n_trials, objective)
    assert states(one) == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    assert one.trials()[2].intermediate_values == {0: 1.0, 1: 0.9}


def test_after_its_time_no_further_entry_is_taken(home):
    queue = opened(home)
    queue.fill(2, [])
    queue.work(2, x_of, seconds=0.0)
    assert states(queue) == ["WAITING"] * 2


def test_a_process_without_an_entry_waits_for_those_that_may_come_back(home):
    opened(home).fill(1, [])
    taken, go_on, done = Event(), Event(), Event()

    def slow(trial, _before):
        taken.set()
        assert go_on.wait(30)
        return x_of(trial)

    def idle() -> None:
        opened(home).work(1, x_of)
        done.set()

    worker = Thread(target=lambda: opened(home).work(1, slow))
    worker.start()
    assert taken.wait(30)
    waiting = Thread(target=idle)
    waiting.start()
    time.sleep(0.5)
    assert not done.is_set()
    go_on.set()
    worker.join(30)
    waiting.join(30)
    assert done.is_set()
    assert states(opened(home)) == ["COMPLETE"]


@pytest.mark.parametrize(("status", "closes"), [("KILLED", True), ("FINISHED", False)])
def test_the_reconciler_puts_back_what_was_cut_off_and_nothing_else(registry, home, status, closes):
    assert registry.home == home
    queue = opened(home)
    queue.fill(1, [FIRST])
    closed = []

    def objective(trial, before):
        x_of(trial)
        if not history_of(before):
            run_id = registry.client.create_run("0").info.run_id
            trial.set_user_attr(RUN_ATTRIBUTE, run_id)
            trial.report(0.7, 1)
            registry.client.set_terminated(run_id, status)
            closed.extend(close_trials(home))
            trial.report(0.6, 2)
        else:
            assert RUN_ATTRIBUTE not in trial.user_attrs
            assert before.intermediate_values == {1: 0.7}
        return 0.6

    queue.work(1, objective)
    assert [one.reason for one in closed] == ["its MLflow run has ended"] * closes
    assert states(queue) == ["FAIL"] * closes + ["COMPLETE"]
    assert queue.trials()[-1].params == FIRST
