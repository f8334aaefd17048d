"""What a forecaster is made of, as frozen dataclasses: every default of the library stands here.

The names of `InformerConfig` are those of the paper and of the reference implementation
(Zhou et al., AAAI 2021); a value that cannot work raises a `ConfigError` that names its field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from informer.data.calendar import n_calendar_features, pandas_offset
from informer.errors import ConfigError

__all__ = [
    "BESIDE_THE_PAPER", "ForecasterConfig", "FrameConfig", "InformerConfig", "TrainingConfig",
]  # fmt: skip

QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MEDIAN = 0.5

BESIDE_THE_PAPER = (
    "instance_norm", "linear_highway", "channel_independent", "patch_len", "decoder_input",
    "quantiles",
)  # fmt: skip
"""The fields of `InformerConfig` whose defaults are the paper's model and other values are not."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _require_choice(config: object, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(config, name)
    _require(value in choices, f"{name} is {value!r}; use one of {', '.join(choices)}.")


def _require_levels(levels: tuple[float, ...], *, median: bool) -> None:
    _require(
        all(0 < q < 1 for q in levels) and list(levels) == sorted(set(levels)),
        f"quantiles are {list(levels)}; give rising levels strictly between 0 and 1.",
    )
    _require(
        not median or MEDIAN in levels,
        f"quantiles are {list(levels)}, without the median, which is what a network of quantiles "
        "forecasts as y_hat; add 0.5.",
    )


