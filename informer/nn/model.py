"""The Informer (Zhou et al., AAAI 2021, figure 2): encoder, generative decoder, projection.

B batch   L encoder length   D d_model   C channels   P pred_len   M calendar features
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

__all__ = ["Informer"]

_EPSILON = 1e-5  # keeps a constant channel's scale from zero


class Informer(nn.Module):
    """The network: a window of the past and its calendar in, the horizon out.

    Parameters have the reference implementation's names and are drawn in its order, so that a
    checkpoint fits both ways and one seed gives the same start in both.

    Args:
        config: Of the network; `model="informerstack"` puts several encoders side by side.

    Raises:
        ConfigError: The window is too short for the stack, or `instance_norm` does not fit the
            channel counts.
    """

    def __init__(self, config: InformerConfig) -> None:
        super().__init__()
        _check_config(config)
        self.config = config
        self.enc_embedding = DataEmbedding(config, config.enc_in)
        self.dec_embedding = DataEmbedding(config, config.dec_in)
        self.encoder: Encoder | EncoderStack
        if isinstance(config.e_layers, tuple):
            self.encoder = EncoderStack(config, config.e_layers)
        else:
            self.encoder = Encoder(config, config.e_layers)
        self.decoder = Decoder(config)
        self.projection = nn.Linear(config.d_model, config.c_out)
        if config.linear_highway:
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
                zeros (equation 7). None makes it here from `x_enc`.
            x_mark_dec: (B, label_len + P, M) calendar features of the decoder's rows.
            generator: A CPU generator from which ProbSparse draws its sampled keys; None takes
                the global one, layer by layer as in the reference implementation.

        Returns:
            (B, P, c_out) in the units of `x_enc`; with `output_attention` a pair of that and the
            encoder's attention maps, one (B, H, L, L) per layer (a list of such lists for a stack).

        Raises:
            ValueError: The channels of an input are not those of the config.
        """
        config = self.config
        self._check_channels("x_enc", x_enc, config.enc_in)
        if x_dec is None:
            x_dec = self._start_token(x_enc)
        self._check_channels("x_dec", x_dec, config.dec_in)
        if config.linear_highway:
            linear = self._linear_forecast(x_enc[..., -config.c_out :])
        if config.instance_norm:
            mean = x_enc.mean(dim=1, keepdim=True)  # (B, 1, enc_in)
            std = (x_enc.var(dim=1, keepdim=True, correction=0) + _EPSILON).sqrt()
            x_enc = (x_enc - mean) / std
            x_dec = self._normalise_start(x_dec, mean, std)

        encoded, maps = self.encoder(self.enc_embedding(x_enc, x_mark_enc), generator)
        decoded = self.decoder(self.dec_embedding(x_dec, x_mark_dec), encoded, generator)
        # Only the horizon is projected: the start token's rows are never read.
        y = self.projection(decoded[:, -config.pred_len :])  # (B, P, c_out)

        if config.instance_norm:
            y = y * std[..., -config.c_out :]
        if config.linear_highway:
            y = y + linear
        elif config.instance_norm:
            y = y + mean[..., -config.c_out :]
        return (y, maps) if config.output_attention else y

    def _linear_forecast(self, past: Tensor) -> Tensor:
        """The highway: `highway` (L, P) applied to the past less its last value; (B, P, c_out)."""
        last = past[:, -1:]
        return torch.einsum("blc,lp->bpc", past - last, self.highway) + last

    def _start_token(self, x_enc: Tensor) -> Tensor:
        """The decoder's input (equation 7; `padding` is 0 there): (B, label_len + P, dec_in)."""
        config = self.config
        start = x_enc[:, x_enc.shape[1] - config.label_len :, -config.dec_in :]
        horizon = start.new_full((len(start), config.pred_len, start.shape[2]), config.padding)
        return torch.cat((start, horizon), dim=1)  # (B, label_len + P, dec_in)

    def _normalise_start(self, x_dec: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Scale the start token as the past is scaled; the horizon stays as it is."""
        n_start, n_channels = self.config.label_len, self.config.dec_in
        start = (x_dec[:, :n_start] - mean[..., -n_channels:]) / std[..., -n_channels:]
        return torch.cat((start, x_dec[:, n_start:]), dim=1)  # (B, label_len + P, dec_in)

    def _check_channels(self, name: str, x: Tensor, expected: int) -> None:
        if x.shape[-1] != expected:
            raise ValueError(
                f"{name} has shape {tuple(x.shape)}; its last size must be {expected}, the "
                "config's count of channels."
            )


def _check_config(config: InformerConfig) -> None:
    if isinstance(config.e_layers, tuple) and config.seq_len < 2 ** (len(config.e_layers) - 1):
        raise ConfigError(
            f"seq_len={config.seq_len} cannot be halved for each of {len(config.e_layers)} "
            "encoders; lengthen seq_len or shorten e_layers."
        )
    if config.linear_highway and config.c_out > config.enc_in:
        raise ConfigError(
            f"linear_highway forecasts c_out={config.c_out} channels from enc_in={config.enc_in}; "
            "it needs each in its input, so lower c_out or switch it off."
        )
    widest = max(config.dec_in, config.c_out)
    if config.instance_norm and widest > config.enc_in:
        raise ConfigError(
            f"instance_norm scales by the {config.enc_in} channels of enc_in, which cannot cover "
            f"dec_in={config.dec_in} and c_out={config.c_out}; lower them or switch it off."
        )
