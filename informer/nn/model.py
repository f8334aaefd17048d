"""The Informer (Zhou et al., AAAI 2021, figure 2): encoder, generative decoder, projection.

B batch   L encoder length   D d_model   C channels   P pred_len   M calendar features   Q quantiles
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from informer.config import InformerConfig
from informer.errors import ConfigError
from informer.nn.decoder import Decoder
from informer.nn.embedding import DataEmbedding
from informer.nn.encoder import Encoder, EncoderStack
from informer.nn.quantiles import QuantileHead
from informer.nn.tokens import Patches, rows_of_tokens

__all__ = ["Informer"]

_EPSILON = 1e-5  # keeps a constant channel's scale from zero


class Informer(nn.Module):
    """The network: a window of the past and its calendar in, the horizon out.

    Parameters have the reference implementation's names and are drawn in its order, so that a
    checkpoint fits both ways and one seed gives the same start in both. The layers are those of
    `config.core`; what is not the paper's happens before and after them, in `forward`.

    Args:
        config: Of the network; `model="informerstack"` puts several encoders side by side.

    Raises:
        ConfigError: The window is too short for the stack, or `instance_norm` does not fit the
            channel counts.
    """

    def __init__(self, config: InformerConfig) -> None:
        super().__init__()
        _check_config(config)
        core = config.core
        self.config = config
        self.enc_embedding = DataEmbedding(core, core.enc_in)
        self.dec_embedding = DataEmbedding(core, core.dec_in)
        self.encoder: Encoder | EncoderStack
        if isinstance(core.e_layers, tuple):
            self.encoder = EncoderStack(core, core.e_layers)
        else:
            self.encoder = Encoder(core, core.e_layers)
        self.decoder = Decoder(core)
        self.n_horizon_tokens = core.pred_len
        self.projection = nn.Linear(core.d_model, core.c_out)
        self.past = Patches(config.seq_len, config.patch_len, is_past=True)
        self.start = Patches(config.label_len, config.patch_len, is_past=True)
        self.horizon = Patches(config.pred_len, config.patch_len, is_past=False)
        if config.quantiles:
            self.quantile_head = QuantileHead(config.quantiles)
        if config.linear.fit:
            self.highway: Tensor
            self.register_buffer("highway", torch.zeros(config.seq_len, config.pred_len))
            nn.init.zeros_(self.projection.weight)
            nn.init.zeros_(self.projection.bias)

    def forward(
        self,
        x_enc: Tensor,
        x_mark_enc: Tensor,
        x_dec: Tensor | None,
        x_mark_dec: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Any:  # noqa: ANN401 - a tensor, or with output_attention a pair
        """Forecast.

        Args:
            x_enc: (B, L, enc_in) scaled values of the past.
            x_mark_enc: (B, L, M) their calendar features.
            x_dec: (B, label_len + P, dec_in), the last label_len rows of the past followed by
                zeros (equation 7), or by what `highway` and `padding` say. None makes it
                here from `x_enc`.
            x_mark_dec: (B, label_len + P, M) calendar features of the decoder's rows.
            generator: A CPU generator from which ProbSparse draws its sampled keys; None takes
                the global one, layer by layer as in the reference implementation.

        Returns:
            (B, P, c_out) in the units of `x_enc`, with `quantiles` (B, Q, P, c_out) rising along Q;
            with `output_attention` a pair of that and the encoder's attention maps, one
            (B, H, L, L) per layer (a list of such lists for a stack), L counting tokens and, with
            `channel_independent`, B the channels of each window one after another.

        Raises:
            ValueError: The channels of an input are not those of the config.
        """
        config = self.config
        self._check_channels("x_enc", x_enc, config.enc_in)
        if x_dec is not None:
            self._check_channels("x_dec", x_dec, config.dec_in)
        if config.channel_independent:
            x_enc, x_dec = self._apart(x_enc), None if x_dec is None else self._apart(x_dec)
            x_mark_enc, x_mark_dec = (
                marks.repeat_interleave(config.c_out, dim=0) for marks in (x_mark_enc, x_mark_dec)
            )
        linear = self._linear_forecast(x_enc) if config.linear.fit else None
        if x_dec is None:
            x_dec = self._decoder_input(x_enc, linear)
        scale = shift = None
        if config.instance_norm:
            shift = x_enc.mean(dim=1, keepdim=True)  # (B, 1, enc_in)
            scale = (x_enc.var(dim=1, keepdim=True, correction=0) + _EPSILON).sqrt()
            x_enc = (x_enc - shift) / scale
            x_dec = self._normalise(x_dec, shift, scale)

        y, maps = self._core(x_enc, x_mark_enc, x_dec, x_mark_dec, generator)
        y = self._in_units(y, scale, shift if linear is None else linear)
        if config.channel_independent:
            y = y.view(-1, config.c_out, *y.shape[1:-1]).movedim(1, -1)  # (B, .., P, c_out)
        return (y, maps) if config.output_attention else y

    def _core(
        self,
        x_enc: Tensor,
        x_mark_enc: Tensor,
        x_dec: Tensor,
        x_mark_dec: Tensor,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Any]:
        """The paper's network on tokens: (B, P, channels), with quantiles (B, P, channels, Q)."""
        config, n_start = self.config, self.config.label_len
        parts = ((self.start, slice(None, n_start)), (self.horizon, slice(n_start, None)))
        values = torch.cat([part.values(x_dec[:, rows]) for part, rows in parts], dim=1)
        marks = torch.cat([part.marks(x_mark_dec[:, rows]) for part, rows in parts], dim=1)
        embedded = self.enc_embedding(self.past.values(x_enc), self.past.marks(x_mark_enc))
        encoded, maps = self.encoder(embedded, generator)
        decoded = self.decoder(self.dec_embedding(values, marks), encoded, generator)
        # Only the horizon is projected: the start token's rows are never read.
        projected = self.projection(decoded[:, -self.n_horizon_tokens :])
        y = rows_of_tokens(projected, config.patch_len, config.pred_len)  # (B, P, channels * Q)
        if config.quantiles:
            y = y.reshape(*y.shape[:2], -1, len(config.quantiles))  # (B, P, channels, Q)
        return y, maps

    def _in_units(self, y: Tensor, scale: Tensor | None, level: Tensor | None) -> Tensor:
        """Undo the normalisation: the output times each window's scale, above its level."""
        n_out = 1 if self.config.channel_independent else self.config.c_out
        parts = [None if part is None else part[..., -n_out:] for part in (scale, level)]
        if self.config.quantiles:
            y = self.quantile_head(y)  # (B, Q, P, channels)
            parts = [None if part is None else part.unsqueeze(1) for part in parts]
        if parts[0] is not None:
            y = y * parts[0]
        return y if parts[1] is None else y + parts[1]

    def _apart(self, x: Tensor) -> Tensor:
        """Each target channel as a window of its own: (B, L, C) to (B * c_out, L, 1)."""
        return x[..., -self.config.c_out :].mT.reshape(-1, x.shape[1], 1)

    def _linear_forecast(self, x_enc: Tensor) -> Tensor:
        """The highway: `highway` (L, P) applied to the past less its last value.

        (B, P, n) for the last n channels of `x_enc`: those that are forecast, and those that the
        decoder reads where it reads this forecast.
        """
        config = self.config
        n_read = config.dec_in if config.linear.is_seen else 0
        past = x_enc[..., -max(config.c_out, n_read) :]  # (B, L, n)
        last = past[:, -1:]
        return torch.einsum("blc,lp->bpc", past - last, self.highway) + last

    def _decoder_input(self, x_enc: Tensor, linear: Tensor | None) -> Tensor:
        """The last rows of the past, then the horizon: (B, label_len + P, dec_in).

        For the horizon stands `padding` (0 in equation 7), or the highway's forecast.
        """
        config = self.config
        start = x_enc[:, x_enc.shape[1] - config.label_len :, -config.dec_in :]
        if config.linear.is_seen:
            assert linear is not None
            horizon = linear[..., -config.dec_in :]
        else:
            horizon = start.new_full((len(start), config.pred_len, start.shape[2]), config.padding)
        return torch.cat((start, horizon), dim=1)  # (B, label_len + P, dec_in)

    def _normalise(self, x_dec: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Scale the decoder's input as the past is scaled; zeros for the horizon stay zeros."""
        n_channels = x_dec.shape[2]
        scaled = (x_dec - mean[..., -n_channels:]) / std[..., -n_channels:]
        if self.config.linear.is_seen:
            return scaled
        n_start = self.config.label_len
        return torch.cat((scaled[:, :n_start], x_dec[:, n_start:]), dim=1)

    def _check_channels(self, name: str, x: Tensor, expected: int) -> None:
        if x.shape[-1] != expected:
            raise ValueError(
                f"{name} has shape {tuple(x.shape)}; its last size must be {expected}, the number "
                "of channels in the config."
            )


def _check_config(config: InformerConfig) -> None:
    n_tokens = config.core.seq_len
    if isinstance(config.e_layers, tuple) and n_tokens < 2 ** (len(config.e_layers) - 1):
        tokens = "" if config.patch_len == 1 else f", {n_tokens} tokens of {config.patch_len} rows,"
        raise ConfigError(
            f"seq_len={config.seq_len}{tokens} is too short to be halved for each of "
            f"{len(config.e_layers)} encoders; lengthen seq_len or shorten e_layers."
        )
    if config.linear.fit and config.c_out > config.enc_in:
        raise ConfigError(
            f"highway={config.highway} forecasts c_out={config.c_out} channels from "
            f"enc_in={config.enc_in}; its input must have every target, so lower c_out or set "
            "highway to none."
        )
    widest = max(config.dec_in, config.c_out)
    if config.instance_norm and widest > config.enc_in:
        raise ConfigError(
            f"instance_norm scales by the {config.enc_in} channels of enc_in, which are fewer "
            f"than dec_in={config.dec_in} or c_out={config.c_out}; lower them or switch it off."
        )