def _require_at_least(config: object, minimum: float, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        _require(value >= minimum, f"{name} is {value}; it must be at least {minimum}.")


@dataclass(frozen=True, kw_only=True)
class InformerConfig:
    """The network (paper sections 3 and 4), with the reference's names and defaults.

    `e_layers` is a count for `model="informer"` and a list of counts, one per encoder of the
    stack, for `model="informerstack"`. `padding` is the number that stands in the decoder's input
    for the horizon. `backend` chooses how ProbSparse attention is computed
    (same result): `reference` reads as the paper does, `fast` stores nothing of size L x K x E.

    The options of `BESIDE_THE_PAPER` are not the paper's; all off, the model is exactly the
    paper's. `instance_norm` takes each window's mean and deviation out and puts them back.
    `linear_highway` adds the closed-form linear forecast to the network's output, whose projection
    then starts at zero, so that training starts at the linear model; with
    `decoder_input="highway"` that forecast also stands in the decoder's input for the horizon.
    `channel_independent` makes every target channel a sample of its own, forecast from its own past
    by one network for all; the channels that are not forecast are not read. `patch_len` rows make
    one token of encoder and decoder.
    `quantiles` are the levels that the network forecasts in place of one value; ().
    """

    model: Literal["informer", "informerstack"] = "informer"
    enc_in: int = 7
    dec_in: int = 7
    c_out: int = 7
    seq_len: int = 96
    label_len: int = 48
    pred_len: int = 24
    factor: int = 5
    d_model: int = 512
    n_heads: int = 8
    e_layers: int | tuple[int, ...] = 2
    d_layers: int = 1
    d_ff: int = 2048
    dropout: float = 0.05
    attn: Literal["prob", "full"] = "prob"
    embed: Literal["timeF", "fixed", "learned"] = "timeF"
    freq: str = "h"
    padding: Literal[0, 1] = 0
    activation: Literal["gelu", "relu"] = "gelu"
    output_attention: bool = False
    distil: bool = True
    mix: bool = True
    instance_norm: bool = False
    linear_highway: bool = False
    channel_independent: bool = False
    patch_len: int = 1
    decoder_input: Literal["zeros", "highway"] = "zeros"
    quantiles: tuple[float, ...] = ()
    backend: Literal["fast", "reference"] = "fast"

    def __post_init__(self) -> None:
        _require_choice(self, "model", ("informer", "informerstack"))
        _require_choice(self, "attn", ("prob", "full"))
        _require_choice(self, "embed", ("timeF", "fixed", "learned"))
        _require(self.padding in (0, 1), f"padding is {self.padding!r}; use 0 or 1.")
        _require_choice(self, "activation", ("gelu", "relu"))
        _require_choice(self, "backend", ("fast", "reference"))
        for name in ("e_layers", "quantiles"):
            if isinstance(getattr(self, name), list):  # as JSON and YAML spell a tuple
                object.__setattr__(self, name, tuple(getattr(self, name)))
        _require_at_least(
            self, 1, "enc_in", "dec_in", "c_out", "seq_len", "pred_len", "factor", "d_model",
            "n_heads", "d_layers", "d_ff", "patch_len",
        )  # fmt: skip
        _require_at_least(self, 0, "label_len")
        self._check_layers()
        _require(
            self.d_model % self.n_heads == 0,
            f"d_model={self.d_model} is not divisible by n_heads={self.n_heads}; "
            f"choose d_model as a multiple of {self.n_heads}.",
        )
        _require(
            self.d_model % 2 == 0,
            f"d_model={self.d_model} is odd; sine and cosine of the position table take "
            "two columns each pair, so choose an even number.",
        )
        _require(
            self.label_len <= self.seq_len,
            f"label_len={self.label_len} exceeds seq_len={self.seq_len}; the decoder's start "
            "token is cut from the encoder's input, so shorten label_len.",
        )
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it must lie in [0, 1).")
        self._check_options()
        n_calendar_features(self.freq, self.embed)

    def _check_options(self) -> None:
        _require_choice(self, "decoder_input", ("zeros", "highway"))
        if self.decoder_input == "highway":
            _require(
                self.linear_highway,
                "decoder_input is 'highway', but there is none; set linear_highway to true, or "
                "decoder_input to 'zeros'.",
            )
            _require(
                self.padding == 0,
                f"padding={self.padding} would not be read: decoder_input='highway' fills the "
                "horizon; set padding to 0, or decoder_input to 'zeros'.",
            )
        _require_levels(self.quantiles, median=bool(self.quantiles))
        readable = min(self.enc_in, self.dec_in)
        _require(
            not self.channel_independent or self.c_out <= readable,
            f"channel_independent forecasts each of c_out={self.c_out} channels from its own past, "
            f"but enc_in={self.enc_in} and dec_in={self.dec_in}; lower c_out or switch it off.",
        )

    def _check_layers(self) -> None:
        stacked = isinstance(self.e_layers, tuple)
        _require(
            stacked == (self.model == "informerstack"),
            f"e_layers={self.e_layers!r} does not fit model={self.model!r}; give a count for "
            "informer and a list of counts such as [3, 2, 1] for informerstack.",
        )
        counts = self.e_layers if isinstance(self.e_layers, tuple) else (self.e_layers,)
        _require(
            bool(counts) and min(counts) >= 1,
            f"e_layers is {self.e_layers!r}; every count must be at least 1.",
        )

    @property
    def core(self) -> InformerConfig:
        """The paper's network inside, in tokens; this config itself where every option is off."""
        values: dict[str, Any] = {
            f.name: f.default for f in fields(self) if f.name in BESIDE_THE_PAPER
        }
        for name in ("enc_in", "dec_in", "c_out"):
            values[name] = self.patch_len * (1 if self.channel_independent else getattr(self, name))
        values["c_out"] *= max(1, len(self.quantiles))
        for name in ("seq_len", "label_len", "pred_len"):
            values[name] = -(-getattr(self, name) // self.patch_len)
        return replace(self, **values)

    @property
    def options(self) -> tuple[str, ...]:
        """Those of `BESIDE_THE_PAPER` that are in use."""
        paper = {f.name: f.default for f in fields(self)}
        return tuple(name for name in BESIDE_THE_PAPER if getattr(self, name) != paper[name])

    @property
    def n_marks(self) -> int:
        """M, the number of calendar features that `embed` reads at `freq`."""
        return n_calendar_features(self.freq, self.embed)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the network is fitted (paper section 5.1 for the defaults).

    `max_grad_norm` clips the total gradient norm (None: off). `steps_per_epoch` limits an epoch to
    so many randomly drawn batches (None: every window once). `precision="bf16"` computes in
    bfloat16 where it is safe and keeps the weights in float32. `devices` is how many to train on,
    or the numbers of the GPUs, such as (0, 2); such numbers need a GPU, and a CPU ignores them.
    `loss="pinball"` trains a network of quantiles. `weight_average` validates and keeps averages of
    the weights: exponential (ema), or the mean over the second half of the steps (swa).
    `highway` is how `linear_highway` is fitted: one ridge regression, or the mean of four (blend).
    `shrink` keeps, in place of choosing between highway and network by their validation losses,
    the share of what the networks add to it, and of what blend adds to ridge, that all stretches of
    the validation rows support.
    """

    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: Literal["type1", "type2", "cosine", "onecycle", "constant"] = "type1"
    loss: Literal["mse", "mae", "huber", "pinball"] = "mse"
    epochs: int = 6
    batch_size: int = 32
    patience: int = 3
    steps_per_epoch: int | None = None
    max_grad_norm: float | None = None
    weight_average: Literal["none", "ema", "swa"] = "none"
    highway: Literal["ridge", "blend"] = "ridge"
    shrink: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int | tuple[int, ...] | Literal["auto"] = 1
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _require_choice(self, "optimizer", ("adam", "adamw"))
        _require_choice(self, "schedule", ("type1", "type2", "cosine", "onecycle", "constant"))
        _require_choice(self, "loss", ("mse", "mae", "huber", "pinball"))
        _require_choice(self, "weight_average", ("none", "ema", "swa"))
        _require_choice(self, "highway", ("ridge", "blend"))
        _require(
            not self.shrink or self.loss != "pinball",
            "shrink scales one value a step, and loss='pinball' trains quantiles; set shrink to "
            "false, or another loss.",
        )
        _require_choice(self, "precision", ("fp32", "bf16"))
        _require_choice(self, "accelerator", ("auto", "cpu", "cuda"))
        if isinstance(self.devices, list):  # as JSON and YAML spell a tuple
            object.__setattr__(self, "devices", tuple(self.devices))
        self._check_devices()
        _require_at_least(self, 1, "epochs", "batch_size", "patience")
        _require_at_least(self, 0, "weight_decay", "seed")
        _require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be > 0.")
        _require(
            self.steps_per_epoch is None or self.steps_per_epoch >= 1,
            f"steps_per_epoch is {self.steps_per_epoch}; use null for all windows, or at least 1.",
        )
        _require(
            self.max_grad_norm is None or self.max_grad_norm > 0,
            f"max_grad_norm is {self.max_grad_norm}; use null to switch clipping off, or > 0.",
        )

    def _check_devices(self) -> None:
        given = self.devices
        if isinstance(given, tuple):
            usable = bool(given) and min(given) >= 0 and len(set(given)) == len(given)
        else:
            usable = given == "auto" or (isinstance(given, int) and given >= 1)
        _require(
            usable,
            f"devices is {given!r}; use 'auto', a count of at least 1, or the numbers of GPUs such "
            "as [0, 1], each once.",
        )


@dataclass(frozen=True, kw_only=True)
class FrameConfig:
    """Which columns of a frame are what.

    `columns` are the numeric channels; `features` says which of them are read and forecast:
    M all to all, S `target` to `target`, MS all to `target`. `id_column` None means one series.
    Times with a zone are kept in UTC; `time_zone` is the one whose clock the calendar features
    read. A gap of at most `max_gap` steps is filled with the last value before it, so that no
    value from after a cutoff reaches a model's input; filled values are never scored.
    """

    time_column: str = "ds"
    id_column: str | None = "unique_id"
    columns: tuple[str, ...] = ("y",)
    target: str = "y"
    features: Literal["M", "S", "MS"] = "S"
    freq: str = "h"
    time_zone: str | None = None
    max_gap: int = 6

    def __post_init__(self) -> None:
        _require_choice(self, "features", ("M", "S", "MS"))
        if isinstance(self.columns, list):  # as JSON and YAML spell a tuple
            object.__setattr__(self, "columns", tuple(self.columns))
        _require(bool(self.columns), "columns is empty; name at least one numeric column.")
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        _require(not repeated, f"columns names {repeated} more than once; name each once.")
        _require(
            self.target in self.columns,
            f"target {self.target!r} is not among columns {list(self.columns)}; "
            "add it there or name another.",
        )
        _require_at_least(self, 0, "max_gap")
        pandas_offset(self.freq)

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
    begins ("2013-09-01"). `season` is the period, in steps, of the seasonal naive forecast and of
    MASE. `look_back` is how many steps the closed-form linear baseline reads, `classical_rows` how
    many a classical one is fitted on. `ensemble` networks with seeds from `training.seed` on are
    trained, and the forecast is their mean.
    `model.enc_in, dec_in, c_out, freq` follow from `frame`, and `model.quantiles` from `quantiles`
    where `training.loss` is pinball, see `network`.
    """

    frame: FrameConfig = field(default_factory=FrameConfig)
    model: InformerConfig = field(default_factory=InformerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    val: float | int | str = 0.2
    season: int = 24
    look_back: int = 96
    classical_rows: int = 336
    quantiles: tuple[float, ...] = QUANTILES
    ensemble: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.quantiles, list):  # as JSON and YAML spell a tuple
            object.__setattr__(self, "quantiles", tuple(self.quantiles))
        _require_at_least(self, 1, "season", "look_back", "classical_rows", "ensemble")
        _require_levels(self.quantiles, median=self.training.loss == "pinball")
        _require(
            not self.model.output_attention,
            "output_attention=True returns attention maps that a forecaster has no use for; "
            "set it false here, or call Informer directly.",
        )
        needing = [
            name for name in ("highway", "shrink")
            if getattr(self.training, name) != getattr(TrainingConfig, name)
        ]  # fmt: skip
        _require(
            self.model.linear_highway or not needing,
            f"{' and '.join(needing)} would not be read: there is no highway; set "
            "linear_highway to true, or leave them out.",
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
        """Build from `dataclasses.asdict` output read back from JSON; an unknown name raises."""
        parts = {"frame": FrameConfig, "model": InformerConfig, "training": TrainingConfig}
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        _require(not unknown, f"unknown fields {unknown}; this version cannot read the config.")
        try:
            built = {k: parts[k](**v) if k in parts else v for k, v in values.items()}
        except TypeError as error:
            raise ConfigError(f"{error}; this version cannot read the config.") from error
        return cls(**built)
