"""How far the errors of the same training lie apart when nothing but its seed differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mlflow
from prefect import task

from informer.config import ForecasterConfig
from informer.forecaster import Forecaster
from informer.training.records import EpochRecord
from tasks.config import RunConfig
from tasks.evaluate import metrics_of, score
from tasks.home import Home
from tasks.prepare import Prepared, history
from tasks.progress import Progress
from tasks.track import resumed_run
from tasks.train import Trained

__all__ = ["further_seeds", "measure_spread"]


def further_seeds(config: RunConfig) -> tuple[int, ...]:
    """The first seed of each further training: an ensemble takes as many as it has networks."""
    first, step = config.train.seed, config.ensemble
    return tuple(first + step * place for place in range(1, config.promote.spread_seeds + 1))


@task(name="measure-spread")
def measure_spread(
    prepared: Prepared, trained: Trained, run_id: str, work_dir: Path, home: Home
) -> tuple[float, ...]:
    """Train the challenger's configuration with further seeds; the compared error of each.

    They are judged on the challenger's own origins. A seed that is trained already is not trained
    again, and one that was cut off goes on.
    """
    config = trained.config
    metric = config.promote.metric
    seeds = further_seeds(config)
    found = []
    with Progress("measure-spread", len(seeds) * config.ensemble * config.train.epochs) as progress:

        def on_epoch(record: EpochRecord) -> None:
            if record.epoch > 0:
                progress.advance(f"epoch {record.epoch}, val loss {record.val_loss:.4f}")

        for seed in seeds:
            folder = work_dir / "spread" / f"seed-{seed}"
            if not (folder / "model").is_dir():
                Forecaster.fit(
                    history(prepared, config.frame),
                    _with_seed(config.forecaster_for(prepared.split), seed),
                    checkpoint_dir=folder / "checkpoints",
                    on_epoch=on_epoch,
                ).save(folder / "model")
            name = f"seed {seed}"
            scored = score({name: Forecaster.load(folder / "model")}, prepared, config)
            found.append(metrics_of(scored)[name][metric])
    with resumed_run(run_id, home):
        for seed, value in zip(seeds, found, strict=True):
            mlflow.log_metric(f"test_{metric}_by_seed", value, step=seed)
    return tuple(found)


def _with_seed(config: ForecasterConfig, seed: int) -> ForecasterConfig:
    return replace(config, training=replace(config.training, seed=seed))
