"""The flags of the reference implementation's command line: names, defaults, meanings.

Each flag is one field of `Flags`; the parser, the help and the record are made of it. Nothing here
imports the library, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

__all__ = ["DATASETS", "OFF_SWITCHES", "SPECS", "Flags", "add_flags", "read_flags"]

DATASETS: dict[str, tuple[str, str]] = {
    "ETTh1": ("ETTh1.csv", "OT"),
    "ETTh2": ("ETTh2.csv", "OT"),
    "ETTm1": ("ETTm1.csv", "OT"),
    "ETTm2": ("ETTm2.csv", "OT"),
    "WTH": ("WTH.csv", "WetBulbCelsius"),
    "ECL": ("ECL.csv", "MT_320"),
    "Solar": ("solar_AL.csv", "POWER_136"),
}
"""The data sets that the reference knows by name: their file and their target."""

OFF_SWITCHES = ("distil", "mix")
"""Flags that switch off in the reference what they name."""

DATA, NETWORK, TRAINING = "data", "network", "training"
RESULTS, HARDWARE = "results", "hardware"
ROLLING, OURS = "rolling forecast (the tutorial package's)", "not in the reference"


def boolean(text: str) -> bool:
    """True or False as a person spells it.

    Raises:
        ArgumentTypeError: it is neither.
    """
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false; write True or False")
    return words[text.lower()]


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers between commas.

    Raises:
        ArgumentTypeError: they are none.
    """
    try:
        return tuple(int(part) for part in text.replace(" ", "").split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of whole numbers; write it as 3,2,1"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Spec:
    """How a flag is parsed and explained."""

    group: str
    about: str
    parse: Callable[[str], Any] = str
    choices: tuple[Any, ...] | None = None
    metavar: str | None = None
    n_values: str | None = None
    other_name: str | None = None

    def add_to(self, group: argparse._ArgumentGroup, name: str, default: object) -> None:
        """Add the flag; what is not given leaves no trace, so that `Flags` knows."""
        names = [f"--{name}"] + ([f"--{self.other_name}"] if self.other_name else [])
        told = "" if default is None else f" (default {_spelled(default)})"
        options: dict[str, Any] = {}
        if self.parse is boolean:  # bare, or with a value
            bare = None if name in OFF_SWITCHES else True
            options = {"nargs": "?", "const": bare, "metavar": "True|False"}
        elif self.choices is None:
            options = {"metavar": self.metavar or ("N" if self.parse is int else "X")}
        if self.n_values is not None:
            options["nargs"] = self.n_values
        group.add_argument(
            *names, dest=name, type=self.parse, choices=self.choices, default=argparse.SUPPRESS,
            help=f"{self.about}{told}".replace("%", "%%"), **options,
        )  # fmt: skip
        if name in OFF_SWITCHES:
            group.add_argument(
                f"--no-{name}", dest=name, action="store_false", default=argparse.SUPPRESS,
                help=f"switch {name} off",
            )  # fmt: skip


def _spelled(default: object) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _flag(default: object, group: str, about: str, **options: Any) -> Any:  # noqa: ANN401 - a field
    return field(default=default, metadata={"spec": _Spec(group=group, about=about, **options)})


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Every flag with the value that it has; the defaults are the reference's.

    Attributes:
        given: names of the flags that stood on the command line.
        bare: those of `OFF_SWITCHES` that stood there without a value.
    """

    # fmt: off
    data: str = _flag("ETTh1", DATA, "data set; custom: your own CSV file",
                      choices=(*DATASETS, "custom"))
    root_path: str = _flag("./data/ETT/", DATA, "folder of the data file", metavar="DIR")
    data_path: str = _flag("ETTh1.csv", DATA, "data file; if not given, the data set's own",
                           metavar="FILE")
    features: Literal["M", "S", "MS"] = _flag(
        "M", DATA, "M all columns to all, S target to target, MS all to target",
        choices=("M", "S", "MS"))
    target: str = _flag("OT", DATA, "target of S and MS; if not given, the data set's own",
                        metavar="COLUMN")
    cols: tuple[str, ...] | None = _flag(None, DATA, "columns to read; if not given, all",
                                         n_values="+", metavar="COLUMN")
    freq: str = _flag("h", DATA, "step between rows: s, t, h, d, b, w, m, or in detail: 15min, 3h; "
                      "if not given, the data's own", metavar="STEP")
    inverse: bool = _flag(False, DATA, "write arrays and metrics in the data's units, not scaled",
                          parse=boolean)

    model: Literal["informer", "informerstack"] = _flag(
        "informer", NETWORK, "network", choices=("informer", "informerstack"))
    seq_len: int = _flag(96, NETWORK, "steps that the encoder reads", parse=int)
    label_len: int = _flag(48, NETWORK, "last steps of the past that start the decoder", parse=int)
    pred_len: int = _flag(24, NETWORK, "steps forecast", parse=int)
    enc_in: int = _flag(7, NETWORK, "channels of the encoder; if not given, the data's", parse=int)
    dec_in: int = _flag(7, NETWORK, "channels of the decoder; if not given, the data's", parse=int)
    c_out: int = _flag(7, NETWORK, "channels forecast; if not given, the data's", parse=int)
    d_model: int = _flag(512, NETWORK, "width", parse=int)
    n_heads: int = _flag(8, NETWORK, "attention heads; divides d_model", parse=int)
    e_layers: int = _flag(2, NETWORK, "encoder layers of informer", parse=int)
    d_layers: int = _flag(1, NETWORK, "decoder layers", parse=int)
    s_layers: tuple[int, ...] = _flag((3, 2, 1), NETWORK, "layers of each encoder of informerstack",
                                      parse=numbers, metavar="N,N,N")
    d_ff: int = _flag(2048, NETWORK, "width of the feed-forward layers", parse=int)
    factor: int = _flag(5, NETWORK, "ProbSparse's sampling factor", parse=int)
    padding: Literal[0, 1] = _flag(
        0, NETWORK, "number that stands in the decoder's input for the horizon", parse=int,
        choices=(0, 1))
    distil: bool = _flag(True, NETWORK, "halve the length between encoder layers; the bare flag "
                         "switches it OFF, as in the reference", parse=boolean)
    dropout: float = _flag(0.05, NETWORK, "share of activations dropped in training", parse=float)
    attn: Literal["prob", "full"] = _flag("prob", NETWORK, "self-attention",
                                          choices=("prob", "full"))
    embed: Literal["timeF", "fixed", "learned"] = _flag(
        "timeF", NETWORK, "calendar features", choices=("timeF", "fixed", "learned"))
    activation: Literal["gelu", "relu"] = _flag(
        "gelu", NETWORK, "activation of the feed-forward layers", choices=("gelu", "relu"))
    output_attention: bool = _flag(
        False, NETWORK, "accepted, without effect; no file has attention maps", parse=boolean)
    mix: bool = _flag(True, NETWORK, "interleave heads and time in the decoder; the bare flag "
                      "switches it OFF, as in the reference", parse=boolean)

    train: bool = _flag(True, TRAINING, "False: load the setting's checkpoint instead (the "
                        "tutorial package's)", parse=boolean)
    itr: int = _flag(2, TRAINING, "repetitions, each with the next seed", parse=int)
    train_epochs: int = _flag(6, TRAINING, "maximum number of epochs", parse=int)
    batch_size: int = _flag(32, TRAINING, "windows per step", parse=int)
    patience: int = _flag(
        3, TRAINING, "stop after this many epochs without a better validation loss", parse=int)
    learning_rate: float = _flag(0.0001, TRAINING, "learning rate of the first epoch", parse=float)
    lradj: Literal["type1", "type2", "cosine", "onecycle", "constant"] = _flag(
        "type1", TRAINING, "schedule of the learning rate",
        choices=("type1", "type2", "cosine", "onecycle", "constant"))
    loss: Literal["mse", "mae", "huber"] = _flag(
        "mse", TRAINING, "loss that is minimised; the reference has only mse", parse=str.lower,
        choices=("mse", "mae", "huber"))
    num_workers: int = _flag(
        0, TRAINING, "accepted, without effect; no worker processes load the data", parse=int)

    use_gpu: bool = _flag(True, HARDWARE, "train on a GPU if there is one", parse=boolean)
    gpu: int = _flag(0, HARDWARE, "number of the GPU", parse=int)
    use_multi_gpu: bool = _flag(False, HARDWARE, "train on the GPUs of --devices", parse=boolean)
    devices: tuple[int, ...] = _flag((0, 1, 2, 3), HARDWARE, "numbers of the GPUs", parse=numbers,
                                     metavar="N,N,N")
    use_amp: bool = _flag(False, HARDWARE, "mixed precision: bfloat16 here", parse=boolean)

    checkpoints: str = _flag("./checkpoints/", RESULTS, "folder for the checkpoints", metavar="DIR")
    des: str = _flag("test", RESULTS, "word that becomes part of the folder's name", metavar="WORD")
    do_predict: bool = _flag(False, RESULTS, "also write the next horizon as real_prediction.npy",
                             parse=boolean)
    show_results: bool = _flag(False, RESULTS, "print errors by target and step (the tutorial "
                               "package's)", parse=boolean)

    is_rolling_predict: bool = _flag(
        False, ROLLING, "forecast the rows of --rolling_data_path after the test",
        parse=boolean, other_name="rollingforecast")
    rolling_data_path: str | None = _flag(
        None, ROLLING, "file that continues the data file, in --root_path or with its own path",
        metavar="FILE")

    refit_every: int | None = _flag(None, OURS, "rolling: train again after this many horizons",
                                    parse=int)
    allow_overlap: bool = _flag(
        False, OURS, "rolling: accept rows that were trained on; the result is then not a test",
        parse=boolean)
    seed: int = _flag(0, OURS, "seed of weights, order, dropout and sampled keys", parse=int)
    time_zone: str | None = _flag(
        None, OURS, "time zone of times that have none, and of the calendar features, such as "
        "Europe/Berlin", metavar="ZONE")
    time_format: str | None = _flag(
        None, OURS, "how times are written, such as %%d.%%m.%%Y; if not given, found in the file",
        metavar="FORMAT")
    max_gap: int = _flag(6, OURS, "longest gap in steps that is filled, with the value before it",
                         parse=int)
    # fmt: on

    given: frozenset[str] = frozenset()
    bare: tuple[str, ...] = ()


SPECS = {f.name: (f.metadata["spec"], f.default) for f in fields(Flags) if f.metadata}
"""Each flag's specification and default."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add every flag to `parser`, grouped by what it is about."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, (spec, default) in SPECS.items():
        if spec.group not in groups:
            groups[spec.group] = parser.add_argument_group(spec.group)
        spec.add_to(groups[spec.group], name, default)


def read_flags(values: Mapping[str, Any]) -> Flags:
    """The record of what was parsed; names in `values` that are no flags are left alone."""
    found = {name: value for name, value in values.items() if name in SPECS}
    bare = tuple(name for name in OFF_SWITCHES if name in found and found[name] is None)
    found |= dict.fromkeys(bare, False)
    if "cols" in found:
        found["cols"] = tuple(found["cols"])
    return Flags(**found, given=frozenset(found), bare=bare)
