"""Rows of a window as tokens: `patch_len` consecutive rows make one (Nie et al., ICLR 2023).

B batch   L rows   C channels   M calendar features   N tokens   p patch_len
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Patches", "rows_of_tokens"]


class Patches(nn.Module):
    """How the rows of one part of a window fall into tokens.

    A part whose length is no multiple of `patch_len` is filled up with its outermost row: the
    past at its beginning, a horizon at its end.

    Args:
        n_rows: L.
        patch_len: p; 1 makes each row a token.
        is_past: Which end is filled up.
    """

    rows: Tensor

    def __init__(self, n_rows: int, patch_len: int, *, is_past: bool) -> None:
        super().__init__()
        n_missing = -n_rows % patch_len
        first = -n_missing if is_past else 0
        rows = torch.arange(first, first + n_rows + n_missing)
        rows = rows.clamp(min=0, max=max(0, n_rows - 1))  # (N * p,)
        self.register_buffer("rows", rows, persistent=False)
        self.patch_len = patch_len

    def values(self, x: Tensor) -> Tensor:
        """(B, L, C) to (B, N, p * C), the values of a token row by row."""
        if self.patch_len == 1:
            return x
        B, _, C = x.shape
        return x[:, self.rows].reshape(B, -1, self.patch_len * C)  # (B, N, p * C)

    def marks(self, x_mark: Tensor) -> Tensor:
        """(B, L, M) to (B, N, M): a token has the calendar features of its last row."""
        if self.patch_len == 1:
            return x_mark
        return x_mark[:, self.rows[self.patch_len - 1 :: self.patch_len]]  # (B, N, M)


def rows_of_tokens(y: Tensor, patch_len: int, n_rows: int) -> Tensor:
    """(B, N, p * C) to the first `n_rows` rows of the tokens, (B, n_rows, C)."""
    B, N, width = y.shape
    return y.view(B, N * patch_len, width // patch_len)[:, :n_rows]  # (B, n_rows, C)
