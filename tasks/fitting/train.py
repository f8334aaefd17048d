"""The training of the model that will be judged, with its curves in MLflow."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import mlflow

from informer.forecaster import Forecaster
from informer.training import EpochRecord, best_val_loss
from tasks.fitting.tune import TRAINING_CODE, TRAINING_LIBRARIES, Tuned, log_study
from tasks.rows import Prepared, history
from tasks.runs import Progress, Stage, connect, learning_curve, log_figure, resumed_run
from tasks.settings import Home, RunConfig

__all__ = ["Trained", "log_training", "train_model"]

CURVES = ("train_loss", "val_loss", "learning_rate")


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        model_dir: where `Forecaster.load` finds it.
        config: the configuration with the tuned values in it.
        val_loss: the validation loss of the epoch that was kept; of an ensemble the mean.
        seconds: what the training took.
        run_id: the MLflow run that saw it.
    """

    model_dir: Path
    config: RunConfig
    val_loss: float
    seconds: float
    run_id: str


TRAIN = Stage("train", Trained, code=TRAINING_CODE, libraries=TRAINING_LIBRARIES)


def train_model(
    prepared: Prepared, config: RunConfig, tuned: Tuned, run_id: str, home: Home
) -> Trained:
    """Train with the best values found; stopped by validation, resumed from its checkpoint.

    Raises:
        TimeoutError: it took longer than `workers.timeout_hours`.
    """
    best = config.with_values(tuned.values)
    parts = best.parts("frame", "split", "model", "train", "baselines", "ensemble")
    return TRAIN.run(
        home,
        (prepared.snapshot.sha256, parts),
        lambda folder: _train(prepared, best, run_id, home, folder),
        timeout_s=3600 * config.workers.timeout_hours,
    )


def _train(prepared: Prepared, best: RunConfig, run_id: str, home: Home, folder: Path) -> Trained:
    client = connect(home)
    with (
        resumed_run(run_id, home, system_metrics=True),
        Progress("train", best.ensemble * best.train.epochs) as progress,
    ):
        curves = _Curves(client, run_id)

        def on_epoch(record: EpochRecord) -> None:
            curves.show(record)
            if record.epoch > 0:
                progress.advance(f"epoch {record.epoch}, val loss {record.val_loss:.4f}")

        forecaster = Forecaster.fit(
            history(prepared, best.frame),
            best.forecaster_for(prepared.split),
            checkpoint_dir=folder / "work",
            on_epoch=on_epoch,
        )
    return Trained(
        forecaster.save(folder / "model"),
        best,
        best_val_loss(forecaster.history),
        sum(record.seconds for record in forecaster.history),
        run_id,
    )


class _Curves:
    """The epochs that an MLflow run shows, each once, whichever attempt or run has trained it."""

    def __init__(self, client: mlflow.MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self._shown: dict[str, set[int]] = {}

    def show(self, record: EpochRecord) -> None:
        """Log an epoch that the run does not show yet; of a second network on, with its number."""
        suffix = "" if record.member == 1 else str(record.member)
        for name in CURVES:
            key, value = f"{name}{suffix}", float(getattr(record, name))
            if key not in self._shown:
                history = self._client.get_metric_history(self._run_id, key)
                self._shown[key] = {one.step for one in history}
            if record.epoch not in self._shown[key] and not math.isnan(value):
                self._client.log_metric(self._run_id, key, value, step=record.epoch)
                self._shown[key].add(record.epoch)


def log_training(trained: Trained, tuned: Tuned, run_id: str, home: Home) -> None:
    """Show the study and the training with a run, its own or one that takes it over."""
    records = Forecaster.load(trained.model_dir).history
    first = [asdict(record) for record in records if record.member == 1]
    with resumed_run(run_id, home):
        log_study(tuned)
        log_figure(learning_curve(first), "learning-curve")
        mlflow.log_params({f"tuned.{name}": value for name, value in tuned.values.items()})
        mlflow.set_tag("trained_in_run", trained.run_id)
        curves = _Curves(connect(home), run_id)
        for record in records:
            curves.show(record)
