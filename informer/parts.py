"""The rows that a fit sees: scaled, and cut into train and validation windows.

S series   C channels   L look_back   P pred_len   N windows
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
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
    frame: pd.DataFrame | Panel, config: ForecasterConfig, look_back: int
) -> FittedRows:
    """Train and validation windows of a frame, or of the panel made of it.

    Args:
        frame: long frame, or a panel, whose values have been checked.
        config: of the forecaster; the last `config.val` validates.
        look_back: L, rows of history that a window has before its origin.

    Raises:
        FrameError: the frame breaks the structural contract, holds values that cannot be
            measurements, or is too short for a window.
        ConfigError: `config.val` leaves no train or no validation rows.
    """
    panel = frame if isinstance(frame, Panel) else _checked(frame, config)
    boundary = tail_start(config.val, panel.grid[0], panel.grid[-1], config.frame)
    sizes, training = (look_back, config.model.pred_len), config.training
    origins = _origins(panel, (None, boundary), *sizes, training.max_windows)
    later = _origins(panel, (boundary, None), *sizes, training.max_val_windows)
    scales = fit_scales(panel, boundary, config.frame, look_back)
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
            reason = _impossible(values, column, config)
            if reason:
                found[name] = reason
                break
    if not found:
        return panel
    if len(found) == len(panel.ids):
        name, reason = next(iter(found.items()))
        error = FrameError(
            f"{f'series {name!r}' if name else 'the frame'} {reason}. Replace such values with "
            "empty cells, or correct them."
        )
        error.left_out = found
        raise error
    assert config.frame.id_column is not None
    rest = frame[~as_names(frame[config.frame.id_column]).isin(list(found))]
    kept = regular_panel(rest, config.frame)
    return replace(kept, left_out={**panel.left_out, **kept.left_out, **found})


def _impossible(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], column: str, config: ForecasterConfig
) -> str:
    """What is wrong with the observed values of a column of a series; empty where nothing is."""
    found = find_sentinels(values)
    if found:
        return f"has impossible values: in column {column!r}, {found.reason}"
    frame = config.frame
    low, high = frame.min, frame.max
    if column in frame.targets and low is not None and (values < low).any():
        return f"holds {values.min():g} in column {column!r}, below frame.min={low:g}"
    if column in frame.targets and high is not None and (values > high).any():
        return f"holds {values.max():g} in column {column!r}, above frame.max={high:g}"
    return ""


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
