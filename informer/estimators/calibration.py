"""How far a forecast may be off: intervals from the residuals of the validation rows.

Residuals are measured in units of how restless the window is that the forecast was made from, so
that an interval found in a calm season is wide enough in a restless one (locally scaled split
conformal prediction; Lei et al., JASA 2018, section 5.2).

B windows of a batch   N windows   P pred_len   C_t targets   Q quantiles   S series   L seq_len
K forecasts of each value: 1, or Q from a network of quantiles
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from informer.config import MEDIAN
from informer.data import Windows
from informer.errors import FrameError
from informer.estimators.baselines import ClosedFormLinear, SeasonalNaive
from informer.estimators.choice import least
from informer.estimators.conformal import n_needed, offsets, order_statistics
from informer.estimators.predictor import NetworkPredictor, Predictor, n_forecasts, predict_levels

__all__ = ["Calibration", "LocalScale", "calibrate"]

Form = Literal["none", "step", "season", "deviation"]

FORMS: tuple[Form, ...] = ("step", "season", "deviation")
SHARES = (0.5, 0.75, 1.0)
LEAST = 0.05  # of the typical restlessness, which a window that stands still is taken to have
# What the form of the scale is chosen by: an interval, stretches of time, and in each so many
# windows at least and so many steps of the horizon.
INTERVAL, PROMISED = (0.1, 0.9), 0.8
N_BLOCKS, MIN_IN_BLOCK, N_STEPS, MAX_JUDGED = 12, 40, 8, 4096
REACH = 2  # how far apart two stretches are at most of which one is calibrated on the other
MAX_ENTRIES = 2**26  # residuals held at once; with more, fewer windows are taken, evenly
MAX_PAST = 2**24  # values of the windows' pasts held at once
PRIOR = 2.0  # horizons by which the spread of a series is drawn to the usual one
NAMED = 5  # targets that a warning names

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalScale:
    """How restless a window's past is, against the train windows; 1 where it is as usual.

    Attributes:
        form: what is measured over the L rows that the network reads: the mean absolute change
            from step to step or from season to season, or the deviation; `none` for always 1. Only
            observed values count, since what a gap is filled with stands still.
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
        measured = _restlessness(train, train.numbers, form, lag)
        whole = train.observed is None
        typical = measured.mean(dim=0) if whole else measured.nanmean(dim=0).nan_to_num()
        return cls(form, lag, share, typical)

    def of(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, C_t) scale of the windows numbered by `index`; 1 where nothing of a past is known."""
        if self.form == "none":
            return torch.ones(len(index), windows.n_targets)
        own = _restlessness(windows, index, self.form, self.lag)
        usual = self.typical.where(self.typical > 0, 1.0)
        scale = (own / usual).clamp(min=LEAST) ** self.share
        return scale if windows.observed is None else scale.nan_to_num(nan=1.0)


@dataclass(frozen=True)
class Calibration:
    """What turns forecasts into calibrated quantiles.

    Attributes:
        levels: Q rising levels.
        offsets: (Q, P, C_t) quantiles of truth less forecast, scaled, at a scale of 1.
        scale: the local scale.
        ids: the S series whose validation residuals are known.
        spread: (S, C_t) how large the residuals of each series are, against those of all.
    """

    levels: tuple[float, ...]
    offsets: Tensor
    scale: LocalScale
    ids: tuple[str, ...]
    spread: Tensor

    def spread_of(self, ids: Sequence[str]) -> Tensor:
        """(S, C_t) the spread of each of `ids`; 1 where it is not known."""
        place = {name: number for number, name in enumerate(self.ids)}
        number = torch.tensor([place.get(name, -1) for name in ids], dtype=torch.long)
        known = torch.cat((self.spread, torch.ones(1, self.offsets.shape[-1])))
        return known[number]

    def quantiles(
        self, forecast: Tensor, windows: Windows, index: Tensor, spread: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The point forecast and its quantiles, (B, P, C_t) and (B, Q, P, C_t).

        The point is what the model forecasts: its mean or its median, by the loss it was trained
        with. No quantile below the median is above the point, and none above the median below it,
        so that the point is never outside its own intervals.

        Args:
            forecast: (B, K, P, C_t) of the windows `index`.
            windows: what was forecast.
            index: (B,) numbers of windows.
            spread: (S, C_t) as `spread_of` gives it for the series of `windows`.
        """
        scale = self.scale.of(windows, index) * spread[windows.series(index)]
        quantiles = forecast + scale[:, None, None] * self.offsets
        if forecast.shape[1] > 1:
            quantiles = quantiles.sort(dim=1).values
        point = forecast[:, self.levels.index(MEDIAN) if forecast.shape[1] > 1 else 0]
        for place, level in enumerate(self.levels):
            if level < MEDIAN:
                quantiles[:, place] = torch.minimum(quantiles[:, place], point)
            elif level > MEDIAN:
                quantiles[:, place] = torch.maximum(quantiles[:, place], point)
        return point, quantiles


