"""What a forecast is made from: which horizons there are, and which forecasts are given.

S series   C channels   C_t targets   N horizons   L look_back   P pred_len   Q quantiles
M forecasts, each of one target of one series
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import ForecasterConfig, FrameConfig
from informer.data import (
    Panel,
    Scales,
    future_times,
    horizon_rows,
    is_code,
    series_names,
    unseen_series,
)
from informer.errors import FrameError
from informer.estimators import FALLBACK, fall_back

__all__ = [
    "Horizons", "against", "bounded", "far_inputs", "find_horizons", "forecast_table",
    "named", "new_series", "none_forecast", "wild", "with_fallbacks",
]  # fmt: skip

# A value so many deviations outside what the train rows hold is no value of the same quantity.
FAR_INPUT, FAR_FORECAST = 1e6, 100.0
CODE_GAP = 3.0  # ranges of the train rows that a code such as -9999 lies outside of them
NAMED = 3  # series that an error names

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Reasons = dict[tuple[int, int], str]  # by the numbers of series and target


@dataclass(frozen=True)
class Horizons:
    """Where horizons begin: after the last observed value of each target.

    Attributes:
        last: (N,) the last row of the panel that each horizon knows, rising. Targets of a series
            that end together share one.
        rows: (S, C_t) the row of the last observed value of each target; -1 where there is none.
        reasons: why the others cannot be forecast.
        short: which of these only lack history.
    """

    last: Ints
    rows: Ints
    reasons: Reasons
    short: tuple[tuple[int, int], ...]


def find_horizons(panel: Panel, look_back: int, config: FrameConfig) -> Horizons:
    """The horizons that a model which reads `look_back` rows can forecast.

    Args:
        panel: cut with `on_gap="split"`, so that only the look-back matters.
        look_back: L.
        config: names of the targets.
    """
    assert panel.ends is not None
    shape = panel.ends.shape
    series = np.repeat(np.arange(shape[0]), shape[1])
    rows = panel.rows_at(series, panel.ends.ravel())
    history = np.where(rows >= 0, panel.history_of(np.maximum(rows, 0)) + 1, 0)
    lengths = np.zeros(shape[0], dtype=np.int64)
    np.add.at(lengths, panel.owner, np.diff(panel.bounds))
    reasons: Reasons = {}
    short = []
    for i in np.flatnonzero(history < look_back):
        place = (int(i) // shape[1], int(i) % shape[1])
        if rows[i] < 0:
            time = panel.grid[panel.ends[place]] + pd.Timedelta(panel.lags[place[0]])
            reasons[place] = (
                f"lacks another column at {time}, the time of its last value, and more than "
                f"max_gap={config.max_gap} steps before it"
            )
            continue
        since = " since its last long gap" if lengths[place[0]] > history[i] else ""
        reasons[place] = f"has {history[i]} rows{since}, a forecast reads {look_back}"
        short.append(place)
    return Horizons(
        last=np.unique(rows[history >= look_back]),
        rows=rows.reshape(shape),
        reasons=reasons,
        short=tuple(short),
    )


def far_inputs(ahead: Panel, look_back: int, scales: Scales, config: FrameConfig) -> dict[int, str]:
    """Horizons whose look-back holds what the train rows never held, each with the reason.

    Args:
        ahead: as `Panel.ahead` gives it, of N horizons.
        look_back: L.
        scales: of the series.
        config: names of the channels.
    """
    past, seen = _past(ahead, look_back)  # (N, L, C)
    reach = FAR_INPUT * scales.deviation[ahead.owner][:, None]
    low, high = scales.low[ahead.owner][:, None], scales.high[ahead.owner][:, None]
    far = (past < low - reach) | (past > high + reach)  # never where no range is known
    reach = CODE_GAP * np.maximum(high - low, scales.deviation[ahead.owner][:, None])
    coded = is_code(past.ravel()).reshape(past.shape)
    far |= coded & ((past < low - reach) | (past > high + reach))
    far &= seen
    found: dict[int, str] = {}
    for n, row, channel in np.argwhere(far):
        found.setdefault(
            int(n),
            f"holds {past[n, row, channel]:g} in column {config.channels[channel]!r}, far outside "
            f"its train rows ({low[n, 0, channel]:g} to {high[n, 0, channel]:g})",
        )
    return found


def wild(
    ahead: Panel, look_back: int, scales: Scales, point: Array, quantiles: Array
) -> dict[tuple[int, int], str]:
    """Forecasts that are not given, by the numbers of horizon and target, each with the reason.

    A forecast is not given if a value is not finite, or lies more than `FAR_FORECAST` deviations
    outside the range of the train rows and of the look-back.

    Args:
        ahead: as `Panel.ahead` gives it, of N horizons.
        look_back: L.
        scales: of the series.
        point: (N, P, C_t) in the data's units.
        quantiles: (N, Q, P, C_t) in the data's units.
    """
    if not len(point):
        return {}
    n_targets = point.shape[-1]
    past = _past(ahead, look_back)[0][..., -n_targets:]  # (N, L, C_t)
    low, high, deviation = (
        part[ahead.owner, -n_targets:] for part in (scales.low, scales.high, scales.deviation)
    )
    low, high = np.fmin(low, past.min(axis=1)), np.fmax(high, past.max(axis=1))  # (N, C_t)
    with np.errstate(over="ignore", invalid="ignore"):
        reach = FAR_FORECAST * np.maximum(deviation, past.std(axis=1))
    is_finite = np.isfinite(point).all(axis=1) & np.isfinite(quantiles).all(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        is_far = (point.min(axis=1) < low - reach) | (point.max(axis=1) > high + reach)
    found = {
        (int(n), int(c)): "has a forecast that is not finite" for n, c in np.argwhere(~is_finite)
    }
    for n, c in np.argwhere(is_far & is_finite):
        own = point[n, :, c]
        found[int(n), int(c)] = (
            f"has a forecast of {own[np.abs(own).argmax()]:g}, more than {FAR_FORECAST:g} "
            f"deviations outside the range of its rows ({low[n, c]:g} to {high[n, c]:g})"
        )
    return found


def _past(ahead: Panel, look_back: int) -> tuple[Array, Flags]:
    """(N, L, C) the rows that each horizon reads, and which of them were observed."""
    n = len(ahead.owner)
    shape = (n, len(ahead.values) // max(n, 1), ahead.values.shape[1])
    values, observed = ahead.values.reshape(shape), ahead.observed.reshape(shape)
    return values[:, :look_back], observed[:, :look_back]


def bounded(values: Array, config: FrameConfig) -> Array:
    """Forecasts of targets, none below `config.min` or above `config.max`."""
    if config.min is None and config.max is None:
        return values
    return np.clip(values, config.min, config.max)


@dataclass(frozen=True)
class Naive:
    """The forecast of a series that is too short for the model.

    Attributes:
        place: the numbers of series and target.
        name: the baseline.
        times: (P,) of the horizon.
        cutoff: the last time that was known.
        point: (P,) in the data's units.
        quantiles: (Q, P) in the data's units.
    """

    place: tuple[int, int]
    name: str
    times: pd.DatetimeIndex
    cutoff: pd.Timestamp
    point: Array
    quantiles: Array


def fallbacks(panel: Panel, found: Horizons, config: ForecasterConfig) -> list[Naive]:
    """The forecasts of the series and targets that only lack history, as far as there are any."""
    frame, n_steps = config.frame, config.model.pred_len
    n_targets = len(frame.targets)
    made = []
    for place in found.short:
        row = found.rows[place]
        first = row - panel.history_of(np.array([row]))[0]
        channel = panel.values.shape[1] - n_targets + place[1]
        own = slice(int(first), int(row) + 1)
        values = np.where(panel.observed[own, channel], panel.values[own, channel], np.nan)
        naive = fall_back(values, frame.season, n_steps, config.quantiles)
        if naive is None:
            continue
        lag, end = pd.Timedelta(panel.lags[place[0]]), panel.grid[panel.steps[row]]
        made.append(
            Naive(
                place,
                naive.name,
                future_times(end, frame.freq, n_steps) + lag,
                end + lag,
                bounded(naive.point, frame),
                bounded(naive.quantiles, frame),
            )
        )
    return made


def against(found: Horizons, far: dict[int, str], bad: dict[tuple[int, int], str]) -> Reasons:
    """Why some of the forecasts that were made are not given.

    Args:
        found: what was forecast.
        far: as `far_inputs` gives it, by horizon.
        bad: as `wild` gives it, by horizon and target.
    """
    reasons: Reasons = {}
    if not (far or bad):
        return reasons
    window = np.searchsorted(found.last, found.rows)  # (S, C_t)
    for series, target in np.argwhere(np.isin(found.rows, found.last)):
        n = int(window[series, target])
        reason = far.get(n) or bad.get((n, int(target)))
        if reason:
            reasons[int(series), int(target)] = reason
    return reasons


def forecast_table(
    panel: Panel,
    config: ForecasterConfig,
    places: Ints,
    times: tuple[pd.DatetimeIndex, pd.DatetimeIndex],
    values: tuple[Array, Array],
) -> pd.DataFrame:
    """Forecasts as a long frame: unique_id, ds, cutoff, y_hat and the quantiles.

    Args:
        panel: names the series.
        config: names the targets and the quantiles.
        places: (M, 2) numbers of series and target.
        times: (M * P,) of the horizons, and (M,) the cutoffs.
        values: (M, P) the forecasts, and (M, Q, P) their quantiles.
    """
    names = np.array(series_names(panel.ids, config.frame), dtype=object)  # (S, C_t)
    (ds, cutoffs), (point, quantiles) = times, values
    n_steps = point.shape[1]
    columns: dict[str, object] = {
        "unique_id": np.repeat(names[places[:, 0], places[:, 1]], n_steps),
        "ds": ds,
        "cutoff": cutoffs.repeat(n_steps),
        "y_hat": point.ravel(),
    }
    for place, level in enumerate(config.quantiles):
        columns[f"y_hat_q{level * 100:g}"] = quantiles[:, place].ravel()
    return pd.DataFrame(columns).astype({"unique_id": "str"})


def with_fallbacks(
    table: pd.DataFrame, panel: Panel, config: ForecasterConfig, places: Ints, found: Horizons
) -> pd.DataFrame:
    """The table and the naive forecasts, in the order of series and target.

    Args:
        table: forecasts of the model.
        panel: what they were made from.
        config: of the forecaster.
        places: (M, 2) numbers of series and target of the table's forecasts.
        found: says which series and targets are too short.
    """
    naive = fallbacks(panel, found, config)
    if not naive:
        return table
    n_steps = config.model.pred_len
    short = np.array([one.place for one in naive])
    times = pd.DatetimeIndex(np.concatenate([one.times.to_numpy() for one in naive]))
    cutoffs = pd.DatetimeIndex([one.cutoff for one in naive])
    values = np.stack([one.point for one in naive]), np.stack([one.quantiles for one in naive])
    added = forecast_table(panel, config, short, (times, cutoffs), values)
    parts = [table, added] if len(table) else [added]
    whole = pd.concat(parts, ignore_index=True)
    whole[FALLBACK] = [""] * len(table) + [one.name for one in naive for _ in range(n_steps)]
    joined = np.concatenate([places, short])
    order = np.lexsort((joined[:, 1], joined[:, 0]))
    return whole.iloc[horizon_rows(order * n_steps, n_steps).ravel()].reset_index(drop=True)


def new_series(scales: Scales, panel: Panel, table: pd.DataFrame, config: FrameConfig) -> list[str]:
    """The series that the model forecast without having been fitted on them."""
    unseen = set(unseen_series(scales, panel))
    if not unseen:
        return []
    by_model = table[table[FALLBACK] == ""] if FALLBACK in table else table
    given = set(by_model["unique_id"])
    names = series_names(panel.ids, config)
    return [i for i, own in zip(panel.ids, names, strict=True) if i in unseen and given & set(own)]


def none_forecast(left_out: Mapping[str, str]) -> FrameError:
    """What is wrong where the model can forecast none of the series, each with the reason."""
    first = "; ".join(f"series {name!r} {why}" for name, why in list(left_out.items())[:NAMED])
    more = f"; and {len(left_out) - NAMED:,} more" if len(left_out) > NAMED else ""
    error = FrameError(
        f"no series can be forecast: {first}{more}. Supply more history, or correct it."
    )
    error.left_out = left_out
    return error


def named(reasons: Reasons, panel: Panel, config: FrameConfig) -> dict[str, str]:
    """Reasons by series; by series and target where other targets of the series are forecast."""
    names = series_names(panel.ids, config)
    n_targets = len(config.targets)
    by_series: dict[int, list[tuple[int, str]]] = {}
    for (series, target), reason in sorted(reasons.items()):
        by_series.setdefault(series, []).append((target, reason))
    found = dict(panel.left_out)
    for series, own in by_series.items():
        if len(own) == n_targets and config.id_column is not None:
            found[panel.ids[series]] = own[0][1]
        else:
            found |= {names[series][target]: reason for target, reason in own}
    return found
