"""Values that do not work end their trial, not the search."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch

from informer.data import regular_frame, regular_panel
from informer.errors import ConfigError, TrainingError
from informer.forecaster import Forecaster
from tasks.benchmark.search import search as benchmark_search
from tasks.fitting import queue as queue_module, tune
from tasks.fitting.failures import FAILURE, TrialFailed, failure_of
from tasks.fitting.queue import FINISHED, Queue
from tasks.fitting.trial import Trials
from tasks.settings import Home, load_config
from tests.flows.conftest import TINY, weather


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TrainingError("the train loss became nan."), "the train loss became nan."),
        (MemoryError(), "out of memory or of the device (MemoryError: no reason was given)"),
        (torch.OutOfMemoryError("CUDA out of memory."), "CUDA out of memory."),
        (RuntimeError("CUDA error: device-side assert triggered"), "CUDA error"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "allocate"),
        (torch.linalg.LinAlgError("the input matrix is singular"), "singular"),
    ],
)
def test_what_values_may_bring_about_is_told_in_words(error, told):
    assert told in (failure_of(error) or "")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("no"), ValueError("no"), OSError("disk full"), ConfigError("no such device"),
     optuna.exceptions.UpdateFinishedTrialError("ended by another")],
)  # fmt: skip
def test_what_is_not_of_the_values_making_ends_the_search(error):
    assert failure_of(error) is None


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.delenv("INFORMER_STUDY_URL", raising=False)
    monkeypatch.setattr(queue_module, "POLL_S", 0.01)
    made = Home(tmp_path)
    made.store_dir.mkdir(exist_ok=True)
    return made


def half_fails(trial: optuna.Trial, _before: object = None) -> float:
    x = trial.suggest_float("x", 0, 1)
    if trial.number % 2 == 0:
        trial.set_user_attr(FAILURE, "it diverged")
        raise TrialFailed("it diverged")
    return x


def none_works(trial: optuna.Trial, _before: object = None) -> float:
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr(FAILURE, f"the loss became nan in epoch {trial.number}.")
    raise TrialFailed("nan")


def test_another_draw_takes_the_place_of_a_trial_that_failed(home):
    queue = Queue("s", 0, home)
    queue.fill(4, [{"x": 0.5}])
    queue.work(4, half_fails)
    assert len(queue.trials(*FINISHED)) == 4
    assert [trial.number for trial in queue.failed()] == [0, 2, 4, 6]
    assert {trial.user_attrs[FAILURE] for trial in queue.failed()} == {"it diverged"}


def test_a_search_in_which_nothing_works_ends(home):
    queue = Queue("s", 0, home)
    queue.fill(3, [])
    queue.work(3, none_works)
    assert not queue.trials(*FINISHED)
    assert 3 <= len(queue.failed()) <= 6
    again = Queue("s", 0, home)
    again.fill(3, [])
    again.work(3, none_works)
    assert len(again.failed()) <= 9


def test_the_commonest_reason_is_told_though_its_numbers_differ(home):
    queue = Queue("s", 0, home)
    queue.fill(3, [])
    queue.work(3, none_works)
    told = tune._commonest(queue)
    n = len(queue.failed())
    assert told == f": {n} of {n} failed alike, as this one: the loss became nan in epoch 0"


def panel_and(config):
    panel = regular_panel(regular_frame(weather(), config.frame), config.frame)
    return panel, config.split.resolve(panel.grid[0], panel.grid[-1], config.frame)


def configured(home, space: str, n_trials: int = 3):
    (home.root / "conf").mkdir()
    (home.root / "conf" / "tiny.yaml").write_text(TINY)
    overrides = [f"tune.space={space}", f"tune.n_trials={n_trials}", "train.weight_decay=0"]
    return load_config("tiny", overrides, conf_dir=home.conf_dir)


def worked(registry, config):
    panel, split = panel_and(config)
    queue = Queue("s", 0, registry.home)
    queue.fill(config.tune.n_trials, [])
    parent = registry.client.create_run("0").info.run_id
    trials = Trials(panel, split, config, "s", parent, registry.home, lambda _note: None)
    queue.work(config.tune.n_trials, trials)
    return queue


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        ("{train.learning_rate: {choices: [1.0e-3, 1.0e+21]}}", "lower learning_rate"),
        ("{model.seq_len: {choices: [24, 590]}}", "hold no window"),
        ("{model.n_heads: {choices: [2, 3]}}", "n_heads"),
    ],
)
def test_a_trial_that_diverges_or_has_no_window_or_no_network_is_failed_with_its_reason(
    registry, space, reason
):
    queue = worked(registry, configured(registry.home, space))
    assert len(queue.trials(*FINISHED)) == 3
    failed = queue.failed()
    assert failed
    for trial in failed:
        assert reason in trial.user_attrs[FAILURE]
        run = registry.client.get_run(trial.user_attrs["mlflow_run_id"])
        assert run.info.status == "FAILED"
        assert run.data.tags[FAILURE] == trial.user_attrs[FAILURE]
    table = {row["trial"]: row for row in tune._table(queue)}
    assert all(reason in table[trial.number]["reason"] for trial in failed)
    assert all(np.isfinite(trial.value) for trial in queue.trials(*FINISHED) if trial.value)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")])
def test_a_trial_that_runs_out_of_memory_is_failed_and_the_search_goes_on(
    registry, monkeypatch, error
):
    fit, calls = Forecaster.fit, []

    def sometimes(*given, **named):
        calls.append(1)
        if len(calls) == 1:
            raise error
        return fit(*given, **named)

    monkeypatch.setattr(Forecaster, "fit", sometimes)
    space = "{train.learning_rate: {low: 1.0e-3, high: 1.0e-2}}"
    queue = worked(registry, configured(registry.home, space, n_trials=2))
    assert len(queue.trials(*FINISHED)) == 2
    (failed,) = queue.failed()
    assert "out of memory" in failed.user_attrs[FAILURE]


def test_the_benchmark_s_search_goes_on_too_and_ends_with_one_line_where_nothing_works(home):
    config = configured(home, "{train.learning_rate: {choices: [1.0e-3, 1.0e+21]}}", n_trials=4)
    frame = regular_frame(weather(), config.frame)
    _, split = panel_and(config)
    known = frame[frame["ds"] < split.test_start]
    best = benchmark_search(known, config, split, lambda _part, _note: None)
    assert best == {"train.learning_rate": 1e-3}
    never = config.with_values({"tune.space": {"train.learning_rate": {"choices": [1e21, 1e22]}}})
    with pytest.raises(TrainingError, match=r"no trial of the search at horizon 6 completed, .*"):
        benchmark_search(known, never, split, lambda _part, _note: None)
