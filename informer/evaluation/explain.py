"""Why a forecast changed: new data, new weights, changed covariates.

Two forecasts of the same times differ in three things: the model, the history of the targets, and
the covariates (the channels that are read and not forecast). Each of the 2^3 crossings of the old
and the new ones is forecast, and each thing gets the mean of what it changes over all orders in
which the three can be exchanged: its Shapley value (Shapley 1953; for changes of this kind
Shorrocks 2013, "Decomposition procedures for distributional analysis"). The parts add up to the
difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data import as_kept, regular_frame
from informer.errors import FrameError
from informer.forecaster import Forecaster

__all__ = ["PARTS", "Origin", "covariates_of", "explain_change"]

PARTS = ("data", "weights", "covariates")
State = tuple[int, int, int]  # by PARTS: 0 as before, 1 as after
WEIGHTS = (1 / 3, 1 / 6, 1 / 3)  # of a step by how many of the other two were exchanged before it


@dataclass(frozen=True)
class Origin:
    """What a forecast was made from.

    Attributes:
        forecaster: the model.
        rows: long frame as `Forecaster.predict` takes it; a forecast begins after its last rows.
    """

    forecaster: Forecaster
    rows: pd.DataFrame


def covariates_of(frame: FrameConfig) -> tuple[str, ...]:
    """The channels that are read and not forecast: none with features M and S."""
    return tuple(name for name in frame.channels if name not in frame.targets)


def explain_change(before: Origin, after: Origin) -> pd.DataFrame:
    """Split the difference between two forecasts, for the times that both are of.

    A crossing has the cutoff of its targets' history. Its covariates are those of the other side
    up to that cutoff; where they end before it, they stay at their last known value, however long.

    Args:
        before: the older forecast. The same object as `after.forecaster` says that no weight
            changed.
        after: the newer one; its model reads the same channels.

    Returns:
        unique_id, ds, before, after, change (after - before) and its parts data (rows that came or
        were revised in the targets' history), weights and covariates (0 where there are none), in
        the data's units; ordered by unique_id and ds.

    Raises:
        FrameError: the models read different channels, the forecasts have no time in common, or a
            crossing lacks rows.
    """
    frame = _shared_frame(before, after)
    covariates = covariates_of(frame)
    rows = [regular_frame(origin.rows, frame) for origin in (before, after)]
    models = [before.forecaster, after.forecaster]
    same_model = models[0] is models[1]
    rows = _of_common_series(rows, frame)
    made: dict[State, pd.Series[float]] = {}
    for data, weights, others in product((0, 1), repeat=3):
        twin = (data, 0 if same_model else weights, others if covariates else 0)
        if twin not in made:
            mixed = _mixed(rows[data], rows[others], covariates, frame)
            made[twin] = _forecast(models[weights], mixed)
        made[data, weights, others] = made[twin]
    return _split(made)


def _shared_frame(before: Origin, after: Origin) -> FrameConfig:
    old, new = (origin.forecaster.config.frame for origin in (before, after))
    for name in ("time_column", "id_column", "freq", "channels", "targets"):
        if getattr(old, name) != getattr(new, name):
            raise FrameError(
                f"the two models differ in {name}: {getattr(old, name)!r} before, "
                f"{getattr(new, name)!r} after. A change can be explained only between models "
                "that read and forecast the same columns."
            )
    return new


def _of_common_series(rows: list[pd.DataFrame], frame: FrameConfig) -> list[pd.DataFrame]:
    if frame.id_column is None:
        return rows
    common = set(rows[0][frame.id_column]) & set(rows[1][frame.id_column])
    return [part[part[frame.id_column].isin(common)].reset_index(drop=True) for part in rows]


def _mixed(
    history: pd.DataFrame,
    others: pd.DataFrame,
    covariates: tuple[str, ...],
    frame: FrameConfig,
) -> pd.DataFrame:
    """The rows of `history` with the covariates of `others`."""
    if not covariates or history is others:
        return history
    if frame.id_column is None:
        return _joined(history, others, covariates, frame.time_column)
    known = dict(list(others.groupby(frame.id_column)))
    parts = [
        _joined(own, known[name], covariates, frame.time_column)
        for name, own in history.groupby(frame.id_column)
    ]
    return pd.concat(parts, ignore_index=True)


def _joined(
    own: pd.DataFrame, others: pd.DataFrame, covariates: tuple[str, ...], time: str
) -> pd.DataFrame:
    """One series with the covariates of another state of it, held where they have ended."""
    given = others.set_index(time)[list(covariates)]
    taken = given.reindex(pd.DatetimeIndex(own[time]))
    ended = taken.index > given.index[-1]
    taken.loc[ended] = given.ffill().iloc[-1].to_numpy()
    return own.assign(**{name: taken[name].to_numpy() for name in covariates})


def _forecast(model: Forecaster, rows: pd.DataFrame) -> pd.Series[float]:
    return as_kept(model.predict_all(rows)).set_index(["unique_id", "ds"])["y_hat"]


def _split(made: Mapping[State, pd.Series[float]]) -> pd.DataFrame:
    """The table of `explain_change` from the forecasts of all crossings."""
    values = pd.concat(made, axis=1, join="inner").sort_index()
    if values.empty:
        first, last = (made[state].index.get_level_values("ds") for state in ((0,) * 3, (1,) * 3))
        raise FrameError(
            f"the forecasts have no time in common: one ends at {first.max()}, the other begins at "
            f"{last.min()}. Choose vintages whose horizons overlap."
        )
    by_state = {state: values[state].to_numpy() for state in made}
    table = values.index.to_frame(index=False)
    table["before"], table["after"] = by_state[0, 0, 0], by_state[1, 1, 1]
    table["change"] = table["after"] - table["before"]
    for place, name in enumerate(PARTS):
        table[name] = _shapley(by_state, place)
    return table


def _shapley(values: Mapping[State, npt.NDArray[np.float64]], place: int) -> pd.Series[float]:
    """The mean step that exchanging one thing makes, over all orders of exchanging three."""
    total = np.zeros_like(values[0, 0, 0])
    for new in values:
        if new[place] == 1:
            first, second, third = (0 if i == place else bit for i, bit in enumerate(new))
            total += WEIGHTS[sum(new) - 1] * (values[new] - values[first, second, third])
    return pd.Series(total)
