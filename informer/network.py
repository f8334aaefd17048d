"""The settings of the network, as frozen dataclasses.

`NetworkConfig` holds what a person chooses for a pipeline. `InformerConfig` adds what follows from
the data, and what is of use to the library alone. The names are those of the paper and of the
reference implementation (Zhou et al., AAAI 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from informer.errors import ConfigError
from informer.frequency import n_calendar_features
from informer.require import require, require_at_least, require_choice, require_levels

__all__ = [
    "BESIDE_THE_PAPER", "HIGHWAYS", "Highway", "InformerConfig", "LinearPart", "NetworkConfig",
    "check_agreement",
    "highway_of",
]  # fmt: skip

BESIDE_THE_PAPER = ("instance_norm", "highway", "channel_independent", "patch_len", "quantiles")
"""The fields of `InformerConfig` whose defaults are the paper's model and other values are not."""

Highway = Literal[
    "none", "ridge", "blend", "ridge_seen", "blend_seen", "ridge_checked", "blend_checked"
]


@dataclass(frozen=True)
class LinearPart:
    """What a choice of `highway` means.

    Attributes:
        fit: how the linear forecast is found: one ridge regression, the mean of four (blend), or
            None where there is no linear forecast.
        is_seen: whether the decoder reads the linear forecast for the horizon.
        is_checked: whether a share of what the networks and a blend add is kept: the share that
            all validation rows support.
    """

    fit: Literal["ridge", "blend"] | None
    is_seen: bool
    is_checked: bool


HIGHWAYS: Mapping[Highway, LinearPart] = MappingProxyType(
    {
        "none": LinearPart(None, False, False),
        "ridge": LinearPart("ridge", False, False),
        "blend": LinearPart("blend", False, False),
        "ridge_seen": LinearPart("ridge", True, False),
        "blend_seen": LinearPart("blend", True, False),
        "ridge_checked": LinearPart("ridge", True, True),
        "blend_checked": LinearPart("blend", True, True),
    }
)
"""Every choice of `highway`."""


def highway_of(part: LinearPart) -> Highway | None:
    """The choice that means `part`; None where no choice does."""
    return next((name for name, meant in HIGHWAYS.items() if meant == part), None)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The network (paper sections 3 and 4): what a person chooses, with the reference's defaults.

    `instance_norm`, `highway`, `channel_independent` and `patch_len` are not the paper's. With
    their defaults the model is exactly the paper's. With a highway the network's projection starts
    at zero, so that training starts at the linear model. With `channel_independent` every target
    channel is forecast from its own past by one network for all, and the channels that are not
    forecast are not read.
    """

    model: Literal["informer", "informerstack"] = "informer"
    """informer, or informerstack: encoders of several depths side by side."""
    seq_len: int = 96
    """Steps that the encoder reads."""
    label_len: int = 48
    """Number of last past steps that start the decoder."""
    pred_len: int = 24
    """Steps that are forecast: the horizon."""
    factor: int = 5
    """ProbSparse: number of active queries and of sampled keys is factor x ln(length)."""
    d_model: int = 512
    """Width of the network."""
    n_heads: int = 8
    """Attention heads. d_model must be a multiple of it."""
    e_layers: int | tuple[int, ...] = 2
    """Encoder layers. For informerstack a list with one number for each encoder."""
    d_layers: int = 1
    """Decoder layers."""
    d_ff: int = 2048
    """Width of the feed-forward layers."""
    dropout: float = 0.05
    """Share of activations that training drops at random."""
    attn: Literal["prob", "full"] = "prob"
    """Attention of the encoder: prob (ProbSparse) or full."""
    embed: Literal["timeF", "fixed", "learned"] = "timeF"
    """Calendar features: timeF (continuous), fixed (a table of sines) or learned."""
    padding: Literal[0, 1] = 0
    """Number that fills the horizon in the decoder's input."""
    activation: Literal["gelu", "relu"] = "gelu"
    """Activation of the feed-forward layers."""
    distil: bool = True
    """Whether the length is halved between encoder layers."""
    mix: bool = True
    """Whether heads and time are interleaved after the decoder's self-attention, as published."""
    instance_norm: bool = False
    """Whether each window is scaled by its own mean and deviation. The forecast is scaled back."""
    highway: Highway = "none"
    """Closed-form linear forecast to which the network adds a correction. ridge: one regression.
    blend: the mean of four. _seen: the decoder reads that forecast too. _checked: as _seen, but
    what is added to one regression is scaled by a share that the validation rows support."""
    channel_independent: bool = False
    """Whether one network forecasts each target channel separately, from its own past."""
    patch_len: int = 1
    """Steps in one token of encoder and decoder. 1: as published."""

    def __post_init__(self) -> None:
        require_choice(self, "model", ("informer", "informerstack"))
        require_choice(self, "attn", ("prob", "full"))
        require_choice(self, "embed", ("timeF", "fixed", "learned"))
        require(self.padding in (0, 1), f"padding is {self.padding!r}; use 0 or 1.")
        require_choice(self, "activation", ("gelu", "relu"))
        require_choice(self, "highway", get_args(Highway))
        if isinstance(self.e_layers, list):  # as JSON and YAML spell a tuple
            object.__setattr__(self, "e_layers", tuple(self.e_layers))
        require_at_least(
            self, 1, "seq_len", "pred_len", "factor", "d_model", "n_heads", "d_layers", "d_ff",
            "patch_len",
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
            f"d_model={self.d_model} is odd; the position table has pairs of a sine and a cosine "
            "column, so choose an even number.",
        )
        require(
            self.label_len <= self.seq_len,
            f"label_len={self.label_len} exceeds seq_len={self.seq_len}; the decoder's start "
            "comes from the encoder's input, so shorten label_len.",
        )
        require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it must lie in [0, 1).")
        require(
            self.padding == 0 or not self.linear.is_seen,
            f"padding={self.padding} has no effect: with highway={self.highway} the linear "
            f"forecast stands in the horizon; set padding to 0, or highway to {self.linear.fit}.",
        )

    def _check_layers(self) -> None:
        stacked = isinstance(self.e_layers, tuple)
        require(
            stacked == (self.model == "informerstack"),
            f"e_layers={self.e_layers!r} does not match model={self.model!r}; give one count for "
            "informer, or a list of counts such as [3, 2, 1] for informerstack.",
        )
        counts = self.e_layers if isinstance(self.e_layers, tuple) else (self.e_layers,)
        require(
            bool(counts) and min(counts) >= 1,
            f"e_layers is {self.e_layers!r}; every count must be at least 1.",
        )

    @property
    def linear(self) -> LinearPart:
        """What the choice of `highway` means."""
        return HIGHWAYS[self.highway]


