"""What enters the network: values, places and times, each projected to d_model (appendix B).

B batch   L length   C channels   D d_model   M calendar features
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from informer.config import InformerConfig
from informer.ops import Dropout

__all__ = [
    "DataEmbedding",
    "FixedEmbedding",
    "PositionalEmbedding",
    "TemporalEmbedding",
    "TimeFeatureEmbedding",
    "TokenEmbedding",
]

N_POSITIONS = 5000  # rows of the reference implementation's position table

# Calendar indices in the order of their columns: table name and number of rows.
_CALENDAR_TABLES = (
    ("month_embed", 13),
    ("day_embed", 32),
    ("weekday_embed", 7),
    ("hour_embed", 24),
    ("minute_embed", 4),
)


def sinusoids(n_rows: int, d_model: int) -> Tensor:
    """Sine and cosine of falling frequencies in alternate columns (appendix B): (n_rows, D)."""
    rows = torch.arange(n_rows, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
    angles = rows * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)  # (n_rows, D)


class PositionalEmbedding(nn.Module):
    """The place of a row in the window, as a fixed table of sines and cosines.

    The table is made here and not saved. A checkpoint of the reference implementation holds it;
    loading one drops it.

    Args:
        d_model: D, even.
        n_positions: The longest window.
    """

    pe: Tensor

    def __init__(self, d_model: int, n_positions: int = N_POSITIONS) -> None:
        super().__init__()
        self.register_buffer("pe", sinusoids(n_positions, d_model).unsqueeze(0), persistent=False)
        self.register_load_state_dict_pre_hook(_drop_position_table)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """The first L rows of the table: (1, L, D) for `x` (B, L, any)."""
        L = x.shape[1]
        n_positions = self.pe.shape[1]
        if n_positions < L:
            raise ValueError(
                f"the window has {L} rows but the position table {n_positions}; build the model "
                "with a seq_len, label_len and pred_len that cover the window."
            )
        return self.pe[:, :L]


def _drop_position_table(
    _module: nn.Module, state_dict: dict[str, Any], prefix: str, *_rest: object
) -> None:
    state_dict.pop(prefix + "pe", None)


class TokenEmbedding(nn.Module):
    """Each row and its two neighbours, around the window's ends, projected from C to D."""

    def __init__(self, n_channels: int, d_model: int) -> None:
        super().__init__()
        self.tokenConv = nn.Conv1d(
            n_channels, d_model, kernel_size=3, padding=1, padding_mode="circular"
        )
        nn.init.kaiming_normal_(self.tokenConv.weight, mode="fan_in", nonlinearity="leaky_relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) to (B, L, D)."""
        projected: Tensor = self.tokenConv(x.transpose(1, 2))  # (B, D, L)
        return projected.transpose(1, 2)  # (B, L, D)


class FixedEmbedding(nn.Module):
    """A table of sines and cosines that is not trained, one row per value of an index."""

    def __init__(self, n_rows: int, d_model: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(n_rows, d_model)
        self.emb.weight = nn.Parameter(sinusoids(n_rows, d_model), requires_grad=False)

    def forward(self, index: Tensor) -> Tensor:
        """(B, L) whole numbers to (B, L, D)."""
        row: Tensor = self.emb(index)
        return row


class TemporalEmbedding(nn.Module):
    """Calendar indices, each looked up in its own table, and summed.

    Args:
        d_model: D.
        n_marks: M, how many of month, day, weekday, hour and quarter of an hour there are.
        learned: Whether the tables are trained.
    """

    def __init__(self, d_model: int, n_marks: int, *, learned: bool) -> None:
        super().__init__()
        self.n_marks = n_marks
        table = nn.Embedding if learned else FixedEmbedding
        # Made from the finest to the coarsest, the order in which the reference draws them.
        for name, n_rows in reversed(_CALENDAR_TABLES[:n_marks]):
            self.add_module(name, table(n_rows, d_model))

    def forward(self, x_mark: Tensor) -> Tensor:
        """(B, L, M) whole numbers to (B, L, D)."""
        index = x_mark.long()
        total: Tensor | None = None
        for column, (name, _) in enumerate(_CALENDAR_TABLES[: self.n_marks]):
            looked_up = self.get_submodule(name)(index[..., column])  # (B, L, D)
            total = looked_up if total is None else total + looked_up
        assert total is not None
        return total


class TimeFeatureEmbedding(nn.Module):
    """Continuous calendar features (`timeF`), projected linearly from M to D."""

    def __init__(self, d_model: int, n_marks: int) -> None:
        super().__init__()
        self.embed = nn.Linear(n_marks, d_model)

    def forward(self, x_mark: Tensor) -> Tensor:
        """(B, L, M) to (B, L, D)."""
        projected: Tensor = self.embed(x_mark)
        return projected


class DataEmbedding(nn.Module):
    """The sum of a window's values, places and times (appendix B, equation 6), with dropout.

    Args:
        config: Of the network.
        n_channels: C.
    """

    def __init__(self, config: InformerConfig, n_channels: int) -> None:
        super().__init__()
        longest = max(N_POSITIONS, config.seq_len, config.label_len + config.pred_len)
        self.value_embedding = TokenEmbedding(n_channels, config.d_model)
        self.position_embedding = PositionalEmbedding(config.d_model, longest)
        self.temporal_embedding: nn.Module
        if config.embed == "timeF":
            self.temporal_embedding = TimeFeatureEmbedding(config.d_model, config.n_marks)
        else:
            self.temporal_embedding = TemporalEmbedding(
                config.d_model, config.n_marks, learned=config.embed == "learned"
            )
        self.dropout = Dropout(config.dropout, is_fast=config.backend == "fast")

    def forward(self, x: Tensor, x_mark: Tensor) -> Tensor:
        """Embed `x` (B, L, C) with its calendar features `x_mark` (B, L, M): (B, L, D)."""
        if self.dropout.is_fast:
            return self._embed_at_once(x, x_mark)
        embedded: Tensor = self.value_embedding(x) + self.position_embedding(x)
        embedded = self.dropout(embedded + self.temporal_embedding(x_mark))
        return embedded

    def _embed_at_once(self, x: Tensor, x_mark: Tensor) -> Tensor:
        """The same by one matrix product, of values and calendar side by side."""
        conv, temporal = self.value_embedding.tokenConv, self.temporal_embedding
        assert conv.bias is not None
        columns = [x.roll(1, dims=1), x, x.roll(-1, dims=1)]
        weights = [conv.weight.transpose(1, 2).flatten(1)]  # (D, 3 * C)
        rest = self.position_embedding(x) + conv.bias  # (1, L, D)
        if isinstance(temporal, TimeFeatureEmbedding):
            columns.append(x_mark.to(x.dtype))
            weights.append(temporal.embed.weight)  # (D, M)
            rest = rest + temporal.embed.bias
        else:
            rest = rest + temporal(x_mark)  # (B, L, D)
        projected = F.linear(torch.cat(columns, dim=-1), torch.cat(weights, dim=1))  # (B, L, D)
        embedded: Tensor = self.dropout(projected + rest)
        return embedded
