"""The columns of a frame as they are written: names of series, and numbers of any type.

S series   T rows
"""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Real

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.config import FrameConfig
from informer.errors import FrameError

__all__ = ["SINGLE_SERIES", "as_names", "as_numbers", "check_columns", "numbers", "series_codes"]

SINGLE_SERIES = ""
EXACT = 2.0**53  # from here on a float64 does not tell one whole number from the next


def check_columns(frame: pd.DataFrame, config: FrameConfig) -> None:
    """Make sure that a frame has rows, and each configured column once.

    Raises:
        FrameError: a column is missing or is there twice; there is no row.
    """
    wanted = [config.time_column, *config.columns]
    wanted += [] if config.id_column is None else [config.id_column]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise FrameError(
            f"the frame lacks the columns {missing}; it has {[str(c) for c in frame.columns]}. "
            "Correct the names under frame: in the configuration."
        )
    twice = [name for name in wanted if (frame.columns == name).sum() > 1]
    if twice:
        raise FrameError(
            f"the frame has {(frame.columns == twice[0]).sum()} columns named {twice[0]!r}. "
            "Rename or drop all but one of them."
        )
    if frame.empty:
        raise FrameError("the frame has no rows; at least one window of history is needed.")


def as_names(column: pd.Series) -> pd.Series[str]:
    """(T,) the names of series as text, missing where the column holds nothing.

    Text stays as it is written. A whole number becomes its digits, also where pandas has made it a
    float because other rows were empty.

    Raises:
        FrameError: a value has no certain spelling as a name, such as 1.5, or two values have the
            same one, such as the number 7 and the text "7".
    """
    codes, names = _coded_names(column)
    values = np.array([*names, None], dtype=object)[codes]  # code -1: the last one
    return pd.Series(values, index=column.index, name=column.name, dtype="str")


def _coded_names(column: pd.Series) -> tuple[npt.NDArray[np.int64], list[str]]:
    """(T,) the place of each row's name among the names, -1 where there is none; the names."""
    try:
        codes, found = pd.factorize(column)
    except TypeError as error:
        raise FrameError(
            f"column {column.name!r} must hold the names of series ({error}). Write them as text."
        ) from error
    kind = found.dtype
    if pd.api.types.is_datetime64_any_dtype(kind) or isinstance(kind, pd.PeriodDtype):
        names = pd.Series(found).astype("str").tolist()
    else:
        names = [_name(value, column.name) for value in found]
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise FrameError(
            f"column {column.name!r} holds {doubled!r} in two forms, such as a number and a text. "
            "Write all names of series as text."
        )
    return codes.astype(np.int64), names


def _name(value: object, column: object) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FrameError(
                f"column {column!r} holds the bytes {value!r}, which are not UTF-8. Write the "
                "names of series as text."
            ) from error
    if isinstance(value, float | np.floating):
        if not float(value).is_integer() or abs(float(value)) >= EXACT:
            raise FrameError(
                f"column {column!r} names a series by the number {value!r}, which can be written "
                "in several ways. Write the names of series as text."
            )
        return str(int(value))
    return str(value)


def series_codes(
    frame: pd.DataFrame, config: FrameConfig
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """(T,) the series of each row, as its place among the S names; the names in their order.

    Raises:
        FrameError: a row has no name, or as `as_names`.
    """
    if config.id_column is None:
        return np.zeros(len(frame), dtype=np.int64), (SINGLE_SERIES,)
    codes, names = _coded_names(frame[config.id_column])
    nameless = codes < 0
    if "" in names:
        nameless |= codes == names.index("")
    if nameless.any():
        raise FrameError(
            f"column {config.id_column!r} has no series name in row "
            f"{int(np.flatnonzero(nameless)[0])}. Name the series or drop the row."
        )
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return place[codes], tuple(names[i] for i in order)


def as_numbers(column: pd.Series) -> npt.NDArray[np.float64] | None:
    """(T,) a column of numbers of any type, NaN where one is missing; None: it holds others too.

    Numbers are integers, floats, booleans and decimals, nullable or not, also as objects and as
    categories. Text that spells a number is text.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        found = as_numbers(pd.Series(column.cat.categories))
        return None if found is None else np.append(found, np.nan)[column.cat.codes.to_numpy()]
    if pd.api.types.is_complex_dtype(column):
        return None
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = column.isna().to_numpy()
    if not missing.all():
        if column.dtype != object:
            return None
        kinds = {type(value) for value in column[~missing]}
        if not all(issubclass(kind, Real | Decimal | np.bool_) for kind in kinds):
            return None
    values = np.full(len(column), np.nan)
    values[~missing] = [_float(value) for value in column[~missing]]
    return values


def _float(value: Real | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond the floats
        return math.inf


def numbers(frame: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """(T,) the numbers of a column, NaN where one is missing.

    Raises:
        FrameError: it holds something else than numbers.
    """
    column = frame[name]
    values = as_numbers(column)
    if values is None:
        raise FrameError(_no_numbers(column))
    return values


def _no_numbers(column: pd.Series) -> str:
    """What stands in a column in the place of numbers, and the mend."""
    there = column.dropna()
    texts = there[[isinstance(value, str) for value in there]]
    bad = texts[pd.to_numeric(texts, errors="coerce").isna()]
    if len(texts) and bad.empty:
        return (
            f"column {column.name!r} must hold numbers, but it holds numbers written as text, "
            f"such as {texts.iloc[0]!r} in row {texts.index[0]}. Convert it with pandas.to_numeric."
        )
    told = bad if len(bad) else there
    return (
        f"column {column.name!r} must hold numbers, but it has type {column.dtype}: "
        f"{len(told)} of {len(column)} values are no numbers, such as {told.iloc[0]!r} in row "
        f"{told.index[0]}. Correct or empty these values and write decimals with a point, or drop "
        "the column: leave it out of frame.columns."
    )
