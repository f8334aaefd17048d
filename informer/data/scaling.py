"""The scale of each series of a panel: fitted on its train rows, or on its first look-back.

S series   C channels   T rows
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data.panel import Panel
from informer.data.scaler import Scales
from informer.data.sentinels import find_sentinels
from informer.errors import FrameError

__all__ = ["fit_scales", "scales_of", "unseen_series"]

CHUNK = 2**20  # rows that are looked at together

Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


def fit_scales(
    panel: Panel, until: pd.Timestamp | None, frame: FrameConfig, look_back: int
) -> Scales:
    """The scales of the rows before a time.

    With `frame.scale: series` each series has its own. One with less than `look_back` observed
    values there has none, and counts as unseen.

    Args:
        panel: regular series in the data's units.
        until: train rows are those before this time; None: all are.
        frame: which scale.
        look_back: rows that a forecast reads.

    Raises:
        FrameError: a channel has no observed value, or one that cannot be scaled.
    """
    robust = frame.scaler == "robust"
    n_log = len(frame.targets) if frame.transform == "log1p" else 0
    rows = panel.rows_between(None, until)
    if frame.scale == "global":
        return Scales.fit(lambda: _parts(panel, rows), robust=robust, n_log=n_log)
    ids, fitted = [], []
    for series, name in enumerate(panel.ids):
        first, last = np.searchsorted(panel.owner, [series, series + 1])
        own = rows[first:last]
        count = sum(panel.observed[part].sum(axis=0) for part in own)
        if len(panel.ids) > 1 and np.min(count) < look_back:
            continue
        ids.append(name)
        fitted.append(_fit(panel, own, name, robust=robust, n_log=n_log))
    if not fitted:
        raise FrameError(
            f"no series has {look_back} observed values of every column before {until}. Lengthen "
            "the train part, shorten seq_len, or supply more history."
        )
    return Scales.joined(ids, fitted)


def scales_of(scales: Scales, panel: Panel, look_back: int) -> Scales:
    """The scale of each series of a panel, (S, C).

    A series that none was fitted for takes the one of its first `look_back` rows, which lie before
    every forecast of it. A series that has no row in the panel takes none: its scale is NaN.
    """
    if not scales.ids:
        return scales.rows(np.zeros(len(panel.ids), dtype=np.int64))
    place = {name: number for number, name in enumerate(scales.ids)}
    unseen = [i for i, name in enumerate(panel.ids) if name not in place]
    if not unseen:
        return scales.rows(np.array([place[name] for name in panel.ids], dtype=np.int64))
    known = [name for name in panel.ids if name in place]
    parts = [scales.rows(np.array([place[name]], dtype=np.int64)) for name in known]
    parts += [_first_rows(panel, i, look_back, scales.n_log) for i in unseen]
    names = [*known, *(panel.ids[i] for i in unseen)]
    order = {name: number for number, name in enumerate(names)}
    table = Scales.joined(names, parts)
    return table.rows(np.array([order[name] for name in panel.ids], dtype=np.int64))


def unseen_series(scales: Scales, panel: Panel) -> tuple[str, ...]:
    """Series of a panel that no scale was fitted for."""
    known = set(scales.ids)
    return tuple(name for name in panel.ids if name not in known) if known else ()


def _fit(panel: Panel, rows: list[slice], name: str, *, robust: bool, n_log: int) -> Scales:
    try:
        return Scales.fit(lambda: _parts(panel, rows), robust=robust, n_log=n_log)
    except FrameError as error:
        if len(panel.ids) == 1:
            raise
        raise FrameError(f"series {name!r}: {error}") from error


def _first_rows(panel: Panel, series: int, look_back: int, n_log: int) -> Scales:
    """The scale of the first rows of a series; filled values count where there are no others.

    A series must not stop the others: values that cannot be measurements do not count, and a series
    that has no scale gets NaN, of which no forecast is given.
    """
    runs = [np.arange(part.start, part.stop) for part in panel.rows_of(series)]
    rows = np.concatenate([np.empty(0, dtype=np.int64), *runs])[:look_back]
    if not len(rows):
        return _unknown(panel.values.shape[1], n_log)
    values, observed = panel.values[rows], panel.observed[rows]
    seen = observed | ~observed.any(axis=0)
    for channel in range(values.shape[1]):
        held = values[:, channel].copy()
        held[~seen[:, channel]] = np.nan
        seen[:, channel] &= ~find_sentinels(held).mask
    if n_log:
        seen[:, -n_log:] &= values[:, -n_log:] > -1
    if not seen.any(axis=0).all():
        return _unknown(values.shape[1], n_log)
    values = np.where(seen, values, 0.0)
    return Scales.fit(lambda: [(values, seen)], n_log=n_log)


def _unknown(n_channels: int, n_log: int) -> Scales:
    names = ("center", "spread", "deviation", "low", "high")
    return Scales.from_arrays((), n_log, {n: np.full((1, n_channels), np.nan) for n in names})


def _parts(panel: Panel, rows: list[slice]) -> Iterator[Pair]:
    """Values and flags of rows, about `CHUNK` rows at a time."""
    held: list[slice] = []
    n_held = 0
    for whole in rows:
        for start in range(whole.start, whole.stop, CHUNK):
            part = slice(start, min(start + CHUNK, whole.stop))
            if n_held and n_held + part.stop - part.start > CHUNK:
                yield _joined(panel, held)
                held, n_held = [], 0
            held.append(part)
            n_held += part.stop - part.start
    yield _joined(panel, held)


def _joined(panel: Panel, parts: list[slice]) -> Pair:
    if not parts:
        return panel.values[:0], panel.observed[:0]
    values = np.concatenate([panel.values[part] for part in parts])
    return values, np.concatenate([panel.observed[part] for part in parts])
