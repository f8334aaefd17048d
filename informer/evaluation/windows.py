"""One table of windows, from which every comparison of models follows.

A row is one model's forecast of one target from one cutoff: model, unique_id, series, target, step
(the cutoff's place on the grid), cutoff, n, mse, mae. The losses are means over the n steps whose
truth was observed. Each observed value weighs the same in everything that is derived from the
table: in the pooled error, by cutoff, by target and in the tests against chance.

N windows   K cutoffs   G groups
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.errors import EvidenceError
from informer.evaluation.comparison import overlapping

__all__ = ["LOSSES", "Pairs", "on_common_windows", "paired", "pooled"]

LOSSES = ("mse", "mae")

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def pooled(windows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The losses over everything but `by`.

    Args:
        windows: the table of windows, or part of it.
        by: columns whose groups are kept apart, in the order of their first rows.

    Returns:
        The columns of `by`, n (observed values), mse and mae; NaN where nothing was observed.
    """
    seen = _judged(windows)
    sums = seen[list(LOSSES)].mul(seen["n"], axis=0).assign(n=seen["n"])
    totals = sums.groupby([seen[name] for name in by], sort=False, observed=True).sum()
    means = totals[list(LOSSES)].div(totals["n"], axis=0)
    means.insert(0, "n", totals["n"])
    return means.reset_index()


def on_common_windows(
    windows: pd.DataFrame, models: Sequence[str], metric: str
) -> dict[str, float]:
    """The pooled loss of each model on the windows that all of them forecast.

    Args:
        windows: the table of windows.
        models: names of the models; a loss that is not finite makes the model's infinite.
        metric: mse or mae.

    Raises:
        EvidenceError: no window was forecast by all of them.
    """
    seen = _judged(windows[windows["model"].isin(models)])
    n_models = seen.groupby(["unique_id", "step"], observed=True)["model"].transform("size")
    table = pooled(seen[n_models == len(models)], ["model"]).set_index("model")
    if table.empty:
        raise EvidenceError(
            f"{', '.join(models)} forecast no window in common. Supply more test rows."
        )
    return {name: float(table[metric][name]) for name in models}


def _judged(windows: pd.DataFrame) -> pd.DataFrame:
    """The windows of which something was observed; a loss of them that is NaN is infinite.

    A sum would leave it out, so that a model without a number would win by the windows it lacks.
    """
    seen = windows[windows["n"] > 0]
    return seen.assign(**{name: seen[name].fillna(np.inf) for name in LOSSES if name in seen})


@dataclass(frozen=True)
class Pairs:
    """The windows that two models both forecast, with the loss of each.

    Attributes:
        windows: unique_id, series, target and cutoff of each, (N,).
        cutoff: (N,) the number of each window's cutoff, from 0, in the order of time.
        n: (N,) observed values.
        new: (N,) loss of the one model.
        old: (N,) loss of the other.
        overlap: how many later cutoffs have a horizon that shares a step with one's own.
    """

    windows: pd.DataFrame
    cutoff: Codes
    n: Array
    new: Array
    old: Array
    overlap: int

    @property
    def n_cutoffs(self) -> int:
        """K, how many cutoffs there are."""
        return int(self.cutoff.max()) + 1

    @property
    def errors(self) -> tuple[float, float]:
        """The pooled loss of each model, on these windows alone."""
        total = self.n.sum()
        return float(self.n @ self.new / total), float(self.n @ self.old / total)

    def by_cutoff(self) -> tuple[Array, Array]:
        """(K,) what each cutoff adds to either model's pooled loss; its mean is that loss.

        A cutoff with more observed values weighs more, as it does in the pooled loss.
        """
        scale = self.n_cutoffs / self.n.sum()
        new, old = (
            scale * np.bincount(self.cutoff, self.n * loss, minlength=self.n_cutoffs)
            for loss in (self.new, self.old)
        )
        return new, old


def paired(windows: pd.DataFrame, new: str, old: str, metric: str, n_steps: int) -> Pairs:
    """The windows that two models both forecast.

    Args:
        windows: the table of windows.
        new: name of the one model.
        old: name of the other.
        metric: mse or mae.
        n_steps: length of the horizon.

    Raises:
        EvidenceError: they forecast no window in common.
    """
    keys = ["unique_id", "step"]
    own, other = (_judged(windows[windows["model"] == model]) for model in (new, old))
    shown = [*keys, "series", "target", "cutoff", "n", metric]
    both = own[shown].merge(other[[*keys, metric]], on=keys, suffixes=("_new", "_old"))
    if both.empty:
        raise EvidenceError(f"{new} and {old} forecast no window in common. Supply more test rows.")
    steps, cutoff = np.unique(both["step"].to_numpy(), return_inverse=True)
    return Pairs(
        windows=both[["unique_id", "series", "target", "cutoff"]],
        cutoff=cutoff,
        n=both["n"].to_numpy(dtype=np.float64),
        new=both[f"{metric}_new"].to_numpy(),
        old=both[f"{metric}_old"].to_numpy(),
        overlap=overlapping(steps, n_steps),
    )
