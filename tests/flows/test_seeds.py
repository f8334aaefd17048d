"""A further seed whose training diverges is told to the gate; it ends nothing."""

from __future__ import annotations

import math
from contextlib import nullcontext
from types import SimpleNamespace

from prefect.logging import disable_run_logger

from flows import train
from informer.errors import TrainingError
from tasks.settings import load_config
from tests.tasks.judging.test_promote import CONF


def test_a_seed_whose_training_diverges_has_an_infinite_error(monkeypatch):
    config = load_config("nyc-weather", ["promote.spread_seeds=2"], conf_dir=CONF)
    done = []

    def train_anywhere(_prepared, own, _run_id, _home):
        done.append(own.train.seed)
        if len(done) == 1:
            raise TrainingError("the train loss became nan in epoch 1, step 2.")
        return SimpleNamespace(model_dir=None)

    monkeypatch.setattr(train, "train_anywhere", train_anywhere)
    monkeypatch.setattr(train, "child_run", lambda *_: nullcontext("child"))
    monkeypatch.setattr(train, "score_seed", lambda *_: 0.4)
    with disable_run_logger():
        found = train.errors_by_seed(None, SimpleNamespace(config=config), "run", None)
    assert found == (math.inf, 0.4)
    assert len(done) == 2
