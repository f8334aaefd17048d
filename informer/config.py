"""What a forecaster is made of, as frozen dataclasses: every default of the library stands here.

The network's own settings stand in `informer/network.py`. A value that cannot work raises a
`ConfigError` that names its field.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal

from informer.errors import ConfigError
from informer.frequency import check_time_zone, pandas_offset
from informer.network import BESIDE_THE_PAPER, InformerConfig, LinearPart, highway_of
from informer.require import require, require_at_least, require_choice, require_levels

__all__ = [
    "BESIDE_THE_PAPER", "ForecasterConfig", "FrameConfig", "InformerConfig", "TrainingConfig",
]  # fmt: skip

QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MEDIAN = 0.5


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the network is fitted (paper section 5.1 for the defaults)."""

    optimizer: Literal["adam", "adamw"] = "adam"
    """The optimizer of the weights."""
    learning_rate: float = 1e-4
    """Learning rate of the first epoch, or at the peak of the schedule."""
    weight_decay: float = 0.0
    """Weight decay: decoupled with adamw, an L2 penalty with adam."""
    schedule: Literal["type1", "type2", "cosine", "onecycle", "constant"] = "type1"
    """Schedule of the learning rate. type1 and type2 are those of the reference."""
    loss: Literal["mse", "mae", "huber", "pinball"] = "mse"
    """The loss that is minimised. With pinball the network forecasts every quantile."""
    epochs: int = 6
    """Maximum number of epochs."""
    batch_size: int = 32
    """Windows in one training step."""
    patience: int = 3
    """Epochs without improvement before the training stops."""
    steps_per_epoch: int | None = None
    """Batches in an epoch, drawn at random. Empty: every window once."""
    max_windows: int = 1_000_000
    """Maximum number of train windows, drawn evenly over all series and times."""
    max_val_windows: int = 100_000
    """Maximum number of validation windows, drawn evenly over all series and times."""
    max_grad_norm: float | None = None
    """Maximum of the total gradient norm, by clipping. Empty: no clipping."""
    weight_average: Literal["none", "ema", "swa"] = "none"
    """Average of the weights: ema, or swa (over the second half). It is validated and kept."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format: fp32, or bf16 where that is safe. The weights stay in float32."""
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """The device. auto: a GPU if there is one."""
    devices: int | tuple[int, ...] | Literal["auto"] = 1
    """Number of devices, auto, or a list of GPU numbers. A CPU ignores the list."""
    compile: bool = False
    """Whether torch.compile is used."""
    seed: int = 0
    """Seed of weights, batches and sampled keys."""

    def __post_init__(self) -> None:
        require_choice(self, "optimizer", ("adam", "adamw"))
        require_choice(self, "schedule", ("type1", "type2", "cosine", "onecycle", "constant"))
        require_choice(self, "loss", ("mse", "mae", "huber", "pinball"))
        require_choice(self, "weight_average", ("none", "ema", "swa"))
        require_choice(self, "precision", ("fp32", "bf16"))
        require_choice(self, "accelerator", ("auto", "cpu", "cuda"))
        if isinstance(self.devices, list):  # as JSON and YAML spell a tuple
            object.__setattr__(self, "devices", tuple(self.devices))
        self._check_devices()
        require_at_least(self, 1, "epochs", "batch_size", "patience", "steps_per_epoch")
        require_at_least(self, 1, "max_windows", "max_val_windows")
        require_at_least(self, 0, "weight_decay", "seed")
        require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be > 0.")
        require(
            self.max_grad_norm is None or self.max_grad_norm > 0,
            f"max_grad_norm is {self.max_grad_norm}; use null to switch clipping off, or > 0.",
        )

    def _check_devices(self) -> None:
        given = self.devices
        if isinstance(given, tuple):
            usable = bool(given) and min(given) >= 0 and len(set(given)) == len(given)
        else:
            usable = given == "auto" or (isinstance(given, int) and given >= 1)
        require(
            usable,
            f"devices is {given!r}; use 'auto', a count of at least 1, or a list of different GPU "
            "numbers such as [0, 1].",
        )


