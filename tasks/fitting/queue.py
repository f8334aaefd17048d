"""The trials of a study as a queue that any number of processes take from.

Each result that a study is to have is an entry: it waits, one process works on it, and it ends
complete or pruned. To take one is a single transaction, so that no two processes work on it.
Whoever ends one without a result puts one back, so that none is lost; for a process that died,
those who are alive do (`studies.put_back`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from tasks.fitting.failures import FAILURE, TrialFailed
from tasks.fitting.studies import fail_stale, open_storage
from tasks.settings import Home

__all__ = ["FINISHED", "Objective", "Queue"]

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
POLL_S = 1.0
QUIET = 3  # looks that find nothing, for an entry is nowhere while it is put back
FIXED = "fixed_params"  # where Optuna keeps the values that a trial was enqueued with

Objective = Callable[[optuna.Trial, FrozenTrial], float]
"""A trial, and what was known of it before it was taken; gives its value."""


class Queue:
    """One study.

    Args:
        name: of the study, which is made where it is new.
        seed: what the sampler draws for a trial follows from it, the trial's number, and the
            trials that there are then: not from who takes it, nor from what was drawn before.
        home: where the study is kept.

    Attributes:
        study: with a median pruner; TPE draws as if running trials were bad, which keeps processes
            that draw at once apart.
    """

    def __init__(self, name: str, seed: int, home: Home) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._seed = seed
        self._storage = open_storage(home)
        self.study = optuna.create_study(
            study_name=name,
            storage=self._storage,
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
        )

    def fill(self, n_trials: int, first: Sequence[Mapping[str, Any]]) -> int:
        """Let as many entries wait as are missing for `n_trials` finished trials.

        One process at a time may do so.

        Args:
            n_trials: that the study is to have in the end, those that are running counted.
            first: values to begin with, where the study does not know them; the sampler draws those
                of all other entries, when they are taken.

        Returns:
            How many results are missing, those of running trials counted.
        """
        finished = len(self.trials(*FINISHED))
        room = max(0, n_trials - finished - len(self.trials(TrialState.RUNNING)))
        for values in first:
            if values and room > sum(map(_has_values, self.trials(TrialState.WAITING))):
                self.study.enqueue_trial(dict(values), skip_if_exists=True)
        waiting = sorted(self.trials(TrialState.WAITING), key=_has_values, reverse=True)
        for surplus in waiting[room:]:  # of an earlier run that wanted more
            if self._take(surplus):
                self.study.tell(surplus.number, state=TrialState.FAIL)
        for _ in range(room - len(waiting)):
            self.study.enqueue_trial({})
        return max(0, n_trials - finished)

    def work(self, n_trials: int, objective: Objective, seconds: float | None = None) -> None:
        """Take entries until so many trials are finished, or none is left that may come back.

        Args:
            n_trials: that the study was filled for.
            objective: what gives a trial its value. A `TrialFailed` ends the trial as failed, and
                another entry takes its place, `n_trials` times at most. What else it raises, but
                for `TrialPruned`, ends the trial as failed and comes out of here. An
                `UpdateFinishedTrialError`, which every report may raise, says that the trial was
                taken for dead and is another process's.
            seconds: after which no further entry is taken.
        """
        end = None if seconds is None else time.monotonic() + seconds
        n_quiet = 0
        while len(self.trials(*FINISHED)) < n_trials and n_quiet < QUIET:
            fail_stale(self.study)
            taken = None if end is not None and time.monotonic() >= end else self._next()
            if taken is not None:
                self._run(taken, objective, n_trials)
                n_quiet = 0
            else:
                n_quiet = 0 if self.trials(TrialState.RUNNING) else n_quiet + 1
                time.sleep(POLL_S)

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in these states, by number; in any state where none is named."""
        found: list[FrozenTrial] = self.study.get_trials(deepcopy=False, states=states or None)
        return found

    def failed(self) -> list[FrozenTrial]:
        """The trials whose values did not work, by number; each says why."""
        return [trial for trial in self.trials(TrialState.FAIL) if FAILURE in trial.user_attrs]

    def _next(self) -> FrozenTrial | None:
        waiting = self.trials(TrialState.WAITING)
        return next((trial for trial in waiting if self._take(trial)), None)

    def _take(self, trial: FrozenTrial) -> bool:
        """Whether a waiting entry is now this process's: of several, one succeeds."""
        trial_id = self._id(trial)
        # The sign of life comes first: a process that is killed in between would leave none.
        self._storage.record_heartbeat(trial_id)
        try:
            return bool(self._storage.set_trial_state_values(trial_id, TrialState.RUNNING))
        except UpdateFinishedTrialError:
            return False

    def _run(self, taken: FrozenTrial, objective: Objective, n_trials: int) -> None:
        """Work on an entry that was taken, and say how it ended."""
        drawn = np.random.SeedSequence([self._seed, taken.number]).generate_state(1)
        self.study.sampler = optuna.samplers.TPESampler(seed=int(drawn[0]), constant_liar=True)
        trial_id = self._id(taken)
        with self._heartbeat(trial_id):
            try:
                value = objective(optuna.Trial(self.study, trial_id), taken)
                self._tell(taken, TrialState.COMPLETE, value)
            except optuna.TrialPruned:
                self._tell(taken, TrialState.PRUNED)
            except UpdateFinishedTrialError:
                return
            except TrialFailed:
                # Another draw takes its place; where none works, the search is to end all the same.
                if self._tell(taken, TrialState.FAIL) and len(self.failed()) <= n_trials:
                    self.study.enqueue_trial({})
            except BaseException as error:
                if self._tell(taken, TrialState.FAIL):
                    # Values that failed would again; an interruption says nothing against them.
                    failed = isinstance(error, Exception)
                    self.study.enqueue_trial({} if failed else taken.system_attrs.get(FIXED, {}))
                raise

    def _tell(self, taken: FrozenTrial, state: TrialState, value: float | None = None) -> bool:
        """Whether the trial ended so; else another process has ended it before."""
        try:
            self.study.tell(taken.number, value, state)
        except (ValueError, UpdateFinishedTrialError):
            if self._storage.get_trial(self._id(taken)).state.is_finished():
                return False
            raise
        return True

    @contextmanager
    def _heartbeat(self, trial_id: int) -> Iterator[None]:
        """Send signs of life meanwhile, from a thread of its own."""
        interval, stopped = self._storage.get_heartbeat_interval(), Event()

        def beat() -> None:
            while not stopped.wait(interval):
                with suppress(StorageInternalError):  # the next one may come through
                    self._storage.record_heartbeat(trial_id)
            self._storage.remove_session()

        thread = Thread(target=beat, name=f"heartbeat of trial {trial_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _id(self, trial: FrozenTrial) -> int:
        study_id = self._storage.get_study_id_from_name(self.study.study_name)
        return int(self._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number))


def _has_values(trial: FrozenTrial) -> bool:
    """Whether a waiting entry says what to try: one to begin with, or a dead process's."""
    return bool(trial.params or trial.system_attrs.get(FIXED))
