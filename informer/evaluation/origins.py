"""What a rolling evaluation keeps of each origin: the loss there, and how far the forecast moved.

N windows   P pred_len   C_t targets   S series
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data import Panel, series_names

__all__ = ["OriginLog", "scaled_error"]

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class OriginLog:
    """Takes in windows part by part, so that no more than one part of the forecasts is held.

    Args:
        panel: regular series in the data's units.
        frame: names the targets.
        grid: what the places of cutoffs are counted on; the panel's own, or another model's.
        std: (S, C_t) what errors are in units of.
        stride: steps between two origins whose forecasts of the same times are compared.
    """

    def __init__(
        self, panel: Panel, frame: FrameConfig, grid: pd.DatetimeIndex, std: Array, stride: int
    ) -> None:
        self._panel, self._frame, self._grid = panel, frame, grid
        self._std, self._stride = std, stride
        self._parts: list[dict[str, npt.NDArray[np.generic]]] = []
        self._moved = np.zeros(std.shape)  # (S, C_t)
        self._count = np.zeros(len(panel.ids), dtype=np.int64)  # (S,)
        self._last: tuple[Rows, Array] | None = None

    def add(self, first: Rows, truth: Array, forecast: Array) -> None:
        """Take in windows that follow those taken in before.

        Args:
            first: (N,) rows of the panel that are the first forecast step.
            truth: (N, P, C_t) in the data's units, NaN where not observed.
            forecast: (N, P, C_t) in the data's units.
        """
        series, n_targets = self._panel.series_of(first), self._std.shape[1]
        error = scaled_error(truth, forecast, self._std[series][:, None])
        n = (~np.isnan(error)).sum(axis=1)  # (N, C_t)
        with np.errstate(over="ignore", invalid="ignore"):
            mse = np.nansum(error**2, axis=1) / n
            mae = np.nansum(np.abs(error), axis=1) / n
        cutoff = self._panel.grid[self._panel.steps[first - 1]]
        self._parts.append(
            {
                "place": (series[:, None] * n_targets + np.arange(n_targets)).ravel(),
                "cutoff": np.repeat(cutoff.to_numpy(), n_targets),
                "n": n.ravel(),
                "mse": mse.ravel(),
                "mae": mae.ravel(),
            }
        )
        self._add_churn(first, forecast)

    def _add_churn(self, first: Rows, forecast: Array) -> None:
        last, self._last = self._last, (first[-1:], forecast[-1:])
        if last is not None:
            first = np.concatenate([last[0], first])
            forecast = np.concatenate([last[1], forecast])
        series, n_shared = self._panel.series_of(first), forecast.shape[1] - self._stride
        steps = self._panel.steps[first]
        follows = (np.diff(steps) == self._stride) & (np.diff(series) == 0)
        pairs = np.flatnonzero(follows)
        if n_shared < 1 or not len(pairs):
            return
        moved = np.abs(forecast[pairs, self._stride :] - forecast[pairs + 1, :n_shared])
        moved /= self._std[series[pairs]][:, None]
        np.add.at(self._moved, series[pairs], moved.sum(axis=1))
        np.add.at(self._count, series[pairs], n_shared)

    def windows(self) -> pd.DataFrame:
        """A row for each window and target, as `informer.evaluation.windows` has them."""
        found = {
            name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]
        }
        place, cutoff = found.pop("place"), found.pop("cutoff")
        ids, targets = self._panel.ids, self._frame.targets
        names = [name for series in series_names(ids, self._frame) for name in series]
        owner = np.repeat(np.arange(len(ids)), len(targets))
        column = np.tile(np.arange(len(targets)), len(ids))
        return pd.DataFrame(
            {
                "unique_id": pd.Categorical.from_codes(place, pd.Index(names)),
                "series": pd.Categorical.from_codes(owner[place], pd.Index(ids)),
                "target": pd.Categorical.from_codes(column[place], pd.Index(targets)),
                "step": self._grid.get_indexer(pd.DatetimeIndex(cutoff)),
                "cutoff": cutoff,
            }
            | found
        )

    def churn(self) -> pd.DataFrame:
        """unique_id, n, churn: the mean absolute change of n forecasts of the same time, scaled.

        NaN where no two horizons of neighbouring origins share a time.
        """
        n = np.repeat(self._count, self._std.shape[1])
        mean = np.full(len(n), np.nan)
        np.divide(self._moved.ravel(), n, out=mean, where=n > 0)
        names = np.array(series_names(self._panel.ids, self._frame), dtype=object).ravel()
        table = pd.DataFrame({"unique_id": names, "n": n, "churn": mean})
        return table.astype({"unique_id": "str"})


def scaled_error(truth: Array, forecast: Array, std: Array) -> Array:
    """(N, P, C_t) forecast less truth in units of `std` (N, 1, C_t); NaN where no truth is known.

    A forecast that is no finite number, where one is known to be wrong, errs without bound: left
    out, it would make the other forecasts of its model count for all. So does every forecast where
    `std` is not finite: in its units all errors would be 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        error = (forecast - truth) / std
    is_sound = np.isfinite(error) & np.isfinite(std)
    return np.where(np.isnan(truth) | is_sound, error, np.inf)