def calibrate(
    predictor: Predictor,
    train: Windows,
    val: Windows,
    quantiles: tuple[float, ...],
    season: int,
    targets: Sequence[str],
    ids: Sequence[str] = ("",),
) -> Calibration:
    """Quantiles of the validation residuals (split conformal, Vovk et al. 2005), locally scaled.

    With n residuals the level q takes the ceil((n + 1) q)-th smallest above the median and the
    floor((n + 1) q)-th up to it, so that an interval covers at least its nominal share where
    validation and test rows are exchangeable. Where n is too small for a level, Student's t takes
    over, as `conformal.offsets` says, and a warning names the targets. Only observed values have a
    residual; n counts windows, also those that overlap. A network's own quantiles are moved each by
    the quantile of its own residuals (as Romano et al., NeurIPS 2019, move the ends of an
    interval). A network's residuals on the rows that it was trained on say little, and a classical
    model is too slow to forecast them all, so the form of the scale is chosen with the linear
    model's in their place, see `_evenest`.

    Args:
        predictor: what forecasts.
        train: windows that say which restlessness is usual.
        val: N windows whose horizons lie in the validation rows.
        quantiles: Q levels.
        season: steps in a season.
        targets: C_t names, for what is said of them.
        ids: the S series of the windows.

    Raises:
        FrameError: not one value was observed in the validation windows.
    """
    n_windows, val = len(val), val.with_truth()
    if not len(val):
        raise FrameError(
            f"no value of {', '.join(targets[:NAMED])} was observed in the horizons of the "
            f"{n_windows} validation windows, so the width of its intervals is unknown. Supply "
            "the missing values, or move or lengthen the validation part."
        )
    judge = predictor
    if not isinstance(predictor, ClosedFormLinear | SeasonalNaive):
        judge = _linear_in_place_of(predictor, train, val)
    scale = _evenest(judge, train, val, season)
    val = _thinned(val, MAX_ENTRIES // (n_forecasts(predictor) * val.pred_len * val.n_targets))
    error = _residuals(predictor, val)  # (N, K, P, C_t)
    error /= scale.of(val, val.numbers)[:, None, None]
    _warn_of_few(error, quantiles, targets)
    series = val.series(val.numbers)
    spread = _spread(error, series, len(ids))
    error /= spread[series][:, None, None]
    return Calibration(quantiles, offsets(error, quantiles), scale, tuple(ids), spread)


def _spread(error: Tensor, series: Tensor, n_series: int) -> Tensor:
    """(S, C_t) the mean absolute residual of each series over that of all, drawn to 1.

    It counts as if `PRIOR` horizons more had been as usual. Windows that begin within one horizon
    share most of their steps, and count as one.
    """
    size = error[:, error.shape[1] // 2].abs()  # (N, P, C_t) of the median, or of the only forecast
    seen = ~size.isnan()
    total, count = size.nansum(dim=1), seen.sum(dim=1)  # (N, C_t)
    sums = torch.zeros(n_series, total.shape[1]).index_add(0, series, total)
    counts = torch.zeros_like(sums).index_add(0, series, count.to(sums))
    usual = sums.sum(dim=0) / counts.sum(dim=0).clamp(min=1)
    ratio = (sums / counts.clamp(min=1)) / usual.where(usual > 0, 1.0)
    horizons = counts / size.shape[1] ** 2
    spread = (horizons * ratio + PRIOR) / (horizons + PRIOR)
    return spread.where((counts > 0) & (usual > 0), 1.0).clamp(min=LEAST)


def _warn_of_few(error: Tensor, quantiles: tuple[float, ...], targets: Sequence[str]) -> None:
    """Tell which targets have steps with fewer residuals (N, K, P, C_t) than the levels need."""
    needed = n_needed(quantiles)
    fewest = (~error[:, 0].isnan()).sum(dim=0).min(dim=0).values.tolist()  # (C_t,)
    few = [f"{name}: {n}" for name, n in zip(targets, fewest, strict=True) if n < needed]
    if few:
        more = f" and {len(few) - NAMED} more targets" if len(few) > NAMED else ""
        logger.warning(
            "there are too few validation windows with observed values to make the intervals from "
            "residuals alone (%s%s; needed: %d). Beyond the largest residual the intervals use "
            "Student's t. They are wide, and their coverage is right only for normal errors. "
            "Lengthen the validation part, or supply missing values.",
            ", ".join(few[:NAMED]), more, needed,
        )  # fmt: skip


def _linear_in_place_of(predictor: Predictor, train: Windows, val: Windows) -> Predictor:
    """The closed-form linear model: the network's highway where it has one."""
    if isinstance(predictor, NetworkPredictor) and predictor.models[0].config.linear.fit:
        return ClosedFormLinear(predictor.models[0].highway)
    return ClosedFormLinear.fit(train, val, train.seq_len)


def _evenest(judge: Predictor, train: Windows, val: Windows, season: int) -> LocalScale:
    """The scale under which an interval that suits one stretch of time suits the next one best.

    Train and validation windows are cut into `N_BLOCKS` stretches; an interval calibrated on each
    is tried on those at most `REACH` away, and the scale with the least mean deviation from the
    promised coverage is taken. The later rows that it has to serve are another such neighbour.
    """
    plain = LocalScale("none", 1, 1.0, torch.ones(val.n_targets))
    known = replace(train, origins=torch.cat((train.origins, val.origins)))
    known = _thinned(known.with_truth(), MAX_JUDGED)
    time = known.times.numpy()
    bounds = np.quantile(time, np.linspace(0, 1, N_BLOCKS + 1)[1:-1])
    block = torch.from_numpy(np.searchsorted(bounds, time))
    if torch.bincount(block, minlength=N_BLOCKS).min() < MIN_IN_BLOCK or train.seq_len < 2:
        return plain
    error = _residuals(judge, known, every=max(1, val.pred_len // N_STEPS))
    index = known.numbers
    forms = [form for form in FORMS if form != "season" or season < train.seq_len]
    scales = [LocalScale.fit(form, season, share, train) for form in forms for share in SHARES]
    candidates = [plain, *scales]
    misses = [
        _mean_miss(error / scale.of(known, index)[:, None, None], block) for scale in candidates
    ]
    return candidates[least(misses, "the intervals")]


def _mean_miss(error: Tensor, block: Tensor) -> float:
    """How far the coverage of each block's interval in its neighbours is from `PROMISED`."""
    parts = [error[block == i, 0] for i in range(N_BLOCKS)]
    misses = []
    for i, part in enumerate(parts):
        (low, high), _ = order_statistics(part.unsqueeze(1), INTERVAL)
        for other in parts[max(0, i - REACH) : i] + parts[i + 1 : i + 1 + REACH]:
            seen = ~(other.isnan() | low.isnan())
            inside = ((other >= low) & (other <= high) & seen).sum() / seen.sum().clamp(min=1)
            misses.append(abs(float(inside) - PROMISED))
    return sum(misses) / len(misses)


def _restlessness(windows: Windows, index: Tensor, form: Form, lag: int) -> Tensor:
    """(B, C_t) the measure `form` over the past of the windows numbered by `index`.

    Their pasts overlap and take L times the memory of the rows, so only some are held at once.
    """
    size = max(1, MAX_PAST // (windows.seq_len * windows.values.shape[1]))
    parts = [_measured(windows, part, form, lag) for part in torch.split(index, size)]
    return torch.cat(parts)


def _measured(windows: Windows, index: Tensor, form: Form, lag: int) -> Tensor:
    past = windows.past(index, windows.seq_len)  # (B, L, C_t)
    seen = windows.past_observed(index, windows.seq_len)
    if seen is not None and not bool(seen.all()):
        return _restlessness_observed(past.masked_fill(~seen, torch.nan), form, lag)
    if form == "deviation":
        return past.std(dim=1, correction=0)
    return (past[:, lag:] - past[:, :-lag]).abs_().mean(dim=1)


def _restlessness_observed(past: Tensor, form: Form, lag: int) -> Tensor:
    """(B, C_t) the measure over what is no NaN of (B, L, C_t); NaN of less than two values."""
    if form == "deviation":
        several = (~past.isnan()).sum(dim=1) > 1
        squares = (past - past.nanmean(dim=1, keepdim=True)) ** 2
        return squares.nanmean(dim=1).sqrt().where(several, torch.nan)
    return (past[:, lag:] - past[:, :-lag]).abs().nanmean(dim=1)


def _thinned(windows: Windows, n_most: int) -> Windows:
    """At most `n_most` of the windows, evenly spread."""
    return windows.subset(slice(None, None, max(1, math.ceil(len(windows) / max(1, n_most)))))


def _residuals(predictor: Predictor, val: Windows, *, every: int = 1) -> Tensor:
    """(N, K, P, C_t) truth less forecast, scaled; NaN where nothing was observed.

    With `every`, P counts only every n-th step of the horizon, and only those are kept.
    """
    error: Tensor | None = None
    for index, forecast in predict_levels(predictor, val):
        part = val.horizon(index)[:, ::every].unsqueeze(1) - forecast[:, :, ::every]
        if error is None:  # filled in place: to join parts would hold each twice
            error = part.new_empty(len(val), *part.shape[1:])
        error[index] = part
    assert error is not None
    return error
