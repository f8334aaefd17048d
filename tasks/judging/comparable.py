"""Whether two models forecast the same thing, and from which rows each of them does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from informer.config import ForecasterConfig
from informer.data import for_regular, regular_panel
from informer.errors import FrameError
from informer.forecaster import Forecaster
from informer.frequency import pandas_offset
from tasks.rows import regular_rows

__all__ = ["Compared", "difference", "made_comparable"]


@dataclass(frozen=True)
class Compared:
    """A model made ready to forecast the windows of another one.

    Attributes:
        forecaster: the model, which reads the columns of times and ids under their names of today.
        rows: the regular rows that it forecasts from; None: the same as the other model.
        reason: why it cannot be compared; empty where it can.
    """

    forecaster: Forecaster
    rows: pd.DataFrame | None = None
    reason: str = ""


def made_comparable(
    served: Forecaster, new: ForecasterConfig, raw_path: Path, contract_path: Path
) -> Compared:
    """Let a model forecast what another one does, from rows of its own where it reads others.

    What counts is what is forecast: the same targets, at the same step, equally far. Which columns
    a model reads, which gaps it fills and whose clock it goes by is its own affair: its rows are
    made from the same snapshot by its own rules.

    Args:
        served: the model that serves.
        new: what the other one was fitted with.
        raw_path: snapshot of what was read.
        contract_path: the contract, which says what counts as missing.
    """
    reason = difference(served.config, new)
    if reason:
        return Compared(served, reason=reason)
    old, now = served.config.frame, new.frame
    if for_regular(old).layout == for_regular(now).layout:
        return Compared(served)
    frame = replace(for_regular(old), time_column=now.time_column, id_column=now.id_column)
    renamed = replace(served, config=replace(served.config, frame=frame))
    written = replace(
        frame, naive=now.naive, time_format=now.time_format, time_zone=now.time_zone
    )  # how times are written is the data's affair
    try:
        rows = regular_rows(raw_path, contract_path, written)
        regular_panel(rows, frame, on_gap="split")
    except FrameError as error:
        return Compared(served, reason=f"it cannot read today's rows: {str(error).rstrip('.')}")
    return Compared(renamed, rows)


def difference(served: ForecasterConfig, new: ForecasterConfig) -> str:
    """Why two forecasters do not forecast the same thing; empty where they do."""
    old, now = served.frame, new.frame
    if set(old.targets) != set(now.targets):
        return f"it forecasts {', '.join(old.targets)}, not {', '.join(now.targets)}"
    if (old.id_column is None) != (now.id_column is None):
        one, many = "a single series", "series by their ids"
        return f"it forecasts {one}, not {many}" if old.id_column is None else (
            f"it forecasts {many}, not {one}"
        )  # fmt: skip
    if pandas_offset(old.freq) != pandas_offset(now.freq):
        return f"its step is {old.freq}, not {now.freq}"
    if served.model.pred_len != new.model.pred_len:
        return f"its horizon is {served.model.pred_len} steps, not {new.model.pred_len}"
    return ""
