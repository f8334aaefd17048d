"""What a forecaster is made of, as frozen dataclasses: every default of the library stands here.

The names of `InformerConfig` are those of the paper and of the reference implementation
(Zhou et al., AAAI 2021); a value that cannot work raises a `ConfigError` that names its field.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from informer.errors import ConfigError
from informer.frequency import n_calendar_features, pandas_offset
from informer.require import require, require_at_least, require_choice, require_levels

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


@dataclass(frozen=True, kw_only=True)
class InformerConfig:
    """The network (paper sections 3 and 4), with the reference's names and defaults.

    The options of `BESIDE_THE_PAPER` are not the paper's; all off, the model is exactly the
    paper's. With `linear_highway` the network's projection starts at zero, so that training starts
    at the linear model. With `channel_independent` every target channel is forecast from its own
    past by one network for all, and the channels that are not forecast are not read.
    """

    model: Literal["informer", "informerstack"] = "informer"
    """informer, or informerstack: encoders of several depths side by side."""
    enc_in: int = 7
    """Channels that the encoder reads; in a pipeline they follow from frame."""
    dec_in: int = 7
    """Channels that the decoder reads; in a pipeline they follow from frame."""
    c_out: int = 7
    """Channels that are forecast; in a pipeline they follow from frame."""
    seq_len: int = 96
    """Steps that the encoder reads."""
    label_len: int = 48
    """Of these, the last ones that start the decoder."""
    pred_len: int = 24
    """Steps that are forecast."""
    factor: int = 5
    """ProbSparse: factor x ln(length) queries and sampled keys."""
    d_model: int = 512
    """Width of the network."""
    n_heads: int = 8
    """Attention heads; divides d_model."""
    e_layers: int | tuple[int, ...] = 2
    """Encoder layers; for informerstack a list, one count for each encoder of the stack."""
    d_layers: int = 1
    """Decoder layers."""
    d_ff: int = 2048
    """Width of the feed-forward layers."""
    dropout: float = 0.05
    """Share of activations that are dropped in training."""
    attn: Literal["prob", "full"] = "prob"
    """Attention of the encoder: prob (ProbSparse) or full."""
    embed: Literal["timeF", "fixed", "learned"] = "timeF"
    """Calendar features: timeF (continuous), fixed (a table of sines) or learned."""
    freq: str = "h"
    """Step between rows, for the calendar features; in a pipeline it follows from frame."""
    padding: Literal[0, 1] = 0
    """The number that stands in the decoder's input for the horizon."""
    activation: Literal["gelu", "relu"] = "gelu"
    """Activation of the feed-forward layers."""
    output_attention: bool = False
    """Return the attention maps too; of use to the library alone."""
    distil: bool = True
    """Halve the length between encoder layers."""
    mix: bool = True
    """Interleave heads and time after the decoder's self-attention, as published."""
    instance_norm: bool = False
    """Take each window's own mean and deviation out, and put them back."""
    linear_highway: bool = False
    """Add the closed-form linear forecast; training starts at that model."""
    channel_independent: bool = False
    """One network of one channel, for every target channel by itself."""
    patch_len: int = 1
    """Steps that make one token of encoder and decoder; 1: as published."""
    decoder_input: Literal["zeros", "highway"] = "zeros"
    """What the decoder reads for the horizon: zeros, or the highway's forecast."""
    quantiles: tuple[float, ...] = ()
    """Levels that the network forecasts; in a pipeline they follow from train.loss."""
    backend: Literal["fast", "reference"] = "fast"
    """How ProbSparse is computed, with the same result: fast, or as the paper reads."""

    def __post_init__(self) -> None:
        require_choice(self, "model", ("informer", "informerstack"))
        require_choice(self, "attn", ("prob", "full"))
        require_choice(self, "embed", ("timeF", "fixed", "learned"))
        require(self.padding in (0, 1), f"padding is {self.padding!r}; use 0 or 1.")
        require_choice(self, "activation", ("gelu", "relu"))
        require_choice(self, "backend", ("fast", "reference"))
        for name in ("e_layers", "quantiles"):
            if isinstance(getattr(self, name), list):  # as JSON and YAML spell a tuple
                object.__setattr__(self, name, tuple(getattr(self, name)))
        require_at_least(
            self, 1, "enc_in", "dec_in", "c_out", "seq_len", "pred_len", "factor", "d_model",
            "n_heads", "d_layers", "d_ff", "patch_len",
        )  # fmt: skip
        require_at_least(self, 0, "label_len")
        self._check_layers()
        require(
            self.d_model % self.n_heads == 0,
            f"d_model={self.d_model} is not divisible by n_heads={self.n_heads}; "
            f"choose d_model as a multiple of {self.n_heads}.",
        )
        require(
            self.d_model % 2 == 0,
            f"d_model={self.d_model} is odd; sine and cosine of the position table take "
            "two columns each pair, so choose an even number.",
        )
        require(
            self.label_len <= self.seq_len,
            f"label_len={self.label_len} exceeds seq_len={self.seq_len}; the decoder's start "
            "token is cut from the encoder's input, so shorten label_len.",
        )
        require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it must lie in [0, 1).")
        self._check_options()
        n_calendar_features(self.freq, self.embed)

    def _check_options(self) -> None:
        require_choice(self, "decoder_input", ("zeros", "highway"))
        if self.decoder_input == "highway":
            require(
                self.linear_highway,
                "decoder_input is 'highway', but there is none; set linear_highway to true, or "
                "decoder_input to 'zeros'.",
            )
            require(
                self.padding == 0,
                f"padding={self.padding} would not be read: decoder_input='highway' fills the "
                "horizon; set padding to 0, or decoder_input to 'zeros'.",
            )
        require_levels(self.quantiles, median=bool(self.quantiles))
        readable = min(self.enc_in, self.dec_in)
        require(
            not self.channel_independent or self.c_out <= readable,
            f"channel_independent forecasts each of c_out={self.c_out} channels from its own past, "
            f"but enc_in={self.enc_in} and dec_in={self.dec_in}; lower c_out or switch it off.",
        )

    def _check_layers(self) -> None:
        stacked = isinstance(self.e_layers, tuple)
        require(
            stacked == (self.model == "informerstack"),
            f"e_layers={self.e_layers!r} does not fit model={self.model!r}; give a count for "
            "informer and a list of counts such as [3, 2, 1] for informerstack.",
        )
        counts = self.e_layers if isinstance(self.e_layers, tuple) else (self.e_layers,)
        require(
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
    """How the network is fitted (paper section 5.1 for the defaults)."""

    optimizer: Literal["adam", "adamw"] = "adam"
    """What steps the weights."""
    learning_rate: float = 1e-4
    """Of the first epoch, or at its peak."""
    weight_decay: float = 0.0
    """Decoupled with adamw, L2 with adam."""
    schedule: Literal["type1", "type2", "cosine", "onecycle", "constant"] = "type1"
    """Of the learning rate: type1 and type2 are the reference's."""
    loss: Literal["mse", "mae", "huber", "pinball"] = "mse"
    """What is minimised; with pinball the network forecasts every quantile."""
    epochs: int = 6
    """At most so many."""
    batch_size: int = 32
    """Windows in one step."""
    patience: int = 3
    """Epochs without improvement before the training stops."""
    steps_per_epoch: int | None = None
    """Batches of an epoch, drawn at random; empty: every window once."""
    max_windows: int = 1_000_000
    """Of more train windows so many are drawn, spread over all series and times."""
    max_val_windows: int = 100_000
    """Of more validation windows so many are drawn, spread over all series and times."""
    max_grad_norm: float | None = None
    """The total gradient norm is clipped to this; empty: not at all."""
    weight_average: Literal["none", "ema", "swa"] = "none"
    """Average of the weights that is validated and kept: ema, or swa (the second half)."""
    highway: Literal["ridge", "blend"] = "ridge"
    """How `model.linear_highway` is fitted: one ridge regression, or the mean of four (blend)."""
    shrink: bool = False
    """Keep the share of what networks and blend add that all validation rows support."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """fp32, or bf16 where that is safe; the weights stay in float32."""
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """What trains: a GPU where there is one, with auto."""
    devices: int | tuple[int, ...] | Literal["auto"] = 1
    """How many of them, auto, or the numbers of the GPUs; a CPU ignores the numbers."""
    compile: bool = False
    """Whether torch.compile is used."""
    seed: int = 0
    """Of weights, batches and sampled keys."""

    def __post_init__(self) -> None:
        require_choice(self, "optimizer", ("adam", "adamw"))
        require_choice(self, "schedule", ("type1", "type2", "cosine", "onecycle", "constant"))
        require_choice(self, "loss", ("mse", "mae", "huber", "pinball"))
        require_choice(self, "weight_average", ("none", "ema", "swa"))
        require_choice(self, "highway", ("ridge", "blend"))
        require(
            not self.shrink or self.loss != "pinball",
            "shrink scales one value a step, and loss='pinball' trains quantiles; set shrink to "
            "false, or another loss.",
        )
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
            f"devices is {given!r}; use 'auto', a count of at least 1, or the numbers of GPUs such "
            "as [0, 1], each once.",
        )


@dataclass(frozen=True, kw_only=True)
class FrameConfig:
    """Which columns of a frame are what.

    A gap is filled with the last value before it, so that no value from after a cutoff reaches a
    model's input; filled values are never scored.
    """

    time_column: str = "ds"
    """Column of the times; those with a zone are kept in UTC."""
    id_column: str | None = "unique_id"
    """Column that names the series; empty: there is one series."""
    columns: tuple[str, ...] = ("y",)
    """The numeric channels."""
    target: str = "y"
    """The channel that features S and MS forecast."""
    features: Literal["M", "S", "MS"] = "S"
    """M: all channels to all, S: target to target, MS: all to target."""
    freq: str = "h"
    """Step between rows: s, t, h, d, b, w, m, a multiple (15min, 3h), or pandas'."""
    time_zone: str | None = None
    """Zone whose clock the calendar features read, such as Europe/Berlin; empty: as is."""
    max_gap: int = 6
    """Steps; a missing value takes the last one before it, from at most so far back."""

    def __post_init__(self) -> None:
        require_choice(self, "features", ("M", "S", "MS"))
        if isinstance(self.columns, list):  # as JSON and YAML spell a tuple
            object.__setattr__(self, "columns", tuple(self.columns))
        require(bool(self.columns), "columns is empty; name at least one numeric column.")
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        require(not repeated, f"columns names {repeated} more than once; name each once.")
        require(
            self.target in self.columns,
            f"target {self.target!r} is not among columns {list(self.columns)}; "
            "add it there or name another.",
        )
        require_at_least(self, 0, "max_gap")
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
        require_at_least(self, 1, "season", "look_back", "classical_rows", "ensemble")
        require_levels(self.quantiles, median=self.training.loss == "pinball")
        require(
            not self.model.output_attention,
            "output_attention=True returns attention maps that a forecaster has no use for; "
            "set it false here, or call Informer directly.",
        )
        needing = [
            name for name in ("highway", "shrink")
            if getattr(self.training, name) != getattr(TrainingConfig, name)
        ]  # fmt: skip
        require(
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
        require(not unknown, f"unknown fields {unknown}; this version cannot read the config.")
        try:
            built = {k: parts[k](**v) if k in parts else v for k, v in values.items()}
        except TypeError as error:
            raise ConfigError(f"{error}; this version cannot read the config.") from error
        return cls(**built)
