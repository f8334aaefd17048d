"""What a rolling evaluation keeps of each origin: the loss there, and how far the forecast moved.

N windows   P pred_len   C_t targets   S series
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.data import Panel
from informer.errors import EvidenceError
from informer.evaluation.comparison import overlapping

__all__ = ["OriginLog", "paired_losses"]

LOSSES = ("mse", "mae")

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class OriginLog:
    """Takes in windows part by part, so that no more than one part of the forecasts is held.

    Args:
        panel: regular series in the data's units.
        std: (C_t,) what errors are in units of.
        stride: steps between two origins whose forecasts of the same times are compared.
        names: the `unique_id` of every series and target.
    """

    def __init__(self, panel: Panel, std: Array, stride: int, names: list[list[str]]) -> None:
        self._panel, self._std, self._stride, self._names = panel, std, stride, names
        self._losses: list[pd.DataFrame] = []
        self._moved = np.zeros((len(panel.ids), len(std)))  # (S, C_t)
        self._count = np.zeros(len(panel.ids), dtype=np.int64)  # (S,)
        self._last: tuple[Rows, Array] | None = None

    def add(self, first: Rows, truth: Array, forecast: Array) -> None:
        """Take in windows that follow those taken in before.

        Args:
            first: (N,) rows of the panel that are the first forecast step.
            truth: (N, P, C_t) in the data's units, NaN where not observed.
            forecast: (N, P, C_t) in the data's units.
        """
        error = (forecast - truth) / self._std
        n = (~np.isnan(error)).sum(axis=(1, 2))  # (N,)
        totals = (np.nansum(error**2, axis=(1, 2)), np.nansum(np.abs(error), axis=(1, 2)))
        with np.errstate(invalid="ignore"):
            means = dict(zip(LOSSES, (total / n for total in totals), strict=True))
        places = {"series": self._panel.series_of(first), "step": self._panel.steps[first - 1]}
        self._losses.append(pd.DataFrame(places | {"n": n} | means))
        self._add_churn(first, forecast)

    def _add_churn(self, first: Rows, forecast: Array) -> None:
        last, self._last = self._last, (first[-1:], forecast[-1:])
        if last is not None:
            first = np.concatenate([last[0], first])
            forecast = np.concatenate([last[1], forecast])
        series, n_shared = self._panel.series_of(first), forecast.shape[1] - self._stride
        follows = (np.diff(first) == self._stride) & (np.diff(series) == 0)
        pairs = np.flatnonzero(follows)
        if n_shared < 1 or not len(pairs):
            return
        moved = np.abs(forecast[pairs, self._stride :] - forecast[pairs + 1, :n_shared]) / self._std
        np.add.at(self._moved, series[pairs], moved.sum(axis=1))
        np.add.at(self._count, series[pairs], n_shared)

    def losses(self) -> pd.DataFrame:
        """One row a window: series, step (of the cutoff on the panel's grid), cutoff, n, mse, mae.

        The errors are means over the n observed values of the window's steps and targets, scaled.
        """
        table = pd.concat(self._losses, ignore_index=True)
        table.insert(2, "cutoff", self._panel.grid[table["step"].to_numpy()])
        return table

    def churn(self) -> pd.DataFrame:
        """unique_id, n, churn: the mean absolute change of n forecasts of the same time, scaled.

        NaN where no two horizons of neighbouring origins share a time.
        """
        n = np.repeat(self._count, len(self._std))
        mean = np.full(len(n), np.nan)
        np.divide(self._moved.ravel(), n, out=mean, where=n > 0)
        names = np.array(self._names, dtype=object).ravel()
        table = pd.DataFrame({"unique_id": names, "n": n, "churn": mean})
        return table.astype({"unique_id": "str"})


def paired_losses(
    losses: pd.DataFrame, new: str, old: str, metric: str, n_steps: int
) -> tuple[Array, Array, int]:
    """The losses of two models by cutoff, over the windows that both forecast.

    Args:
        losses: the rows of `OriginLog.losses` of each model, with its name in the column model.
        new: name of the one.
        old: name of the other.
        metric: mse or mae.
        n_steps: length of the horizon.

    Returns:
        (N,) the loss of each at every cutoff, series averaged, in the order of time, and how many
        later cutoffs have a horizon that overlaps one's own.

    Raises:
        EvidenceError: they forecast no window in common.
    """
    own, other = (
        losses[(losses["model"] == model) & (losses["n"] > 0)].set_index(["series", "step"])[metric]
        for model in (new, old)
    )
    pairs = pd.concat([own, other], axis=1, join="inner", keys=["new", "old"])
    if pairs.empty:
        raise EvidenceError(f"{new} and {old} forecast no window in common. Supply more test rows.")
    by_cutoff = pairs.groupby("step").mean().sort_index()
    overlap = overlapping(by_cutoff.index.to_numpy(), n_steps)
    return by_cutoff["new"].to_numpy(), by_cutoff["old"].to_numpy(), overlap
