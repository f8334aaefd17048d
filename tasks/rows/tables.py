"""Reading a file: its header as it stands, names as text, numbers as the contract spells them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from informer.data import as_names
from informer.errors import FrameError
from tasks.rows.layout import MISSING, Layout, number_pattern, plain_numbers
from tasks.settings import SourceError

__all__ = ["read_table"]

SEPARATORS = (";", "\t", "|")
TOLD = 3


def read_table(path: Path, layout: Layout) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Every row and column of a CSV or Parquet file.

    Args:
        path: ends in .parquet, or is CSV in UTF-8.
        layout: how its cells are written.

    Returns:
        The rows, and what a person should know of how they were read.

    Raises:
        SourceError: the file cannot be read, two columns have one name, a row has more cells than
            the header, or a number is spelled otherwise than `layout` says.
        FrameError: the column of series names holds what has no certain spelling.
    """
    is_parquet = path.suffix == ".parquet"
    try:
        rows, told = _parquet(path) if is_parquet else _csv(path, layout)
    except pd.errors.EmptyDataError as error:
        raise SourceError(f"{path} is empty. Supply a file with a header and rows.") from error
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        if isinstance(error, SourceError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"cannot read {path} as {'Parquet' if is_parquet else 'CSV'}: {reason}. Save it again "
            f"as CSV in UTF-8 with a header line, or as Parquet.{'' if is_parquet else _commas()}"
        ) from error
    for name in layout.texts:
        if name in rows:
            rows[name] = _text(rows[name], is_id=name == layout.id_column)
            told += _blanks(rows[name])
    if layout.is_told:
        for name in layout.numbers:
            if name in rows and pd.api.types.is_string_dtype(rows[name]):
                rows[name] = _numbers(rows[name], layout, path)
    return rows, tuple(told)


def _parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    _check_unique(pq.read_schema(path).names, path)
    rows = pd.read_parquet(path)
    named = any(name is not None for name in rows.index.names)
    return (rows.reset_index() if named else rows), []


def _csv(path: Path, layout: Layout) -> tuple[pd.DataFrame, list[str]]:
    separator = layout.format.separator
    header, told = _header(path, layout)
    kept = [name for name in header if name is not None]
    _check_unique(kept, path)
    names = [f"\0{i}" if name is None else name for i, name in enumerate(header)]
    as_text = {*layout.texts, *(layout.numbers if layout.is_told else ())}
    nothing = list(dict.fromkeys((*MISSING, *layout.format.missing)))
    rows = pd.read_csv(
        path,
        sep=separator,
        header=0,
        names=names,
        dtype={name: "str" for name in names if name in as_text},
        keep_default_na=False,
        na_values={name: [""] if name in layout.texts else nothing for name in names},
        low_memory=False,  # else a long column may be numbers here and texts there
    )
    if not isinstance(rows.index, pd.RangeIndex):
        raise SourceError(
            f"the rows of {path} have more cells than its header, which has {len(header)}. Correct "
            f"the header.{_commas()}"
        )
    return rows[kept], told


def _header(path: Path, layout: Layout) -> tuple[list[str | None], list[str]]:
    """The name of each column, None for one that is left out; and what was done about them."""
    first = pd.read_csv(
        path, sep=layout.format.separator, header=None, nrows=1, dtype="str", keep_default_na=False
    )
    written = [str(name) for name in first.iloc[0]]
    if len(written) == 1 and written[0] not in layout.names:
        other = next((mark for mark in SEPARATORS if mark in written[0]), None)
        if other is not None:
            shown = "\\t" if other == "\t" else other
            raise SourceError(
                f"the header of {path} is one column, {written[0]!r}. If its cells are separated "
                f"by {other!r}, add 'format: {{separator: \"{shown}\"}}' to the contract, or save "
                "the file with commas."
            )
    told: list[str] = []
    counts = Counter(name.strip() for name in written)
    names: list[str | None] = []
    for place, name in enumerate(written):
        bare = name.strip()
        number = f"Unnamed: {place}"  # as pandas has it
        if not bare:
            names.append(number if number in layout.names else None)
            if names[-1] is None:
                told.append(f"column {place + 1} of {path.name} has no name and is left out")
        elif bare != name and name not in layout.names and counts[bare] == 1:
            names.append(bare)
            told.append(f"column {name!r} of {path.name} is read as {bare!r}")
        else:
            names.append(name)
    return names, told


def _check_unique(names: list[str], path: Path) -> None:
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise SourceError(
            f"{path} has {count} columns named {name!r}. Rename or remove all but one of them."
        )


def _commas() -> str:
    return (
        " Where numbers have decimal commas, either quote them or separate the cells by another "
        'mark, and add \'format: {separator: ";", decimal: ","}\' to the contract.'
    )


def _text(column: pd.Series, *, is_id: bool) -> pd.Series:
    try:
        return as_names(column)
    except FrameError:
        if is_id:
            raise
        return column  # which the contract alone looks at


def _blanks(names: pd.Series) -> list[str]:
    found = pd.Series(names.dropna().unique()).astype("str")
    padded = found[found != found.str.strip()]
    if padded.empty:
        return []
    return [
        f"column {names.name!r} holds texts that begin or end with a blank, such as "
        f"{padded.iloc[0]!r} ({len(padded)} in all); they are kept as they are"
    ]


def _numbers(texts: pd.Series[str], layout: Layout, path: Path) -> pd.Series[float]:
    """Texts as the numbers that they spell."""
    spelled = layout.format
    bare = texts.str.strip()
    bare = bare.mask(bare.isin([*MISSING, *spelled.missing]))
    bad = bare.notna() & ~bare.str.fullmatch(number_pattern(spelled)).fillna(value=False)
    if bad.any():
        few = ", ".join(f"{text!r} in row {row}" for row, text in texts[bad][:TOLD].items())
        marks = f"decimal {spelled.decimal!r}, thousands {spelled.thousands or 'not marked'!r}"
        raise SourceError(
            f"column {texts.name!r} of {path} holds what is no number by the contract's "
            f"format ({marks}), {int(bad.sum())} times: {few}. Correct them or the format; "
            "add what stands for no value to its list missing."
        )
    return pd.to_numeric(plain_numbers(bare, spelled)).astype("float64")
