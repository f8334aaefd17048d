"""What can be said of a series that is too short for the model: a naive forecast, marked as such.

n observed values   P pred_len   Q quantiles
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FALLBACK", "FALLBACK_MIN", "Fallback", "fall_back"]

FALLBACK = (
    "fallback"  # column of a forecast that names the baseline; empty where the model forecast
)
FALLBACK_MIN = 4  # observed values, of which three changes say how far the next one goes
MIN_SEASONS = 2

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fallback:
    """A forecast by a baseline that needs little history.

    Attributes:
        name: `naive` or `seasonal_naive`.
        point: (P,) in the data's units.
        quantiles: (Q, P) in the data's units.
    """

    name: str
    point: Array
    quantiles: Array


def fall_back(
    values: Array, season: int, n_steps: int, levels: tuple[float, ...]
) -> Fallback | None:
    """Repeat the last value, or the last season where that was nearer to the truth so far.

    The interval of step h is that of a random walk: Student's t, times the deviation of the changes
    so far, times the root of the number of changes that lie ahead (Hyndman & Athanasopoulos,
    "Forecasting: principles and practice", section 5.5).

    Args:
        values: (T,) the history in the data's units, NaN where nothing was observed; its last
            value is observed.
        season: steps in a season.
        n_steps: P.
        levels: Q rising levels.

    Returns:
        None where fewer than `FALLBACK_MIN` values were observed.
    """
    if np.count_nonzero(~np.isnan(values)) < FALLBACK_MIN:
        return None
    lags = [1]
    if season > 1 and len(values) >= MIN_SEASONS * season:
        lags.append(season)
    changes = {lag: _changes(values, lag) for lag in lags}
    sound = [lag for lag in lags if len(changes[lag]) >= FALLBACK_MIN - 1]
    if not sound:
        return None
    lag = min(sound, key=lambda one: float(np.abs(changes[one]).mean()))
    steps = np.arange(n_steps)
    known = _filled(values)[-lag:]
    point = known[steps % lag]
    n = len(changes[lag])
    deviation = float(np.sqrt((changes[lag] ** 2).mean()))
    spread = deviation * np.sqrt((steps // lag + 1) * (1 + 1 / n))
    quantiles = point + _student(levels, n)[:, None] * spread
    return Fallback("naive" if lag == 1 else "seasonal_naive", point, quantiles)


def _changes(values: Array, lag: int) -> Array:
    change = values[lag:] - values[:-lag]
    return change[~np.isnan(change)]


def _filled(values: Array) -> Array:
    """The last observed value at each row; what lies before the first one is not read."""
    seen = np.where(np.isnan(values), 0, np.arange(len(values)))
    filled: Array = values[np.maximum.accumulate(seen)]
    return np.where(np.isnan(filled), values[~np.isnan(values)][0], filled)


def _student(levels: tuple[float, ...], freedom: int) -> Array:
    from scipy.special import stdtrit  # only where a series is short

    found: Array = stdtrit(freedom, np.array(levels))
    return found
