"""One repetition of the reference's command: train or load, test, predict, roll, write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from informer.data import continued
from informer.errors import CheckpointError, InformerError
from informer.estimators import NetworkPredictor
from informer.evaluation import Rolled, roll
from informer.forecaster import Forecaster
from informer.interop import save_reference_checkpoint
from informer.training import EpochRecord
from tasks.reference.checkpoint import serve_checkpoint
from tasks.reference.experiment import Experiment, make_experiment, setting_of, training_config
from tasks.reference.flags import Flags
from tasks.reference.results import CHECKPOINT, Scored, score_windows, write_results
from tasks.runs import Bar
from tasks.settings import Home, replaced, replaced_folder

__all__ = ["Finished", "prepare", "repeat"]

RESULTS = Path("results")

# What the library calls its settings, and a person who typed flags does not know.
WORDS = {
    "frame.columns": "--cols",
    "frame.freq": "--freq",
    "set frame.time_zone to its zone and frame.naive to local": "name its zone with --time_zone",
    "set frame.naive to utc if they are in UTC": "leave --time_zone out if they are in UTC",
    "frame.time_format": "--time_format",
    "frame.max_gap": "--max_gap",
    "Correct the names under frame: in the configuration.": "Give the file these columns.",
    "(allow_overlap, --allow-overlap)": "(--allow_overlap)",
    "epochs is": "train_epochs is",
    "series '', the longest,": "the file",
    "series ''": "the file",
    "seq_len, linear_look_back or pred_len": "--seq_len or --pred_len",
}


@dataclass(frozen=True)
class Finished:
    """What a repetition left.

    Attributes:
        setting: the name of its folders.
        folder: `results/<setting>`, absolute.
        checkpoint: the file under `--checkpoints`.
        scored: errors on the test windows.
        history: the epochs of the training; empty where a checkpoint was loaded.
        rolled: the rolling forecast, if one was asked for.
    """

    setting: str
    folder: Path
    checkpoint: Path
    scored: Scored
    history: tuple[EpochRecord, ...]
    rolled: Rolled | None


def prepare(flags: Flags, home: Home) -> Experiment:
    """Read the data and check all that can be checked before anything is trained.

    Raises:
        ConfigError: a flag is impossible, or contradicts another flag or the data.
        FrameError: the data, or the rolling file, cannot be used.
        SourceError: a file is not there, or cannot be read.
    """
    with _told_in_flags():
        experiment = make_experiment(flags, home)
        if experiment.rolling_rows is not None:
            continued(
                experiment.rows, experiment.rolling_rows, experiment.config.frame,
                allow_overlap=flags.allow_overlap,
            )  # fmt: skip
    return experiment


def repeat(experiment: Experiment, repetition: int) -> Finished:
    """Run one repetition; its results replace older ones of the same setting only when whole.

    The checkpoint is written as soon as the network is trained, so that `--train False` can go on
    from there.

    Raises:
        CheckpointError: `--train False` finds no checkpoint, or one of another network.
        TrainingError: a loss is not finite.
        FrameError: the data is too short for a window.
        StoreError: a folder cannot be written.
    """
    flags = experiment.flags
    setting = setting_of(flags, repetition)
    checkpoint = (Path(flags.checkpoints).expanduser() / setting / CHECKPOINT).absolute()
    folder = (RESULTS / setting).absolute()
    config = replace(experiment.config, training=training_config(flags, repetition))
    experiment = replace(experiment, config=config)
    with _told_in_flags():
        if flags.train:
            forecaster = _train(experiment)
            with replaced(checkpoint) as draft:
                _save(forecaster, draft)
        else:
            forecaster = _load(experiment, checkpoint)
        scored = score_windows(forecaster, experiment)
        rolled = None if experiment.rolling_rows is None else _roll(forecaster, experiment)
        with replaced_folder(folder) as draft:
            write_results(draft, forecaster, scored, experiment)
            _save(forecaster, draft / CHECKPOINT)
            if rolled is not None:
                _write_rolled(rolled, draft, experiment)
    return Finished(setting, folder, checkpoint, scored, forecaster.history, rolled)


@contextmanager
def _told_in_flags() -> Iterator[None]:
    """Tell the library's errors in the words of the command line."""
    try:
        yield
    except InformerError as error:
        text = str(error)
        for word, flag in WORDS.items():
            text = text.replace(word, flag)
        raise type(error)(text) from error


def _train(experiment: Experiment) -> Forecaster:
    with Bar("train") as bar:
        note = "epoch 1"

        def on_epoch(record: EpochRecord) -> None:
            nonlocal note
            note = f"epoch {record.epoch + 1}, val loss {record.val_loss:.4f}"

        def on_step(done: int, total: int, loss: float) -> None:
            bar.move(done, note, total)

        return Forecaster.fit(
            experiment.known, experiment.config, on_epoch=on_epoch, on_step=on_step
        )


def _save(forecaster: Forecaster, path: Path) -> None:
    assert isinstance(forecaster.predictor, NetworkPredictor)
    save_reference_checkpoint(forecaster.predictor.models[0], path)


def _load(experiment: Experiment, checkpoint: Path) -> Forecaster:
    """The checkpoint's network; scaler and intervals come from the data, as after a training."""
    if not checkpoint.is_file():
        raise CheckpointError(
            f"there is no checkpoint {checkpoint}. Train this setting first (leave --train False "
            "out), or name the folder of its checkpoints with --checkpoints."
        )
    return serve_checkpoint(checkpoint, experiment)


def _roll(forecaster: Forecaster, experiment: Experiment) -> Rolled:
    """From the end of the data file on; the rows after the train and validation part are inputs."""
    assert experiment.rolling_rows is not None
    with Bar("roll") as bar:
        return roll(
            forecaster,
            experiment.rows,
            experiment.rolling_rows,
            refit_every=experiment.flags.refit_every,
            allow_overlap=experiment.flags.allow_overlap,
            on_step=lambda done, total: bar.move(done, total=total),
        )


def _write_rolled(rolled: Rolled, folder: Path, experiment: Experiment) -> None:
    from tasks.judging import write_rolled  # brings MLflow with it, of which the rest has no need

    show = experiment.source.clock.show
    forecasts, inputs = rolled.forecasts, rolled.inputs
    shown = replace(
        rolled,
        forecasts=forecasts.assign(ds=show(forecasts["ds"]), cutoff=show(forecasts["cutoff"])),
        inputs=inputs.assign(ds=show(inputs["ds"])),
    )
    write_rolled(shown, folder, f"Rolling forecast by {experiment.flags.model}")
