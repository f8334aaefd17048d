"""A value that was filled is truth nowhere: whatever it is, all that is fitted is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from informer.config import ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.data import Windows
from informer.estimators.baselines import ClosedFormLinear, SeasonalNaive
from informer.estimators.calibration import calibrate
from informer.estimators.ensemble import train_networks
from informer.estimators.highway import blended_highway
from informer.estimators.shrinkage import supported_share

L, P, N, SEASON = 8, 4, 600, 4
SHARE = 0.15  # of the values in horizons that were filled
LEVELS = (0.1, 0.5, 0.9)
CONFIG = ForecasterConfig(
    frame=FrameConfig(columns=("a", "b"), target="a", features="M", season=SEASON),
    model=InformerConfig(
        enc_in=2, dec_in=2, c_out=2, seq_len=L, label_len=4, pred_len=P, d_model=8, n_heads=2,
        d_ff=8, e_layers=1, instance_norm=True, highway="blend_checked",
    ),
    training=TrainingConfig(
        epochs=2, batch_size=16, learning_rate=1e-3, accelerator="cpu"
    ),
)  # fmt: skip


def windows(filled: float | None, share: float = SHARE) -> tuple[Windows, Windows]:
    """Windows side by side, of train and of validation rows, so that no horizon is also a past.

    Args:
        filled: what stands where nothing was observed; None: everything was observed.
        share: of the values of horizons that were not.
    """
    rng = np.random.default_rng(0)
    rows = np.arange(N * (L + P))
    wave = np.stack([np.sin(rows / SEASON * 2 * np.pi), np.cos(rows / 5)], axis=1)
    restless = 0.3 * np.exp(np.sin(rows / len(rows) * 9.5 * np.pi))[:, None]
    values = wave + restless * rng.normal(size=wave.shape)
    observed = (rng.random(wave.shape) > share) | (rows % (L + P) < L)[:, None]
    if filled is not None:
        values = np.where(observed, values, filled)
    both = Windows.cut(
        values, np.zeros((len(rows), CONFIG.model.n_marks)), torch.arange(N) * (L + P) + L,
        seq_len=L, label_len=4, pred_len=P, n_targets=2,
        observed=None if filled is None else observed,
    )  # fmt: skip
    return both.subset(slice(0, 400)), both.subset(slice(400, N))


def ridge(train, val):
    return ClosedFormLinear.fit(train, val, L).weight


def blend(train, val):
    return blended_highway(train, val, ridge(train, val), SEASON)


def share(train, val):
    return torch.tensor(
        supported_share(SeasonalNaive(SEASON), ClosedFormLinear.fit(train, val, L), val)
    )


def calibration(train, val):
    found = calibrate(ClosedFormLinear.fit(train, val, L), train, val, LEVELS, SEASON, ["a", "b"])
    assert found.scale.form != "none"
    return found.offsets


def networks(train, val):
    """The weights after training, highway and shrinkage, and the losses of each epoch."""
    (network,), history = train_networks(train, val, CONFIG)
    losses = [[record.train_loss, record.val_loss] for record in history]
    return torch.cat(
        [
            *(p.detach().flatten() for p in network.state_dict().values()),
            torch.tensor(losses).flatten(),
        ]
    )


FITTED = [ridge, blend, share, calibration, networks]


@pytest.mark.parametrize("fitted", FITTED)
def test_what_stands_in_a_gap_changes_nothing(fitted):
    assert torch.equal(fitted(*windows(filled=0.0)), fitted(*windows(filled=1e3)))


@pytest.mark.parametrize("fitted", FITTED)
def test_where_no_value_is_missing_a_mask_changes_nothing(fitted):
    masked, plain = (fitted(*windows(filled=filled, share=0.0)) for filled in (1e3, None))
    torch.testing.assert_close(masked, plain, rtol=1e-4, atol=1e-5)


def test_the_linear_model_with_gaps_is_the_ridge_regression_on_what_was_observed():
    """Step by step, each on the windows in which it was observed."""
    train, val = windows(filled=1e3)
    found = ridge(train, val).double()
    past, horizon = train.past(train.numbers, L), train.horizon(train.numbers)
    x = (past - past[:, -1:]).mT.reshape(-1, L).double()
    y = (horizon - past[:, -1:]).mT.reshape(-1, P).double()
    candidates = []
    for penalty in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        weight = torch.zeros(L, P, dtype=torch.float64)
        for step in range(P):
            seen = ~y[:, step].isnan()
            gram = x[seen].T @ x[seen] + penalty * int(seen.sum()) * torch.eye(L)
            weight[:, step] = torch.linalg.solve(gram, x[seen].T @ y[seen, step])
        candidates.append(weight)
    gaps = [float((found - weight).abs().max()) for weight in candidates]
    assert min(gaps) < 0.01 * float(found.abs().max())


def test_a_linear_recurrence_is_found_behind_gaps():
    rows = torch.arange(2000)
    values = torch.sin(rows / 5)[:, None].double().numpy()
    observed = np.random.default_rng(1).random(values.shape) > 0.3
    origins = torch.arange(240) * 8 + L
    fitted_on = Windows.cut(
        values, np.zeros((2000, 1)), origins,
        seq_len=L, label_len=0, pred_len=P, n_targets=1, observed=observed,
    )  # fmt: skip
    model = ClosedFormLinear.fit(fitted_on, fitted_on, L)
    whole = replace(fitted_on, observed=None)
    error = model.predict(whole, whole.numbers) - whole.horizon(whole.numbers)
    assert float(error.abs().max()) < 0.01
