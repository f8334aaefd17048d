"""How far a forecast may be off: intervals from the residuals of the validation rows.

Residuals are measured in units of how restless the window is that the forecast was made from, so
that an interval found in a calm season is wide enough in a restless one (locally scaled split
conformal prediction; Lei et al., JASA 2018, section 5.2).

B windows of a batch   N windows   P pred_len   C_t targets   Q quantiles   T rows   L seq_len
K forecasts of each value: 1, or Q from a network of quantiles
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from informer.data.windows import Windows
from informer.predictor import Predictor, n_forecasts, predict_levels

__all__ = ["Calibration", "LocalScale", "calibrate"]

Form = Literal["none", "step", "season", "deviation"]

SHARES = (0.5, 0.75, 1.0)  # of a window's own restlessness in its scale; the rest is the typical
LEAST = 0.05  # of the typical restlessness, which a window that stands still is taken to have
N_STEPS = 8  # of the horizon, from which the form of the scale is chosen
MAX_ENTRIES = 2**26  # residuals held at once; with more, fewer windows are taken, evenly
CHUNK = 1024


@dataclass(frozen=True)
class LocalScale:
    """How restless a window's past is, against the train windows; 1 where it is as usual.

    Attributes:
        form: what is measured over the L rows that the network reads: the mean absolute change
            from step to step or from season to season, or the deviation; `none` for always 1.
        lag: steps between the values of a change.
        share: the exponent that draws the ratio to 1: 1 keeps it, 0 would make it 1.
        typical: (C_t,) mean of the measure over the train windows, scaled.
    """

    form: Form
    lag: int
    share: float
    typical: Tensor

    @classmethod
    def fit(cls, form: Form, season: int, share: float, train: Windows) -> LocalScale:
        """Measure what is usual on the train windows."""
        lag = season if form == "season" else 1
        parts = torch.split(torch.arange(len(train)), CHUNK)
        measured = torch.cat([_restlessness(train, part, form, lag) for part in parts])
        return cls(form, lag, share, measured.mean(dim=0))

    def of(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, C_t) scale of the windows numbered by `index`."""
        if self.form == "none":
            return torch.ones(len(index), windows.n_targets)
        own = _restlessness(windows, index, self.form, self.lag)
        usual = self.typical.where(self.typical > 0, 1.0)
        return (own / usual).clamp(min=LEAST) ** self.share


@dataclass(frozen=True)
class Calibration:
    """What turns forecasts into calibrated quantiles.

    Attributes:
        offsets: (Q, P, C_t) quantiles of truth less forecast, scaled, at a local scale of 1.
        scale: the local scale.
    """

    offsets: Tensor
    scale: LocalScale

    def quantiles(self, forecast: Tensor, windows: Windows, index: Tensor) -> Tensor:
        """(B, Q, P, C_t) rising quantiles for forecasts (B, K, P, C_t) of the windows `index`."""
        scale = self.scale.of(windows, index)[:, None, None]  # (B, 1, 1, C_t)
        quantiles = forecast + scale * self.offsets
        return quantiles if forecast.shape[1] == 1 else quantiles.sort(dim=1).values