@dataclass(frozen=True, kw_only=True)
class InformerConfig(NetworkConfig):
    """The network with the channels and the step of its data: the reference's names and defaults.

    `Informer` is built from it. The options of `BESIDE_THE_PAPER` are not the paper's; all off, the
    model is exactly the paper's.
    """

    enc_in: int = 7
    """Channels that the encoder reads. In a pipeline they follow from frame."""
    dec_in: int = 7
    """Channels that the decoder reads. In a pipeline they follow from frame."""
    c_out: int = 7
    """Channels that are forecast. In a pipeline they follow from frame."""
    freq: str = "h"
    """Step between rows, for the calendar features. In a pipeline it follows from frame."""
    output_attention: bool = False
    """Whether the attention maps are returned too: (forecast, maps)."""
    quantiles: tuple[float, ...] = ()
    """Quantile levels that the network forecasts. In a pipeline they follow from train.loss."""
    backend: Literal["fast", "reference"] = "fast"
    """How ProbSparse is computed: fast, or as in the paper. The result is the same."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice(self, "backend", ("fast", "reference"))
        if isinstance(self.quantiles, list):  # as JSON spells a tuple
            object.__setattr__(self, "quantiles", tuple(self.quantiles))
        require_at_least(self, 1, "enc_in", "dec_in", "c_out")
        require_levels(self.quantiles, median=bool(self.quantiles))
        readable = min(self.enc_in, self.dec_in)
        require(
            not self.channel_independent or self.c_out <= readable,
            f"channel_independent forecasts each of c_out={self.c_out} channels from its own past, "
            f"but enc_in={self.enc_in} and dec_in={self.dec_in}; lower c_out or switch it off.",
        )
        n_calendar_features(self.freq, self.embed)

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


def check_agreement(network: InformerConfig, wanted: InformerConfig) -> None:
    """Make sure that a network is the one that a configuration describes.

    The frequency may be spelled in another way, as long as the calendar has the same parts.

    Raises:
        ConfigError: they differ, and in what.
    """
    names = [f.name for f in fields(network) if f.name not in ("freq", "backend")]
    differing = [
        f"{name} is {getattr(network, name)!r}, expected {getattr(wanted, name)!r}"
        for name in (*names, "n_marks")
        if getattr(network, name) != getattr(wanted, name)
    ]
    if differing:
        raise ConfigError(
            f"the network does not match the configuration: {'; '.join(differing)}. Correct the "
            "configuration, or the columns of its frame."
        )
