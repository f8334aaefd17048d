"""Which targets a new model makes worse by more than a share, beyond chance.

Of thousands of targets some are always worse by chance. Each is tested by itself, and the tests
together are held to a false-discovery rate (Benjamini & Hochberg 1995), so that the number of
targets decides nothing. What many targets share is tested by group: all targets of a series, and
one column of all series.

G groups   B blocks   K cutoffs
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.evaluation.windows import Pairs

__all__ = ["Harmed", "false_discovery", "find_harmed"]

MIN_BLOCKS = 4

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Harmed:
    """A target, or a group of targets, that would get worse.

    Attributes:
        group: `target`, `series` (all targets of a series) or `column` (one column of all series).
        name: which of them.
        new: pooled loss of the new model.
        old: pooled loss of the old one.
        p_value: how likely so much harm is, were it within the share; NaN where nothing was tested.
    """

    group: str
    name: str
    new: float
    old: float
    p_value: float


def find_harmed(pairs: Pairs, max_harm: float, level: float | None) -> tuple[Harmed, ...]:
    """What the new model makes worse by more than a share, the worst first.

    Args:
        pairs: windows that both models forecast.
        max_harm: the share of the old loss by which a loss may be worse.
        level: false-discovery rate of each kind of group together; None: the pooled losses decide,
            and no test is made.
    """
    kinds = _kinds(pairs.windows)
    found: list[Harmed] = []
    for kind, column in kinds.items():
        codes, names = pd.factorize(column)
        new, old = _pooled(pairs, codes, len(names))
        is_worse = new > (1 + max_harm) * old
        p_values = np.full(len(names), np.nan)
        if level is not None:
            p_values = _p_values(pairs, codes, len(names), max_harm)
            is_worse &= false_discovery(p_values, level / len(kinds))
        found += [
            Harmed(kind, str(names[int(i)]), float(new[i]), float(old[i]), float(p_values[i]))
            for i in np.flatnonzero(is_worse)
        ]
    return tuple(sorted(found, key=_share, reverse=True))


def _kinds(windows: pd.DataFrame) -> dict[str, pd.Series[str]]:
    """The kinds of groups that differ from one another."""
    kinds = {"target": windows["unique_id"]}
    if windows["series"].nunique() > 1 and windows["target"].nunique() > 1:
        kinds |= {"series": windows["series"], "column": windows["target"]}
    return kinds


def _pooled(pairs: Pairs, codes: npt.NDArray[np.int64], n_groups: int) -> tuple[Array, Array]:
    """(G,) the pooled loss of either model in each group."""
    total = np.bincount(codes, pairs.n, minlength=n_groups)
    new, old = (
        np.bincount(codes, pairs.n * loss, minlength=n_groups) / total
        for loss in (pairs.new, pairs.old)
    )
    return new, old


def _p_values(pairs: Pairs, codes: npt.NDArray[np.int64], n_groups: int, max_harm: float) -> Array:
    """(G,) of the test that the loss is worse by no more than the share; 1 where none can be made.

    The excess over the share is averaged in blocks of neighbouring cutoffs, which are long enough
    that the horizons of two blocks hardly overlap; the means of the blocks are held against
    Student's t. A block weighs by its observed values.
    """
    from scipy.stats import t as student  # which takes a while to import

    length = 2 * pairs.overlap + 1
    block = pairs.cutoff // length
    n_blocks = int(block.max()) + 1
    excess = pairs.n * (pairs.new - (1 + max_harm) * pairs.old)
    place = codes * n_blocks + block
    sums, weights = (
        np.bincount(place, values, minlength=n_groups * n_blocks).reshape(n_groups, n_blocks)
        for values in (excess, pairs.n)
    )
    used = weights > 0
    count = used.sum(axis=1)  # (G,)
    p_values = np.ones(n_groups)
    enough = count >= MIN_BLOCKS
    if not enough.any():
        return p_values
    sums, weights, used, count = sums[enough], weights[enough], used[enough], count[enough]
    size = weights.sum(axis=1) / count
    means = np.where(used, sums / size[:, None], 0.0)  # (G, B) their mean is the pooled excess
    centre = means.sum(axis=1) / count
    # The residual of a ratio: a block that is heavier by itself is no evidence.
    rest = np.where(used, means - weights / size[:, None] * centre[:, None], 0.0)
    error = np.sqrt((rest**2).sum(axis=1) / (count - 1) / count)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(error > 0, centre / error, np.where(centre > 0, np.inf, -np.inf))
    p_values[enough] = student.sf(statistic, count - 1)
    return p_values


def false_discovery(p_values: Array, level: float) -> npt.NDArray[np.bool_]:
    """(G,) which of the hypotheses are rejected, so that of these a share `level` is wrong at most.

    Benjamini & Hochberg (1995), the step-up procedure.
    """
    order = np.argsort(p_values, kind="stable")
    bar = level * np.arange(1, len(p_values) + 1) / len(p_values)
    below = np.flatnonzero(p_values[order] <= bar)
    rejected = np.zeros(len(p_values), dtype=np.bool_)
    if len(below):
        rejected[order[: below[-1] + 1]] = True
    return rejected


def _share(one: Harmed) -> float:
    return one.new / one.old if one.old > 0 else np.inf