def calibrate(
    predictor: Predictor,
    train: Windows,
    val: Windows,
    observed: npt.NDArray[np.bool_],
    when: npt.NDArray[np.int64],
    quantiles: tuple[float, ...],
    season: int,
) -> Calibration:
    """Quantiles of the validation residuals (split conformal, Vovk et al. 2005), locally scaled.

    With n residuals the level q takes the ceil((n + 1) q)-th smallest above the median and the
    floor((n + 1) q)-th below it, so that an interval covers at least its nominal share where
    validation and test rows are exchangeable. A network's own quantiles are moved each by the
    quantile of its own residuals (as Romano et al., NeurIPS 2019, move the ends of an interval).
    The form of the scale is the one that, calibrated on the earlier half of the validation
    windows, has the least quantile loss on the later half, and the reverse.

    Args:
        predictor: what forecasts.
        train: windows that say which restlessness is usual.
        val: N windows whose horizons lie in the validation rows.
        observed: (T, C) False where a value was filled; its residual does not count.
        when: (T,) position in time of each row.
        quantiles: Q levels.
        season: steps in a season.
    """
    val = _thinned(val, n_forecasts(predictor))
    index = torch.arange(len(val))
    error = _residuals(predictor, val, observed)  # (N, K, P, C_t)
    scale = LocalScale("none", 1, 1.0, torch.ones(val.n_targets))
    time = torch.from_numpy(when)[val.origins]  # (N,)
    later = time >= time.median()
    earlier = time < time.median() - val.pred_len
    if later.any() and earlier.any():
        some = error[:, :, :: max(1, val.pred_len // N_STEPS)]
        halves = (earlier, later)
        candidates = [scale, *_candidates(train, season)]
        losses = [_loss_across(some, one.of(val, index), halves, quantiles) for one in candidates]
        scale = candidates[losses.index(min(losses))]
    offsets = _conformal(error / scale.of(val, index)[:, None, None], quantiles)
    return Calibration(offsets, scale)


def _candidates(train: Windows, season: int) -> list[LocalScale]:
    """Every local scale but `none`; seasonal changes only where the window holds some."""
    forms = [form for form in get_args(Form)[1:] if form != "season" or season < train.seq_len]
    forms = forms if train.seq_len > 1 else []
    return [LocalScale.fit(form, season, share, train) for form in forms for share in SHARES]


def _restlessness(windows: Windows, index: Tensor, form: Form, lag: int) -> Tensor:
    """(B, C_t) the measure `form` over the past of the windows numbered by `index`."""
    rows = windows.origins[index][:, None] + torch.arange(-windows.seq_len, 0)  # (B, L)
    past = windows.values[:, -windows.n_targets :][rows]  # (B, L, C_t)
    if form == "deviation":
        return past.std(dim=1, correction=0)
    return (past[:, lag:] - past[:, :-lag]).abs().mean(dim=1)


def _thinned(windows: Windows, n_each: int) -> Windows:
    """As many of the windows, evenly spread, as `MAX_ENTRIES` allows."""
    each = n_each * windows.pred_len * windows.n_targets
    stride = math.ceil(len(windows) * each / MAX_ENTRIES)
    return windows.subset(slice(None, None, max(1, stride)))


def _residuals(predictor: Predictor, val: Windows, observed: npt.NDArray[np.bool_]) -> Tensor:
    """(N, K, P, C_t) truth less forecast, scaled; NaN where nothing was observed."""
    truth = val.values[:, -val.n_targets :]
    truth = truth.masked_fill(~torch.from_numpy(observed[:, -val.n_targets :]), torch.nan)
    parts = []
    for index, forecast in predict_levels(predictor, val):
        rows = val.origins[index][:, None] + torch.arange(val.pred_len)  # (B, P)
        parts.append(truth[rows].unsqueeze(1) - forecast)
    return torch.cat(parts)


def _conformal(error: Tensor, levels: tuple[float, ...]) -> Tensor:
    """(Q, P, C_t) quantiles of (N, K, P, C_t) over its windows; 0 where nothing was observed."""
    ordered = error.sort(dim=0).values  # NaN last
    count = (~ordered.isnan()).sum(dim=0)  # (K, P, C_t)
    offsets = []
    for level, k in _places(levels, error.shape[1]):
        exact = (count[k] + 1) * level
        rank = exact.ceil() if level > 0.5 else exact.floor()
        place = torch.minimum(rank.long().clamp(min=1), count[k].clamp(min=1)) - 1
        offsets.append(ordered[:, k].gather(0, place[None])[0])
    return torch.stack(offsets).nan_to_num(0.0)


def _places(levels: tuple[float, ...], n_forecasts: int) -> list[tuple[float, int]]:
    """Each level, and which of the K forecasts it is a quantile of."""
    return [(level, min(k, n_forecasts - 1)) for k, level in enumerate(levels)]


def _loss_across(
    error: Tensor, scale: Tensor, halves: tuple[Tensor, Tensor], levels: tuple[float, ...]
) -> float:
    """Mean quantile loss of each half of the windows, calibrated on the other.

    Args:
        error: (N, K, P, C_t).
        scale: (N, C_t).
        halves: (N,) True for the windows of a half, for both.
        levels: Q.
    """
    scale = scale[:, None, None]  # (N, 1, 1, C_t)
    losses = []
    for known, judged in (halves, halves[::-1]):
        offsets = _conformal(error[known] / scale[known], levels)
        for (level, k), offset in zip(_places(levels, error.shape[1]), offsets, strict=True):
            rest = error[judged, k] - scale[judged, 0] * offset  # (n, P, C_t)
            losses.append(float(torch.maximum(level * rest, (level - 1) * rest).nanmean()))
    return sum(losses)