@dataclass(frozen=True, kw_only=True)
class FrameConfig:
    """The columns of a frame and their roles.

    A gap is filled with the last value before it, so a model's input has no value from after the
    cutoff. A filled value is never used as a true value.
    """

    time_column: str = "ds"
    """Column of the times. Steps below a day are kept in UTC, longer ones as dates."""
    id_column: str | None = "unique_id"
    """Column that names the series. Empty: there is one series."""
    columns: tuple[str, ...] = ("y",)
    """The numeric channels."""
    target: str = "y"
    """The channel that features S and MS forecast."""
    features: Literal["M", "S", "MS"] = "S"
    """M: all channels to all, S: target to target, MS: all to target."""
    freq: str = "h"
    """Step between rows: s, t, h, d, b, w, m, q, y, a multiple (15min, 3h), M-15 or MS."""
    time_zone: str | None = None
    """Zone whose clock the calendar features read: Europe/Berlin, +02:00. Empty: none."""
    naive: Literal["utc", "local"] = "utc"
    """The clock of times without an offset: utc, or local for that of time_zone."""
    time_format: str | None = None
    """How times are written, such as "%d.%m.%Y %H:%M". Empty: found in the column."""
    max_gap: int = 6
    """A missing value takes the last value before it, at most this many steps back."""
    season: int = 24
    """Steps in a season. For seasonal naive, MASE, a blended highway and the intervals."""

    def __post_init__(self) -> None:
        require_choice(self, "features", ("M", "S", "MS"))
        if isinstance(self.columns, list):  # as JSON and YAML spell a tuple
            object.__setattr__(self, "columns", tuple(self.columns))
        require(bool(self.columns), "columns is empty; name at least one numeric column.")
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        require(not repeated, f"columns names {repeated} more than once; name each once.")
        require(
            self.target in self.columns,
            f"target {self.target!r} is not among columns {list(self.columns)}; add it there or "
            "name another column.",
        )
        require_at_least(self, 0, "max_gap")
        require_at_least(self, 1, "season")
        pandas_offset(self.freq)
        self._check_times()

    def _check_times(self) -> None:
        check_time_zone(self.time_zone)
        require_choice(self, "naive", ("utc", "local"))
        require(
            self.naive == "utc" or self.time_zone is not None,
            "naive is 'local' without a time_zone; set time_zone to the zone of the clock, such as "
            "Europe/Berlin.",
        )
        if self.time_format is not None:
            try:
                sample = datetime(2024, 1, 31, 13, 45).strftime(self.time_format)
                datetime.strptime(sample, self.time_format)
                usable = "%" in self.time_format
            except (ValueError, TypeError):
                usable = False
            require(
                usable,
                f"time_format is {self.time_format!r}, which is not a format of strptime; write "
                'it as "%d.%m.%Y %H:%M".',
            )

    @property
    def layout(self) -> dict[str, Any]:
        """The fields that say which rows and columns are read: all but the season."""
        return {name: value for name, value in asdict(self).items() if name != "season"}

    @property
    def channels(self) -> tuple[str, ...]:
        """The C columns the encoder reads; with S and MS the target comes last."""
        if self.features == "M":
            return self.columns
        others = tuple(name for name in self.columns if name != self.target)
        return (*others, self.target) if self.features == "MS" else (self.target,)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that are forecast: all with M, else the last channel."""
        return self.channels if self.features == "M" else (self.target,)


@dataclass(frozen=True, kw_only=True)
class ForecasterConfig:
    """A forecaster: columns, network, training, and how its intervals are calibrated.

    `val` is the last part of the frame handed to `Forecaster.fit`, which stops the training and
    calibrates the intervals: a share (0.2), a count of time steps (2880), or the time at which it
    begins ("2013-09-01"). `linear_look_back` is how many steps the closed-form linear baseline
    reads, `classical_rows` how many a classical one is fitted on. `ensemble` networks with seeds
    from `training.seed` on are trained, and the forecast is their mean.
    `model.enc_in, dec_in, c_out, freq` follow from `frame`, and `model.quantiles` from `quantiles`
    where `training.loss` is pinball, see `network`.
    """

    frame: FrameConfig = field(default_factory=FrameConfig)
    model: InformerConfig = field(default_factory=InformerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    val: float | int | str = 0.2
    linear_look_back: int = 96
    classical_rows: int = 336
    quantiles: tuple[float, ...] = QUANTILES
    ensemble: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.quantiles, list):  # as JSON and YAML spell a tuple
            object.__setattr__(self, "quantiles", tuple(self.quantiles))
        require_at_least(self, 1, "linear_look_back", "classical_rows", "ensemble")
        require_levels(self.quantiles, median=self.training.loss == "pinball")
        require(
            not self.model.output_attention,
            "output_attention=True returns attention maps, and a forecaster does not use them; "
            "set it to false here, or call Informer directly.",
        )
        linear = self.model.linear
        require(
            not linear.is_checked or self.training.loss != "pinball",
            f"highway={self.model.highway} keeps a share of one value for each step, but "
            f"loss='pinball' trains several quantiles; set highway to {linear.fit}_seen, or "
            "another loss.",
        )

    @property
    def network(self) -> InformerConfig:
        """`model` with what `frame` and `training` imply: channels, frequency, quantiles."""
        n_channels = len(self.frame.channels)
        return replace(
            self.model,
            enc_in=n_channels,
            dec_in=n_channels,
            c_out=len(self.frame.targets),
            freq=self.frame.freq,
            quantiles=self.quantiles if self.training.loss == "pinball" else (),
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ForecasterConfig:
        """Build from `dataclasses.asdict` output read back from JSON; an unknown name raises.

        The names that earlier versions saved are read too.
        """
        values = _renamed(values)
        parts = {"frame": FrameConfig, "model": InformerConfig, "training": TrainingConfig}
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        require(not unknown, f"unknown fields {unknown}; this version cannot read the config.")
        try:
            built = {k: parts[k](**v) if k in parts else v for k, v in values.items()}
        except TypeError as error:
            raise ConfigError(f"{error}; this version cannot read the config.") from error
        return cls(**built)


def _renamed(saved: dict[str, Any]) -> dict[str, Any]:
    """A saved config with the names of earlier versions in today's.

    The highway was four fields. Two of their nine combinations have no choice today: a share was
    kept, but the decoder did not read the linear forecast. That share is in the saved weights, so
    `ridge` or `blend` forecasts the same.
    """
    values = {k: dict(v) if isinstance(v, dict) else v for k, v in saved.items()}
    if "season" in values:
        values.setdefault("frame", {})["season"] = values.pop("season")
    if "look_back" in values:
        values["linear_look_back"] = values.pop("look_back")
    model, training = values.get("model", {}), values.get("training", {})
    if "linear_highway" in model:
        fit = training.pop("highway", "ridge") if model.pop("linear_highway") else None
        is_seen = model.pop("decoder_input", "zeros") == "highway"
        part = LinearPart(fit, is_seen, is_seen and training.pop("shrink", False))
        model["highway"] = highway_of(part)
        for name in ("highway", "shrink"):
            training.pop(name, None)
    return values
