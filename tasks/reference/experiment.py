"""From flags and data to what the library takes; flags that contradict one another or the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from torch import Tensor

from informer.config import ForecasterConfig, FrameConfig, TrainingConfig
from informer.data import (
    ETT_HOUR,
    ETT_MINUTE,
    Panel,
    Split,
    SplitConfig,
    frame_times,
    regular_frame,
    regular_panel,
)
from informer.errors import ConfigError, FrameError
from informer.interop import NETWORK_FLAGS, config_from_flags
from informer.training import has_gpu
from tasks.reference.flags import DATASETS, Flags
from tasks.reference.source import Source, gaps, read_rolling_rows, read_source
from tasks.rows import refuse_sentinels
from tasks.settings import Home

__all__ = ["Experiment", "make_experiment", "setting_of", "training_config"]

ROLLING_FLAGS = ("rolling_data_path", "refit_every", "allow_overlap")
TRAINING_FLAGS = ("train_epochs", "batch_size", "patience", "learning_rate", "lradj", "loss")


@dataclass(frozen=True)
class Experiment:
    """Everything that the repetitions of one command share.

    Attributes:
        flags: what was asked for.
        source: the data as read.
        config: of the forecaster of the first repetition.
        rows: regular rows of the data file, NaN where nothing was measured.
        panel: the same rows, gaps filled.
        split: where validation and test begin and end.
        rolling_rows: the rows of the rolling file, if one is asked for.
        warnings: flags that are ignored, and how a doubtful file was understood.
    """

    flags: Flags
    source: Source
    config: ForecasterConfig
    rows: pd.DataFrame
    panel: Panel
    split: Split
    rolling_rows: pd.DataFrame | None
    warnings: tuple[str, ...]

    @property
    def known(self) -> pd.DataFrame:
        """Train and validation rows: everything that a training may see."""
        return self.rows[frame_times(self.rows, self.config.frame) < self.split.test_start]

    @property
    def test_origins(self) -> Tensor:
        """(N,) the first forecast row of every window whose horizon lies in the test rows."""
        model, split = self.config.model, self.split
        return self.panel.origins((split.test_start, split.test_end), model.seq_len, model.pred_len)


def make_experiment(flags: Flags, home: Home) -> Experiment:
    """Read the data and settle what the flags mean for it, before anything is trained.

    Raises:
        ConfigError: a flag is impossible, or contradicts another flag or the data.
        FrameError: the data breaks the structural contract.
        SourceError: a file is not there, or cannot be read.
    """
    _check_flags(flags)
    source = read_source(flags, home)
    frame = _frame_config(flags, source)
    rows = regular_frame(source.rows, frame)
    refuse_sentinels(rows, frame)
    panel = regular_panel(rows, frame)
    split = split_config(flags.data).resolve(panel.grid[0], panel.grid[-1], frame)
    n_val = int(((panel.grid >= split.val_start) & (panel.grid < split.test_start)).sum())
    config = ForecasterConfig(
        frame=frame,
        model=config_from_flags(network_flags(flags, frame)),
        training=training_config(flags, 0),
        val=n_val,  # a count: a refit on more rows validates on its own last ones
    )
    warnings = (
        *_ignored(flags),
        *source.warnings,
        *gaps(rows, frame.channels, source, flags.max_gap),
    )
    rolling = read_rolling_rows(flags, source, home) if flags.is_rolling_predict else None
    made = Experiment(flags, source, config, rows, panel, split, rolling, warnings)
    if not len(made.test_origins):
        raise FrameError(
            f"the test rows from {split.test_start} to {split.test_end} have no window of "
            f"{flags.seq_len} + {flags.pred_len} steps. Shorten --pred_len or --seq_len, or "
            "supply more rows."
        )
    return made


def setting_of(flags: Flags, repetition: int) -> str:
    """The name of a repetition's folders, as the reference writes it."""
    f = flags
    return (
        f"{f.model}_{f.data}_ft{f.features}_sl{f.seq_len}_ll{f.label_len}_pl{f.pred_len}"
        f"_dm{f.d_model}_nh{f.n_heads}_el{f.e_layers}_dl{f.d_layers}_df{f.d_ff}_at{f.attn}"
        f"_fc{f.factor}_eb{f.embed}_dt{f.distil}_mx{f.mix}_{f.des}_{repetition}"
    )


def split_config(data: str) -> SplitConfig:
    """Twelve, four and four months for the ETT tables, else shares of 0.7, 0.1 and 0.2."""
    return {"ETTh": ETT_HOUR, "ETTm": ETT_MINUTE}.get(data[:4], SplitConfig())


