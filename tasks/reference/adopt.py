"""A checkpoint of the reference implementation and its flags, made a forecaster of this project."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import yaml
from prefect import task

from informer import backtest
from informer.errors import ConfigError
from informer.interop import NETWORK_FLAGS, config_from_flags
from tasks.judging import CHALLENGER_NAME, metrics_of, report
from tasks.reference.checkpoint import serve_checkpoint
from tasks.reference.experiment import make_experiment
from tasks.reference.flags import DATASETS, SPECS, Flags, read_flags
from tasks.rows import Prepared, find_dataset, snapshot
from tasks.runs import resumed_run
from tasks.settings import Home

__all__ = ["Adopted", "adopt_checkpoint", "given_flags", "model_name", "read_args", "to_flags"]

CUSTOM = "custom"
DATA_FLAGS = ("data", "root_path", "data_path", "features", "target", "cols")
TRAINING_FLAGS = ("train_epochs", "batch_size", "patience", "learning_rate", "lradj", "loss")
NAME = r"[a-z0-9][a-z0-9-]*"


@dataclass(frozen=True)
class Adopted:
    """A forecaster made of a checkpoint.

    Attributes:
        model_dir: where `Forecaster.load` finds it.
        prepared: the rows that it was trained and judged on.
        metrics: mse, mae (in units of the train rows' deviation), mase, coverage on the test rows.
        n_windows: test windows.
    """

    model_dir: Path
    prepared: Prepared
    metrics: dict[str, float]
    n_windows: int


def read_args(path: Path) -> dict[str, Any]:
    """The flags that a checkpoint was trained with, from JSON or YAML.

    Raises:
        ConfigError: the file cannot be read, or holds no names and values.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}. Name a file that exists."
        ) from error
    except (ValueError, yaml.YAMLError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise ConfigError(f"{path} is no {kind}: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} must hold the flags of the reference by name, such as "
            f'{{"data": "ETTh1", "seq_len": 96}}, not a {type(content).__name__}.'
        )
    return content


def to_flags(args: Mapping[str, Any], data: str | None) -> Flags:
    """The record of flags that `informer reference` has, of those that say what a model is.

    Args:
        args: the flags by their names in the reference; `vars(args)` will do.
        data: a known data set or a file, in place of what `args` says of it.

    Raises:
        ConfigError: a name is no flag of the reference, or a value cannot be.
    """
    typed = {name: _typed(name, value) for name, value in args.items() if value is not None}
    try:
        network = config_from_flags(typed)
    except TypeError as error:
        raise ConfigError(f"a flag has a value of the wrong type: {error}.") from error
    described = {name: getattr(network, name) for name in NETWORK_FLAGS if name in typed}
    described.pop("e_layers", None)
    stacked = isinstance(network.e_layers, tuple)
    described["s_layers" if stacked else "e_layers"] = network.e_layers
    described["freq"] = typed.get("detail_freq", network.freq)  # its own freq is cut to a letter
    described |= {name: typed[name] for name in DATA_FLAGS + TRAINING_FLAGS if name in typed}
    if data is not None:
        described |= _elsewhere(data)
    flags = read_flags(described)
    if flags.data not in DATASETS and flags.data != CUSTOM:
        raise ConfigError(
            f"data is {flags.data!r}, which is not a data set of the reference; use "
            f"{', '.join(DATASETS)} or {CUSTOM}."
        )
    return flags


def _typed(name: str, value: object) -> object:
    """A value that a file spells as text, as the command line would read it."""
    parse = SPECS[name][0].parse if name in SPECS and name != "e_layers" else str
    if not isinstance(value, str) or parse is str:
        return value
    try:
        return parse(value)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise ConfigError(f"{name} is {value!r}: {error}.") from error


def _elsewhere(data: str) -> dict[str, str]:
    known = find_dataset(data)
    if known is not None and known.name in DATASETS:
        return {"data": known.name, "data_path": DATASETS[known.name][0]}
    path = Path(data).expanduser().absolute()
    return {"root_path": str(path.parent), "data_path": path.name}


def given_flags(flags: Flags) -> dict[str, Any]:
    """What was said of the model and its data, by the reference's names."""
    return {name: getattr(flags, name) for name in sorted(flags.given)}


def model_name(named: str | None, flags: Flags) -> str:
    """The name to register under: as asked, else of the data.

    Raises:
        ConfigError: `named` cannot be the name of a model.
    """
    if named is None:
        of = Path(flags.data_path).stem if flags.data == CUSTOM else flags.data
        return f"{re.sub('[^a-z0-9]+', '-', of.lower()).strip('-')}-reference"
    if not re.fullmatch(NAME, named):
        raise ConfigError(f"--name {named!r} may have only a-z, 0-9 and dashes, such as etth1-old.")
    return named


@task(name="adopt")
def adopt_checkpoint(
    checkpoint: Path, flags: Flags, run_id: str, work_dir: Path, home: Home
) -> Adopted:
    """Load the weights; fit the scaler, the intervals and the test error on the data they know.

    The split is the reference's: months for the ETT tables, else shares of 0.7, 0.1 and 0.2.

    Raises:
        CheckpointError: the file cannot be read, would run code, or does not fit the flags.
        ConfigError: the flags contradict the data.
        FrameError, SourceError: the data cannot be used or found.
    """
    experiment = make_experiment(flags, home)
    forecaster = serve_checkpoint(checkpoint, experiment)
    split, source = experiment.split, experiment.source
    between = (split.test_start, split.test_end)
    found = backtest({CHALLENGER_NAME: forecaster}, experiment.rows, between)
    model_dir = forecaster.save(work_dir / "model")
    report(found, run_id, work_dir, home)
    with resumed_run(run_id, home):
        mlflow.log_dict(asdict(forecaster.config), "config.json")
        mlflow.set_tag("checkpoint", str(checkpoint.absolute()))
    return Adopted(
        model_dir=model_dir,
        prepared=Prepared(
            snapshot(experiment.rows, source.name, home),
            snapshot(source.rows, source.name, home),
            split,
            n_series=1,
        ),
        metrics=metrics_of(found)[CHALLENGER_NAME],
        n_windows=found.n_windows,
    )
