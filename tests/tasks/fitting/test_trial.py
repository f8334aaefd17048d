"""One trial: what it leaves in MLflow, and how another process goes on with it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from informer.data import regular_frame, regular_panel
from tasks.fitting.queue import Queue
from tasks.fitting.studies import abandon
from tasks.fitting.trial import Trials
from tasks.settings import Home, load_config
from tests.flows.conftest import TINY, weather

EPOCHS = 5


@pytest.fixture
def search(registry):
    """Makes a queue and its trials: name of the study, what is told after each epoch."""
    home = registry.home
    (home.root / "conf").mkdir()
    (home.root / "conf" / "tiny.yaml").write_text(TINY)
    overrides = [f"tune.epochs={EPOCHS}", "train.patience=100"]
    config = load_config("tiny", overrides, conf_dir=home.conf_dir)
    frame = regular_frame(weather(), config.frame)
    panel = regular_panel(frame, config.frame)
    split = config.split.resolve(panel.grid[0], panel.grid[-1], config.frame)

    def made(study, advance):
        queue = Queue(study, 0, home)
        queue.fill(1, [{"train.learning_rate": 0.01}])
        parent = registry.client.create_run("0").info.run_id
        return queue, Trials(panel, split, config, study, parent, home, advance)

    return made


def curve(registry, trial) -> dict[int, float]:
    run_id = trial.user_attrs["mlflow_run_id"]
    history = registry.client.get_metric_history(run_id, "val_loss")
    assert len(history) == EPOCHS
    return {metric.step: metric.value for metric in history}


def test_a_trial_that_was_taken_over_goes_on_from_its_checkpoint_to_the_same_losses(
    search, registry
):
    queue, trials = search("whole", lambda _note: None)
    queue.work(1, trials)
    (whole,) = queue.trials()
    told: list[int] = []

    def advance(note: str) -> None:
        told.append(int(re.match(r"trial (\d+)", note)[1]))
        if told == [0, 0]:
            assert (trials.home.trials_dir("cut") / "0" / "last.ckpt").is_file()
            assert abandon(queue.study, queue.trials()[0])

    queue, trials = search("cut", advance)
    queue.work(1, trials)
    dead, again = queue.trials()
    assert (dead.state.name, again.state.name) == ("FAIL", "COMPLETE")
    assert told == [0, 0, 1, 1]  # it saved its third epoch before it heard that it was dead
    assert dead.intermediate_values.keys() == {1, 2}
    assert again.intermediate_values == whole.intermediate_values
    assert again.value == whole.value == min(whole.intermediate_values.values())
    assert curve(registry, again) == curve(registry, whole) == whole.intermediate_values
    runs = [registry.client.get_run(t.user_attrs["mlflow_run_id"]) for t in (dead, again)]
    assert [run.info.status for run in runs] == ["FAILED", "FINISHED"]
    assert runs[1].data.tags["retry_of"] == "trial-0"
    assert not list(trials.home.trials_dir("cut").iterdir())


def test_a_machine_that_sees_no_checkpoint_begins_anew_and_reports_no_epoch_twice(
    search, registry, tmp_path
):
    told: list[str] = []

    def advance(note: str) -> None:
        told.append(note)
        if len(told) == 2:
            assert abandon(queue.study, queue.trials()[0])
            elsewhere = Home(tmp_path / "elsewhere")
            queue.work(1, replace(trials, home=elsewhere))

    queue, trials = search("anew", advance)
    queue.work(1, trials)
    assert len(told) == 2 + EPOCHS
    dead, again = queue.trials()
    assert (dead.state.name, again.state.name) == ("FAIL", "COMPLETE")
    assert again.intermediate_values.keys() == set(range(1, EPOCHS + 1))
    assert curve(registry, again) == again.intermediate_values


def test_a_stopped_trial_leaves_no_checkpoint_behind(search, registry):
    def advance(_note: str) -> None:
        raise KeyboardInterrupt

    queue, trials = search("stopped", advance)
    with pytest.raises(KeyboardInterrupt):
        queue.work(1, trials)
    assert [t.state.name for t in queue.trials()] == ["FAIL", "WAITING"]
    run = registry.client.get_run(queue.trials()[0].user_attrs["mlflow_run_id"])
    assert run.info.status == "KILLED"
    assert not list(trials.home.trials_dir("stopped").iterdir())
