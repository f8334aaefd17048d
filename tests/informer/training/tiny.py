"""A network and a series small enough to train in milliseconds."""

import torch
from torch import nn

from informer.data import Windows
from informer.data.windows import window_origins

SEQ_LEN, LABEL_LEN, PRED_LEN, N_CHANNELS, N_MARKS = 12, 6, 4, 2, 1


class TinyNetwork(nn.Module):
    """Has the Informer's signature, draws keys as it does, and has dropout and a batch norm."""

    def __init__(self, dropout=0.1, batch_norm=True, n_keys=4):
        super().__init__()
        self.n_keys = n_keys
        self.norm = nn.BatchNorm1d(SEQ_LEN) if batch_norm else nn.Identity()
        self.hidden = nn.Linear(SEQ_LEN * N_CHANNELS, 16)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(16, PRED_LEN * N_CHANNELS)

    def forward(self, x_enc, x_mark_enc, x_dec, x_mark_dec, *, generator=None):
        assert x_dec is None
        x = self.norm(x_enc)
        if self.n_keys:
            keys = torch.randint(SEQ_LEN, (self.n_keys,), generator=generator)
            x = x + 0.1 * x[:, keys].mean(dim=1, keepdim=True)
        y = self.out(self.dropout(torch.tanh(self.hidden(x.flatten(1)))))
        return y.view(-1, PRED_LEN, N_CHANNELS)


def make_network(**settings):
    """The same start every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyNetwork(**settings)


def make_windows(n_train=70, n_val=30, share_filled=None):
    """Train and validation windows over one noisy wave, of which a share was filled with 99."""
    n_rows = n_train + n_val + SEQ_LEN + 2 * (PRED_LEN - 1)
    rows = torch.arange(n_rows, dtype=torch.float32)
    noise = torch.randn(n_rows, N_CHANNELS, generator=torch.Generator().manual_seed(1))
    values = torch.stack([torch.sin(rows / 3), torch.cos(rows / 5)], dim=1) + 0.1 * noise
    observed = None
    if share_filled is not None:
        drawn = torch.rand(values.shape, generator=torch.Generator().manual_seed(2))
        observed = drawn >= share_filled
        values = values.where(observed, 99.0)
    boundary = SEQ_LEN + n_train + PRED_LEN - 1

    def cut(start, stop):
        return Windows(
            values=values,
            marks=rows.unsqueeze(1) / n_rows,
            origins=window_origins(0, start, stop, SEQ_LEN, PRED_LEN),
            seq_len=SEQ_LEN,
            label_len=LABEL_LEN,
            pred_len=PRED_LEN,
            n_targets=N_CHANNELS,
            observed=observed,
        )

    train, val = cut(0, boundary), cut(boundary, n_rows)
    assert (len(train), len(val)) == (n_train, n_val)
    return train, val


def without_seconds(history):
    """Records of epochs, but for the wall time."""
    return [(r.epoch, r.train_loss, r.val_loss, r.learning_rate) for r in history]
