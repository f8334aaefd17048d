"""The rows that a fit sees: scaled, and cut into train and validation windows.

S series   C channels   L look_back   P pred_len   N windows
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from informer.config import ForecasterConfig
from informer.data import (
    Panel,
    Scales,
    Windows,
    as_names,
    find_sentinels,
    fit_scales,
    regular_panel,
    scales_of,
    tail_start,
)
from informer.errors import FrameError

__all__ = ["FittedRows", "cut_windows", "fitted_rows"]


@dataclass(frozen=True)
class FittedRows:
    """What a model is fitted on.

    Attributes:
        ids: the S series.
        scales: of the train rows.
        train: windows to learn from.
        val: windows that stop the training and calibrate the intervals.
        left_out: series that have no train window, each with the reason.
    """

    ids: tuple[str, ...]
    scales: Scales
    train: Windows
    val: Windows
    left_out: dict[str, str]


def fitted_rows(
    frame: pd.DataFrame | Panel,
    config: ForecasterConfig,
    look_back: int,
    *,
    check_values: bool = True,
) -> FittedRows:
    """Train and validation windows of a frame, or of the panel made of it.

    Args:
        frame: long frame, or a panel, whose values have been checked.
        config: of the forecaster; the last `config.val` validates.
        look_back: L, rows of history that a window has before its origin.
        check_values: look in a frame for values that cannot be measurements.

    Raises:
        FrameError: the frame breaks the structural contract, holds values that cannot be
            measurements or that `frame.min` and `frame.max` exclude, or is too short for a window.
        ConfigError: `config.val` leaves no train or no validation rows.
    """
    if isinstance(frame, Panel):
        panel = frame
    else:
        panel = _checked(frame, config) if check_values else regular_panel(frame, config.frame)
    boundary = tail_start(config.val, panel.grid[0], panel.grid[-1], config.frame)
    sizes, training = (look_back, config.model.pred_len), config.training
    origins = _origins(panel, (None, boundary), *sizes, training.max_windows)
    later = _origins(panel, (boundary, None), *sizes, training.max_val_windows)
    scales = fit_scales(panel, boundary, config.frame, look_back)
    _check_bounds(scales, config)
    train = cut_windows(panel, scales_of(scales, panel, look_back), config, origins)
    left_out = {**panel.left_out, **_without_window(panel, boundary, *sizes)}
    return FittedRows(panel.ids, scales, train, replace(train, origins=later), left_out)


def cut_windows(panel: Panel, scales: Scales, config: ForecasterConfig, origins: Tensor) -> Windows:
    """The windows of a panel from `origins` (N,), by the `scales` of its series."""
    return panel.windows(
        scales,
        panel.marks(config.frame, config.model.embed),
        origins,
        seq_len=config.model.seq_len,
        label_len=config.model.label_len,
        pred_len=config.model.pred_len,
        n_targets=len(config.frame.targets),
    )


def _checked(frame: pd.DataFrame, config: ForecasterConfig) -> Panel:
    """The panel without series that hold what cannot be a measurement."""
    panel = regular_panel(frame, config.frame)
    found: dict[str, str] = {}
    for series, name in enumerate(panel.ids):
        rows = np.concatenate([np.arange(p.start, p.stop) for p in panel.rows_of(series)])
        for channel, column in enumerate(config.frame.channels):
            values = panel.values[rows, channel][panel.observed[rows, channel]]
            reason = _impossible(values, column)
            if reason:
                found[name] = reason
                break
    if not found:
        return panel
    if len(found) == len(panel.ids):
        name, reason = next(iter(found.items()))
        error = FrameError(
            f"{f'series {name!r}' if name else 'the frame'} {reason}. Replace such values with "
            "empty cells or correct them. If they are right, fit with check_values=False."
        )
        error.left_out = found
        raise error
    assert config.frame.id_column is not None
    rest = frame[~as_names(frame[config.frame.id_column]).isin(list(found))]
    kept = regular_panel(rest, config.frame)
    return replace(kept, left_out={**panel.left_out, **kept.left_out, **found})


def _impossible(values: npt.NDArray[np.float64], column: str) -> str:
    """What is wrong with the observed values of a column of a series; empty where nothing is."""
    found = find_sentinels(values)
    return f"has impossible values: in column {column!r}, {found.reason}" if found else ""


def _check_bounds(scales: Scales, config: ForecasterConfig) -> None:
    """Refuse train rows that `frame.min` and `frame.max` say are impossible."""
    frame = config.frame
    low, high = (part[:, -len(frame.targets) :] for part in (scales.low, scales.high))
    for bound, worst, is_out, where in (
        ("min", low, low < (-np.inf if frame.min is None else frame.min), "below"),
        ("max", high, high > (np.inf if frame.max is None else frame.max), "above"),
    ):
        for series, target in np.argwhere(is_out):
            name = scales.ids[series] if scales.ids else ""
            raise FrameError(
                f"column {frame.targets[target]!r}{f' of series {name!r}' if name else ''} holds "
                f"{worst[series, target]:g}, {where} frame.{bound}={getattr(frame, bound):g}. "
                f"Correct the data, or frame.{bound}."
            )


def _origins(
    panel: Panel,
    between: tuple[pd.Timestamp | None, pd.Timestamp | None],
    look_back: int,
    pred_len: int,
    at_most: int,
) -> Tensor:
    origins = panel.origins(between, look_back, pred_len, at_most=at_most)
    if not len(origins):
        lengths = np.diff(panel.bounds)
        longest = int(lengths.argmax())
        raise FrameError(
            f"series {panel.ids[panel.owner[longest]]!r}, the longest, has {lengths[longest]} "
            f"rows; from {between[0] or 'its start'} to {between[1] or 'its end'} they hold no "
            f"window of {look_back} + {pred_len} steps. Shorten "
            "seq_len, linear_look_back or pred_len, move the split, or supply more history."
        )
    return origins


def _without_window(
    panel: Panel, boundary: pd.Timestamp, look_back: int, pred_len: int
) -> dict[str, str]:
    """Series from which nothing can be learnt."""
    if len(panel.ids) == 1:
        return {}
    longest = np.zeros(len(panel.ids), dtype=np.int64)
    lengths = [part.stop - part.start for part in panel.rows_between(None, boundary)]
    np.maximum.at(longest, panel.owner, lengths)
    needed = look_back + pred_len
    return {
        panel.ids[i]: f"has {longest[i]} train rows without a long gap; a window needs {needed}"
        for i in np.flatnonzero(longest < needed)
    }
