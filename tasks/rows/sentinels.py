"""Numbers of a contract's columns that cannot be measurements, series by series.

`informer.data.sentinels` has the rule. A contract's bounds go before it: where a column has a least
number, none is looked for below; a column with both bounds is searched only for values with which
no deviation can be computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.data import find_sentinels, is_code
from informer.errors import FrameError
from tasks.rows.contract import ColumnContract, Contract, out_of_range, readable_numbers

__all__ = ["ColumnSentinels", "missing_by_contract", "refuse_sentinels", "sentinels_of"]

SHOWN_SERIES = 3


@dataclass(frozen=True, eq=False)
class ColumnSentinels:
    """What was found in one column.

    Attributes:
        mask: the values that cannot be measurements, by the label of their row.
        overflowing: those of them that no contract can keep.
        underflows: whether the values of a series differ by too little for a deviation.
        reasons: what was found, as a sentence without its full stop, by series.
    """

    mask: pd.Series[bool]
    overflowing: pd.Series[bool]
    underflows: bool
    reasons: dict[str, str]

    @property
    def reason(self) -> str:
        """What was found, in the first series that have any; empty where none was."""
        shown = [
            f"{text} (series {name!r})" if name else text
            for name, text in list(self.reasons.items())[:SHOWN_SERIES]
        ]
        more = len(self.reasons) - len(shown)
        return "; ".join(shown) + (f"; and in {more} more series" if more > 0 else "")


def sentinels_of(
    values: pd.Series[float],
    series: pd.Series[str] | None,
    minimum: float | None,
    maximum: float | None,
) -> ColumnSentinels:
    """Find what cannot be a measurement in one column of numbers.

    Args:
        values: the numbers as read, NaN where there is none.
        series: whose they are, by the same labels; None where there is one series.
        minimum: least number of the contract; below it nothing is looked for.
        maximum: greatest number of the contract; above it nothing is looked for.
    """
    numbers = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        outside = out_of_range(values, minimum, maximum).to_numpy(dtype=np.bool_)
    numbers = np.where(outside, np.nan, numbers)
    mask, overflowing = np.zeros((2, len(numbers)), dtype=np.bool_)
    reasons: dict[str, str] = {}
    underflows, is_bounded = False, minimum is not None and maximum is not None
    for name, rows in _by_series(series, len(numbers)):
        found = find_sentinels(numbers[rows])
        overflowing[rows] = found.overflowing
        mask[rows] = found.overflowing if is_bounded else found.mask
        underflows |= found.underflows and not is_bounded
        if found and not is_bounded:
            reasons[name] = found.reason
        elif found.overflowing.any():
            reasons[name] = find_sentinels(np.where(mask[rows], numbers[rows], np.nan)).reason
    if series is not None and not is_bounded:
        for name, rows, reason in _coded_series(series, np.where(mask, np.nan, numbers)):
            mask[rows], reasons[name] = True, reason
    return ColumnSentinels(
        mask=pd.Series(mask, index=values.index),
        overflowing=pd.Series(overflowing, index=values.index),
        underflows=underflows,
        reasons=reasons,
    )


def _by_series(
    series: pd.Series[str] | None, n_rows: int
) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """The name of each series and the places of its rows; one without a name where there is one."""
    if series is None:
        return [("", np.arange(n_rows))]
    codes, names = pd.factorize(series.astype("str"), use_na_sentinel=False)
    order = np.argsort(codes, kind="stable")
    places = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    return [(str(name), rows) for name, rows in zip(names, places, strict=True)]


def _coded_series(
    series: pd.Series[str], numbers: npt.NDArray[np.float64]
) -> list[tuple[str, npt.NDArray[np.int64], str]]:
    """Series of nothing but one code, which no other series comes near."""
    parts = _by_series(series, len(numbers))
    coded, rest = [], []
    for name, rows in parts:
        there = numbers[rows][~np.isnan(numbers[rows])]
        if not len(there):
            continue
        constant = bool(there[0] == there.min() == there.max()) and bool(is_code(there[:1])[0])
        if constant:
            coded.append((name, rows[~np.isnan(numbers[rows])], float(there[0])))
        else:
            rest.append((there.min(), there.max()))
    if not rest:
        return []
    low, high = min(low for low, _ in rest), max(high for _, high in rest)
    return [
        (
            name,
            rows,
            f"{value:.10g} ({len(rows):,} times) cannot be measurements: the series holds nothing "
            f"else, and the others lie within {low:.6g} to {high:.6g}",
        )
        for name, rows, value in coded
        if (value < 0 and value < low - (high - low)) or (value > 1e15 and value > 2 * high)
    ]


def missing_by_contract(
    frame: pd.DataFrame, contract: Contract, id_column: str | None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Blank the values that the contract treats as missing.

    Args:
        frame: rows that passed the contract.
        contract: says of which columns (`outliers: missing`, `sentinels: missing`).
        id_column: column of series names; None where there is one series.

    Returns:
        A frame with those values missing, and how many there were in each such column.
    """
    cleaned = frame.copy()
    counts = {}
    series = None if id_column is None or id_column not in frame else frame[id_column]
    for name, column in contract.columns.items():
        if name not in cleaned or "missing" not in (column.outliers, column.sentinels):
            continue
        blank = _blank(readable_numbers(cleaned[name]), series, column)
        cleaned[name] = cleaned[name].mask(blank)
        counts[name] = int(blank.sum())
    return cleaned, counts


def _blank(
    numbers: pd.Series[float], series: pd.Series[str] | None, column: ColumnContract
) -> pd.Series[bool]:
    blank = pd.Series(False, index=numbers.index)
    if column.outliers == "missing":
        blank |= out_of_range(numbers, column.min, column.max)
    if column.sentinels == "missing":
        blank |= sentinels_of(numbers, series, column.min, column.max).mask
    return blank


def refuse_sentinels(
    rows: pd.DataFrame, frame: FrameConfig, contract: Contract | None = None
) -> None:
    """Refuse rows with values that cannot be measurements, where no contract was checked before.

    Args:
        rows: regular rows.
        frame: which of their columns are read.
        contract: of the rows, whose bounds and words (`sentinels: keep`) hold; None: there is none.

    Raises:
        FrameError: there is such a value; the message names it, its column and its time.
    """
    series = None if frame.id_column is None else rows[frame.id_column]
    for name in frame.channels:
        column = None if contract is None else contract.columns.get(name)
        low, high = (None, None) if column is None else (column.min, column.max)
        found = sentinels_of(rows[name], series, low, high)
        is_kept = column is not None and column.sentinels == "keep"
        wild = found.overflowing if is_kept else found.mask
        if wild.any() or (found.underflows and not is_kept):
            first = f", first at {rows.loc[wild, frame.time_column].iloc[0]}" if wild.any() else ""
            raise FrameError(
                f"column {name!r}: {found.reason}{first}. Correct these values, or leave their "
                "cells empty."
            )
