"""One trial of a study: a short training with suggested values, as a nested MLflow run."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from informer.data import Panel, Split
from informer.errors import ConfigError
from informer.forecaster import Forecaster
from informer.training import EpochRecord
from tasks.fitting.failures import FAILURE, TrialFailed, failure_of
from tasks.fitting.studies import RUN_ATTRIBUTE, history_of
from tasks.runs import child_run, connect
from tasks.settings import Dimension, Home, RunConfig

__all__ = ["Trials", "suggest"]


def suggest(trial: optuna.Trial, space: Mapping[str, Dimension]) -> dict[str, Any]:
    """One value for each dimension of the space."""
    values: dict[str, Any] = {}
    for name, dimension in space.items():
        low, high = dimension.low, dimension.high
        if dimension.choices is not None:
            values[name] = trial.suggest_categorical(name, dimension.choices)
        elif isinstance(low, int) and isinstance(high, int):
            values[name] = trial.suggest_int(name, low, high, log=dimension.log)
        else:
            assert low is not None
            assert high is not None
            values[name] = trial.suggest_float(name, low, high, log=dimension.log)
    return values


@dataclass(frozen=True)
class Trials:
    """What all trials of a study share; called with one of them, it trains and gives its value.

    Attributes:
        past: train and validation rows.
        split: when validation begins.
        config: the pipeline's, its search space read.
        study: the study's name.
        parent_run_id: the MLflow run that the trials' runs are nested under.
        home: where checkpoints and runs are kept.
        advance: told a few words after each epoch.
    """

    past: Panel
    split: Split
    config: RunConfig
    study: str
    parent_run_id: str
    home: Home
    advance: Callable[[str], None]

    def __call__(self, trial: optuna.Trial, before: FrozenTrial) -> float:
        """The least validation loss of a training, gone on with where a dead process left it.

        Args:
            trial: taken from the queue.
            before: the same as it waited there: of one that was put back, with what was reported.

        Raises:
            TrialPruned: the losses of the others say that it is not worth going on.
            TrialFailed: the values do not work: a loss that is not finite, no window, no memory.
            UpdateFinishedTrialError: it was taken for dead, and another process goes on with it.
        """
        space = self.config.tune.space
        assert isinstance(space, dict), "load_config reads the space"
        values = suggest(trial, space)
        history = history_of(before)
        folder = self.home.trials_dir(self.study) / str([*history, trial.number][0])
        if not history:  # of another study of this name, whose database is gone
            shutil.rmtree(folder, ignore_errors=True)
        name, pruned = f"trial-{trial.number}", False
        with child_run(self.parent_run_id, name, values, self.home) as run_id:
            curve = _Curve(trial, run_id, connect(self.home), dict(before.intermediate_values))
            trial.set_user_attr(RUN_ATTRIBUTE, run_id)
            if history:
                curve.client.set_tag(run_id, "retry_of", f"trial-{history[-1]}")
            try:
                with _removed(folder):
                    self._train(values, folder, curve)
            except optuna.TrialPruned:
                pruned = True  # the run is finished all the same, it did not fail
            except Exception as error:
                reason = failure_of(error)
                if reason is None:
                    raise
                raise curve.failed(reason) from error
            curve.client.set_tag(run_id, "pruned", str(pruned).lower())
            best = min(filter(math.isfinite, curve.losses.values()), default=None)
            if best is None:
                raise curve.failed("no validation loss is finite")
            curve.client.log_metric(run_id, "best_val_loss", best)
        if pruned:
            raise optuna.TrialPruned
        return best

    def _train(self, values: Mapping[str, Any], folder: Path, curve: _Curve) -> None:
        short = {"train.epochs": self.config.tune.epochs, "ensemble": 1}
        try:
            candidate = self.config.with_values({**values, **short}).forecaster_for(self.split)
        except ConfigError as error:  # such as a width that the heads do not divide
            raise curve.failed(" ".join(str(error).split())) from error

        def on_epoch(record: EpochRecord) -> None:
            curve.show(record)
            if record.epoch > 0:
                self.advance(f"trial {curve.trial.number}: val loss {record.val_loss:.4f}")
            if curve.trial.should_prune():
                raise optuna.TrialPruned

        fitted = Forecaster.fit(
            self.past,
            candidate,
            checkpoint_dir=folder,
            on_epoch=on_epoch,
        )
        for record in fitted.history:  # a dead process's epochs, in a run that goes on from it
            curve.show(record)


@dataclass(frozen=True)
class _Curve:
    """The epochs of one trial, as MLflow and the other trials see them.

    Attributes:
        trial: whose epochs.
        run_id: its MLflow run.
        client: of MLflow.
        losses: epoch to validation loss, of all that were reported.
        shown: the epochs that the MLflow run shows.
    """

    trial: optuna.Trial
    run_id: str
    client: mlflow.MlflowClient
    losses: dict[int, float]
    shown: set[int] = field(default_factory=set)

    def show(self, record: EpochRecord) -> None:
        """Show and report an epoch, each once."""
        if record.epoch not in self.shown:
            self.shown.add(record.epoch)
            names = ("val_loss", "train_loss") if record.epoch > 0 else ("val_loss",)
            for name in names:
                value = getattr(record, name)
                self.client.log_metric(self.run_id, name, value, step=record.epoch)
        if record.epoch not in self.losses:
            self.losses[record.epoch] = record.val_loss
            self.trial.report(record.val_loss, record.epoch)

    def failed(self, reason: str) -> TrialFailed:
        """Say in the study and in the MLflow run why the values do not work; the error to raise."""
        self.trial.set_user_attr(FAILURE, reason)
        self.client.set_tag(self.run_id, FAILURE, reason)
        return TrialFailed(reason)


@contextmanager
def _removed(folder: Path) -> Iterator[None]:
    """Leave no checkpoint behind, unless another process has taken the trial over."""
    is_taken_over = False
    try:
        yield
    except UpdateFinishedTrialError:
        is_taken_over = True
        raise
    finally:
        if not is_taken_over:
            shutil.rmtree(folder, ignore_errors=True)
