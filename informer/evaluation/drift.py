"""How far the rows of late lie from the rows that a model was trained on, channel by channel.

Three statistics of two samples: the population stability index and the relative entropy, both on
bins that hold a tenth of the reference each, and the Kolmogorov-Smirnov distance. None comes with
a p-value: rows of a time series depend on the rows before them and follow seasons, so tests made
for independent draws call every week of every year significant. A limit is put on the statistic
itself instead, and beside it stands what is `usual`: what the same statistic says of stretches of
the reference against the rest of the reference. A season that the reference holds is usual then; a
level that it never had is not. A season that it does not hold cannot be told from drift.

T rows of a series   n values   K bins
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig

__all__ = [
    "STATISTICS",
    "Bins",
    "channel_values",
    "drift_table",
    "kl",
    "ks",
    "psi",
    "smoothed",
    "usual",
]

STATISTICS = ("psi", "ks", "kl")
DECILES = np.arange(0.1, 0.95, 0.1)
HALF = 0.5  # count that an empty bin is taken to hold: Krichevsky & Trofimov (1981)
USUAL_LEVEL = 0.95
STRIDES = 4  # windows that begin within the length of one
MAX_WINDOWS = 400

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bins:
    """Bins of a channel, a tenth of the reference in each, the outer ones open.

    A value that several deciles share, such as the zero of a rainfall, has a bin of its own.

    Attributes:
        edges: (K - 1,) rising; a bin holds its lower edge and not its upper one.
        counts: (K,) values of the reference.
    """

    edges: Array
    counts: Counts

    @classmethod
    def of(cls, reference: npt.ArrayLike) -> Bins:
        """The bins of a reference, (T,) with NaN for what is missing.

        Raises:
            ValueError: no value is there.
        """
        values = _there(reference)
        if not len(values):
            raise ValueError("the reference has no value; leave the channel out")
        edges, n_equal = np.unique(np.quantile(values, DECILES, method="lower"), return_counts=True)
        # Every decile belongs to the tenth below it; one that repeats begins a bin as well.
        edges = np.union1d(np.nextafter(edges, np.inf), edges[n_equal > 1])
        return cls(edges, _counts(values, edges))

    def of_sample(self, sample: npt.ArrayLike) -> Counts:
        """(K,) how many values of a sample lie in each bin."""
        return _counts(_there(sample), self.edges)


def _there(values: npt.ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    return array[~np.isnan(array)]


def _counts(values: Array, edges: Array) -> Counts:
    places = np.searchsorted(edges, values, side="right")
    found: Counts = np.bincount(places, minlength=len(edges) + 1)
    return found


def smoothed(counts: Counts) -> Array:
    """(K,) shares of counts, half a count added to each, so that none is zero."""
    shares: Array = (counts + HALF) / (counts.sum() + HALF * len(counts))
    return shares


def psi(reference: Counts, sample: Counts) -> float:
    """Population stability index of two (K,) counts: sum of (p - q) ln(p / q), shares smoothed.

    Jeffreys' divergence (1946), in credit scoring since Lewis (1994); Siddiqi (2006) calls values
    up to 0.1 stable and from 0.25 on shifted.
    """
    p, q = smoothed(sample), smoothed(reference)
    return float(((p - q) * np.log(p / q)).sum())


def kl(reference: Counts, sample: Counts) -> float:
    """Relative entropy of a sample to the reference, of (K,) counts, in nats.

    Kullback & Leibler (1951): sum of p ln(p / q). Only the reference's shares q are smoothed.
    """
    p, q = sample / sample.sum(), smoothed(reference)
    there = p > 0
    return float((p[there] * np.log(p[there] / q[there])).sum())


def ks(reference: npt.ArrayLike, sample: npt.ArrayLike) -> float:
    """Kolmogorov-Smirnov statistic: the largest distance of two empirical distributions, 0 to 1.

    Args:
        reference: (T,) values, NaN where missing, at least one there.
        sample: likewise.
    """
    first, second = np.sort(_there(reference)), np.sort(_there(sample))
    values = np.concatenate([first, second])
    shares = [np.searchsorted(part, values, side="right") / len(part) for part in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def usual(reference: npt.ArrayLike, n_rows: int) -> dict[str, float]:
    """What the statistics say of stretches of the reference against the rest of it.

    Args:
        reference: (T,) values on a regular grid, in order, NaN where missing.
        n_rows: length of a stretch, that of the rows to be judged.

    Returns:
        Each statistic's 95 % quantile over the stretches; NaN where not two of them fit.
    """
    series = np.asarray(reference, dtype=np.float64)
    nothing = dict.fromkeys(STATISTICS, np.nan)
    if n_rows < 1 or len(series) < 2 * n_rows or np.isnan(series).all():
        return nothing
    found = pd.DataFrame(list(_stretches(series, n_rows)), columns=list(STATISTICS))
    if found.empty:
        return nothing
    return {name: float(found[name].quantile(USUAL_LEVEL)) for name in STATISTICS}


def _stretches(series: Array, n_rows: int) -> Iterator[tuple[float, float, float]]:
    """psi, ks and kl of each stretch against all other rows."""
    seen = ~np.isnan(series)
    bins = Bins.of(series)
    values, rank = np.unique(series[seen], return_inverse=True)
    place = np.full(len(series), -1)
    place[seen] = rank
    total = np.bincount(rank).cumsum()  # (distinct values,)
    stride = max(1, n_rows // STRIDES, len(series) // MAX_WINDOWS)
    for start in range(0, len(series) - n_rows + 1, stride):
        part = slice(start, start + n_rows)
        own = place[part][seen[part]]
        n_rest = len(rank) - len(own)
        if not len(own) or not n_rest:
            continue
        counts = bins.of_sample(series[part])
        rest = bins.counts - counts
        below = np.bincount(own, minlength=len(values)).cumsum()
        distance = np.abs(below / len(own) - (total - below) / n_rest).max()
        yield psi(rest, counts), float(distance), kl(rest, counts)


def drift_table(
    reference: pd.DataFrame, recent: pd.DataFrame, frame: FrameConfig, test: str, limit: float
) -> pd.DataFrame:
    """Compare every channel of every series.

    Args:
        reference: regular rows that the model was trained on, in order of time within a series.
        recent: regular rows of late.
        frame: which columns are what.
        test: the statistic that decides, of `STATISTICS`.
        limit: its value above which a channel has drifted, unless that is usual.

    Returns:
        One row a channel and series: channel (`series/channel` where the frame has an id column),
        n_reference and n_recent (values there), missing (share of the recent rows), psi, ks, kl,
        usual_psi, usual_ks, usual_kl, statistic, threshold (the larger of the limit and what is
        usual) and drifted. Statistics are NaN where either side holds no value.
    """
    before, now = (channel_values(rows, frame) for rows in (reference, recent))
    nothing = np.empty(0)
    records = [
        {"channel": name} | _compared(before.get(name, nothing), now.get(name, nothing))
        for name in now | before
    ]
    columns = ["channel", *_compared(nothing, nothing)]
    table = pd.DataFrame(records, columns=columns).astype({"channel": "str"})
    table["statistic"] = table[test]
    table["threshold"] = table[f"usual_{test}"].clip(lower=limit).fillna(limit)
    return table.assign(drifted=table["statistic"] > table["threshold"])


def channel_values(rows: pd.DataFrame, frame: FrameConfig) -> dict[str, Array]:
    """Every channel of every series by the name that `drift_table` gives it, NaN where missing."""
    found = {}
    for series, own in [("", rows)] if frame.id_column is None else rows.groupby(frame.id_column):
        for channel in frame.channels:
            name = channel if frame.id_column is None else f"{series}/{channel}"
            found[name] = own[channel].to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def _compared(reference: Array, recent: Array) -> dict[str, float]:
    n_reference, n_recent = len(_there(reference)), len(_there(recent))
    found = dict.fromkeys(STATISTICS, np.nan)
    if n_reference and n_recent:
        bins = Bins.of(reference)
        counts = bins.of_sample(recent)
        found = {
            "psi": psi(bins.counts, counts),
            "ks": ks(reference, recent),
            "kl": kl(bins.counts, counts),
        }
    normal = usual(reference, len(recent))
    return {
        "n_reference": n_reference,
        "n_recent": n_recent,
        "missing": 1 - n_recent / len(recent) if len(recent) else np.nan,
        **found,
        **{f"usual_{name}": value for name, value in normal.items()},
    }