def training_config(flags: Flags, repetition: int) -> TrainingConfig:
    """How a repetition is trained: Adam, as in the reference."""
    devices: int | tuple[int, ...] = (flags.gpu,) if "gpu" in flags.given else 1
    precision: Literal["fp32", "bf16"] = "bf16" if flags.use_amp else "fp32"
    return TrainingConfig(
        learning_rate=flags.learning_rate,
        schedule=flags.lradj,
        loss=flags.loss,
        epochs=flags.train_epochs,
        batch_size=flags.batch_size,
        patience=flags.patience,
        precision=precision,
        accelerator="auto" if flags.use_gpu else "cpu",
        devices=flags.devices if flags.use_multi_gpu else devices if flags.use_gpu else 1,
        seed=flags.seed + repetition,
    )


def network_flags(flags: Flags, frame: FrameConfig) -> dict[str, object]:
    """The flags that describe the network, channels and step as the data has them.

    Raises:
        ConfigError: a channel count that was given contradicts the data.
    """
    n_in, n_out = len(frame.channels), len(frame.targets)
    implied: dict[str, object] = {"enc_in": n_in, "dec_in": n_in, "c_out": n_out}
    for name, count in implied.items():
        given = getattr(flags, name)
        if name in flags.given and given != count:
            raise ConfigError(
                f"--{name} {given} contradicts the data: with --features {flags.features} it is "
                f"{count}, for the columns {', '.join(frame.channels[:8])}. Leave --{name} out, or "
                "choose the columns with --cols."
            )
    described = {name: getattr(flags, name) for name in (*NETWORK_FLAGS, "s_layers")}
    return described | implied | {"freq": frame.freq, "output_attention": False}


def _frame_config(flags: Flags, source: Source) -> FrameConfig:
    columns = flags.cols or source.columns
    missing = [name for name in columns if name not in source.columns]
    if missing:
        raise ConfigError(
            f"--cols names {', '.join(missing)}, but {source.name} has "
            f"{', '.join(source.columns)}. Correct the names."
        )
    target = _target(flags, columns, source)
    if flags.features == "S":
        columns = (target,)
    elif not flags.data.startswith("ETT"):  # the reference moves the target to the end
        columns = (*(name for name in columns if name != target), target)
    return FrameConfig(
        time_column=source.time_column,
        id_column=None,
        columns=columns,
        target=target,
        features=flags.features,
        freq=source.freq,
        time_zone=source.clock.zone,
        max_gap=flags.max_gap,
        on_gap="split",
    )


def _target(flags: Flags, columns: tuple[str, ...], source: Source) -> str:
    implied = DATASETS[flags.data][1] if flags.data in DATASETS else flags.target
    target = flags.target if "target" in flags.given else implied
    if target in columns:
        return target
    if "target" not in flags.given and flags.features == "M":
        return columns[-1]  # all columns are forecast: none is singled out
    where = "--cols" if flags.cols else source.name
    raise ConfigError(
        f"the target {target!r} is not among the columns of {where}: {', '.join(columns)}. Name "
        "one of them with --target."
    )


def _check_flags(flags: Flags) -> None:
    """Refuse flags that contradict one another."""
    if flags.use_multi_gpu and not flags.use_gpu:
        raise ConfigError(
            "--use_multi_gpu and --use_gpu False contradict each other; leave one of them out."
        )
    if flags.is_rolling_predict and flags.rolling_data_path is None:
        raise ConfigError(
            "--is_rolling_predict True needs the file that continues the data file; name it with "
            "--rolling_data_path."
        )
    for name in ("itr", "refit_every"):
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name} is {value}; it must be at least 1.")
    if Path(flags.des).name != flags.des:
        raise ConfigError(
            f"--des is {flags.des!r}; it is part of a folder's name, so give one plain word."
        )


def _ignored(flags: Flags) -> Iterator[str]:
    """One warning for each flag that was given and does not do what it says."""
    given = flags.given
    for name in flags.bare:
        yield (
            f"--{name} switches {name} OFF, as in the reference; write --no-{name} to make that "
            "clear, or leave it out to keep it on"
        )
    if flags.num_workers:
        yield "--num_workers is ignored: no worker processes load the data here"
    if flags.output_attention:
        yield "--output_attention is ignored: no file of a run holds attention maps"
    idle = "e_layers" if flags.model == "informerstack" else "s_layers"
    if idle in given:
        yield f"--{idle} is ignored: --model {flags.model} does not use it"
    if flags.features == "S" and flags.cols:
        yield "--cols is ignored: with --features S only the target is read"
    if "devices" in given and not flags.use_multi_gpu:
        yield "--devices is ignored without --use_multi_gpu"
    if "gpu" in given and (flags.use_multi_gpu or not flags.use_gpu):
        yield "--gpu is ignored: --use_multi_gpu or --use_gpu selects the device"
    if flags.use_gpu and "use_gpu" in given and not has_gpu():
        yield "no GPU was found: everything is computed on the CPU"
    unused = [] if flags.is_rolling_predict else sorted(given & set(ROLLING_FLAGS))
    unused += [] if flags.train else sorted(given & set(TRAINING_FLAGS))
    for name in unused:
        needed = "--is_rolling_predict True" if name in ROLLING_FLAGS else "--train True"
        yield f"--{name} is ignored without {needed}"
