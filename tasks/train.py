"""The training of the model that will be judged, with its curves in MLflow."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import mlflow
from prefect import task

from informer.forecaster import Forecaster
from informer.training.records import EpochRecord, best_val_loss
from tasks.config import RunConfig
from tasks.home import Home
from tasks.plots import learning_curve
from tasks.prepare import Prepared, history
from tasks.progress import Progress
from tasks.track import connect, log_figure, resumed_run
from tasks.tune import Tuned, log_study

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        model_dir: where `Forecaster.load` finds it.
        config: the configuration with the tuned values in it.
        val_loss: the validation loss of the epoch that was kept; of an ensemble the mean.
        seconds: what the training took.
    """

    model_dir: Path
    config: RunConfig
    val_loss: float
    seconds: float


@task(name="train")
def train(
    prepared: Prepared, config: RunConfig, tuned: Tuned, run_id: str, work_dir: Path, home: Home
) -> Trained:
    """Train with the best values found; stopped by validation, resumed from its checkpoint."""
    best = config.with_values(tuned.values)
    client = connect(home)
    with (
        resumed_run(run_id, home, system_metrics=True),
        Progress("train", best.ensemble * best.train.epochs) as progress,
    ):

        def on_epoch(record: EpochRecord) -> None:
            for name in ("train_loss", "val_loss", "learning_rate"):
                value, own = getattr(record, name), "" if record.member == 1 else record.member
                if not math.isnan(value):
                    client.log_metric(run_id, f"{name}{own}", value, step=record.epoch)
            if record.epoch > 0:
                progress.advance(f"epoch {record.epoch}, val loss {record.val_loss:.4f}")

        forecaster = Forecaster.fit(
            history(prepared, best.frame),
            best.forecaster_for(prepared.split),
            checkpoint_dir=work_dir / "checkpoints",
            on_epoch=on_epoch,
        )
    model_dir = forecaster.save(work_dir / "model")
    records = [asdict(record) for record in forecaster.history if record.member == 1]
    with resumed_run(run_id, home):
        log_study(tuned)
        log_figure(learning_curve(records), "learning-curve")
        mlflow.log_params({f"tuned.{name}": value for name, value in tuned.values.items()})
    return Trained(
        model_dir,
        best,
        best_val_loss(forecaster.history),
        sum(record.seconds for record in forecaster.history),
    )
