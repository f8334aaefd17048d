"""How the cells of a source are written: which columns are text, and how numbers are spelled."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from informer.config import FrameConfig
from tasks.rows.contract import Contract, FormatContract

__all__ = ["MISSING", "Layout", "layout_of", "mend", "number_pattern", "plain_numbers"]

MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Cells that hold no number and no time, as pandas has them; in a column of text they are text."""

BLANKS = " \u00a0\u202f"  # a space between thousands is often one that does not break
TOLD = 3


PLAIN = FormatContract()


@dataclass(frozen=True)
class Layout:
    """What reading depends on beside the file.

    Attributes:
        id_column: the column of series names; None where it is not known, or there is one series.
        texts: columns that are read as text, as they are written.
        numbers: columns of numbers.
        names: all columns that are asked for.
        format: how cells are separated and numbers spelled.
        is_told: whether somebody has said so, so that text in a column of numbers is read by it.
    """

    id_column: str | None = None
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    format: FormatContract = PLAIN
    is_told: bool = False

    @property
    def key(self) -> dict[str, Any]:
        """The same as JSON."""
        return asdict(self) | {"format": self.format.model_dump(mode="json")}


def layout_of(frame: FrameConfig, contract: Contract | None = None) -> Layout:
    """The layout that a frame, and a contract if there is one, ask for."""
    ids = () if frame.id_column is None else (frame.id_column,)
    if contract is None:
        return Layout(frame.id_column, ids)
    kinds = {name: column.type for name, column in contract.columns.items()}
    texts = [name for name, kind in kinds.items() if kind == "text" and name not in ids]
    return Layout(
        id_column=frame.id_column,
        texts=(*ids, *texts),
        numbers=tuple(n for n, kind in kinds.items() if kind == "number" and n not in ids),
        names=tuple(dict.fromkeys((*ids, frame.time_column, *frame.columns, *kinds))),
        format=contract.format,
        is_told="format" in contract.model_fields_set,
    )


def number_pattern(spelled: FormatContract) -> re.Pattern[str]:
    """A number as a format spells it; thousands are grouped everywhere or nowhere in it."""
    whole = r"\d+"
    if spelled.thousands is not None:
        mark = f"[{re.escape(_marks(spelled.thousands))}]"
        # Groups of three, or the Indian ones: two, and three at the end.
        whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d{{1,2}}(?:{mark}\d{{2}})+{mark}\d{{3}}|\d+)"
    point = re.escape(spelled.decimal)
    return re.compile(rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?")


def _marks(thousands: str) -> str:
    return BLANKS if thousands in BLANKS else thousands


def plain_numbers(texts: pd.Series[str], spelled: FormatContract) -> pd.Series[str]:
    """Numbers that fit the pattern, as Python writes them."""
    if spelled.thousands is not None:
        for mark in _marks(spelled.thousands):
            texts = texts.str.replace(mark, "", regex=False)
    return texts.str.replace(spelled.decimal, ".", regex=False)


def mend(column: pd.Series) -> str:
    """What to do about texts in a column of numbers; empty where there are none."""
    if pd.api.types.is_numeric_dtype(column):
        return ""
    found = {value.strip() for value in column.dropna().unique() if isinstance(value, str)}
    bad = {text for text in found if pd.isna(pd.to_numeric(text, errors="coerce"))}
    if not bad:
        told = "add 'format: {decimal: \".\"}' to the contract"
        return f"; they are numbers written as text: save them as numbers, or {told}" * bool(found)
    words = tuple(sorted(text for text in bad if not any(sign.isdigit() for sign in text)))
    ways = [way for way in WAYS if _fits(way, found - set(words))]
    if ways:
        told = " or ".join(_entry(way, words) for way in ways)
        which = ", whichever is meant," if len(ways) > 1 else ""
        return f"; they are texts such as {_listed(bad)}: add {told}{which} to the contract"
    empty = f", or, where they stand for no value, add {_entry(PLAIN, words)} to the "
    return f"; they are texts such as {_listed(bad)}: correct them" + (
        f"{empty}contract" if words else ""
    )


WAYS = (
    FormatContract(decimal=","),
    FormatContract(thousands=","),
    FormatContract(decimal=",", thousands="."),
    FormatContract(thousands=" "),
    FormatContract(decimal=",", thousands=" "),
    FormatContract(thousands="'"),
)
"""Spellings that are proposed, the simpler ones first."""


def _fits(way: FormatContract, texts: Collection[str]) -> bool:
    """Whether all texts are numbers of that spelling, and some text needs each of its marks."""
    if not all(number_pattern(way).fullmatch(text) for text in texts):
        return False
    needed: list[str] = [] if way.thousands is None else [_marks(way.thousands)]
    if way.decimal != "." and way.thousands != ".":  # which goes with a decimal comma alone
        needed.append(way.decimal)
    return all(any(set(marks) & set(text) for text in texts) for marks in needed)


def _entry(way: FormatContract, words: tuple[str, ...]) -> str:
    """The line of a contract."""
    told = way.model_dump(exclude_defaults=True) | ({"missing": words[:TOLD]} if words else {})
    entries = (f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in told.items())
    return f"'format: {{{', '.join(entries)}}}'"


def _listed(texts: Collection[str]) -> str:
    return ", ".join(repr(text) for text in sorted(texts)[:TOLD])
