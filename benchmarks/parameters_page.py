"""What `parameters.py` measured, as the table of docs/parameters.md and docs/parameters.zh.md."""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "FIELDS", "PAGES", "WORDS", "Row", "difference", "label", "measured", "read_results", "render",
    "spread", "write",
]  # fmt: skip

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "parameters.json"
DOCS = HERE.parent / "docs"
PAGES = {"en": DOCS / "parameters.md", "zh": DOCS / "parameters.zh.md"}
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
COMMAND = "python benchmarks/parameters.py"

FIELDS = ("val_mse", "val_mae", "step_ms", "peak_bytes", "n_weights")
SEED = "train.seed"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Words:
    """What the table says in one language."""

    header: tuple[str, ...]
    base: str
    seeds: str
    made_by: str
    missing: str


WORDS = {
    "en": Words(
        header=("changed", "value", "MSE", "MAE", "time", "memory", "weights"),
        base="the base",
        seeds="noise: base, {n} seeds",
        made_by="`{command}` at commit {commit}: {device}, {threads} threads, torch {torch}.",
        missing=f"Not measured yet: run `{COMMAND}`, then `{COMMAND} --write`.",
    ),
    "zh": Words(
        header=("改动", "取值", "MSE", "MAE", "时间", "内存", "权重数"),
        base="基准",
        seeds="噪声：基准，{n} 个种子",
        made_by="`{command}`，提交 {commit}：{device}，{threads} 线程，torch {torch}。",
        missing=f"尚未测量：先运行 `{COMMAND}`，再运行 `{COMMAND} --write`。",
    ),
}


def read_results() -> dict[str, Any] | None:
    """`benchmarks/results/parameters.json`; None where nothing was measured yet."""
    if not RESULTS.is_file():
        return None
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return results


def spread(rows: Sequence[Row]) -> dict[str, float]:
    """From the lowest to the highest of the base's seeds, as a share of the base.

    Nothing but errors can depend on the seed: of time and memory it is what measuring them is
    worth. Empty where no further seed was measured.
    """
    seeds = [row["difference"] for row in rows if set(row["variant"]) == {SEED}]
    if not seeds:
        return {}
    found = {}
    for field in FIELDS:
        values = [0.0, *(seed[field] for seed in seeds)]
        found[field] = max(values) - min(values)
    return found


def difference(row: Row, field: str, noise: Mapping[str, float]) -> str:
    """Per cent more or less than the base; in parentheses where it is no more than the noise."""
    if "difference" not in row:
        return ""
    share = row["difference"][field]
    if math.isnan(share):  # memory cannot be measured everywhere
        return "-"
    text = "=" if share == 0 else f"{100 * share:+.1f} %".replace("-0.0 ", "+0.0 ")
    return f"({text})" if abs(share) <= noise.get(field, 0.0) and share != 0 else text


def label(value: object) -> str:
    """A value as YAML spells it."""
    if isinstance(value, float) and 0 < value < 0.01:
        return f"{value:.1e}".replace("e-0", "e-")
    return value if isinstance(value, str) else json.dumps(value)


def render(results: Mapping[str, Any] | None, language: str) -> str:
    """The measured part of the page in `language`, without the marks around it."""
    words = WORDS[language]
    if results is None:
        return words.missing
    rows: list[Row] = results["rows"]
    noise = spread(rows)
    lines = [
        words.header,
        ("---", "---", *("--:",) * len(FIELDS)),
        _base_line(rows[0], words),
        *([_noise_line(rows, noise, words)] if noise else []),
        *(_line(row, noise) for row in rows[1:] if SEED not in row["variant"]),
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    table = table.replace("| --- | --- |", "|---|---|").replace(" --: |", "--:|")
    made_by = words.made_by.format(**{**results, "commit": results["commit"][:7]})
    return f"{made_by}\n\n{table}"


def _base_line(base: Row, words: Words) -> tuple[str, ...]:
    return (
        words.base,
        "-",
        f"{base['val_mse']:.3f}",
        f"{base['val_mae']:.3f}",
        f"{base['step_ms']:.0f} ms",
        f"{base['peak_bytes'] / 1e6:.0f} MB",
        f"{base['n_weights']:,}",
    )


def _noise_line(rows: Sequence[Row], noise: Mapping[str, float], words: Words) -> tuple[str, ...]:
    n_seeds = 1 + sum(SEED in row["variant"] for row in rows)
    shares = (f"{100 * noise[field]:.1f} %" if noise[field] else "=" for field in FIELDS)
    return (words.seeds.format(n=n_seeds), "-", *shares)


def _line(row: Row, noise: Mapping[str, float]) -> tuple[str, ...]:
    variant: Mapping[str, object] = row["variant"]
    return (
        ", ".join(f"`{name}`" for name in variant),
        ", ".join(f"`{label(value)}`" for value in variant.values()),
        *(difference(row, field, noise) for field in FIELDS),
    )


def measured(page: str) -> str:
    """What stands between the marks of a page."""
    return page.split(BEGIN)[1].split(END)[0].strip()


def write() -> None:
    """Put the table into both pages."""
    results = read_results()
    for language, path in PAGES.items():
        page = path.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        content = f"{BEGIN}\n{render(results, language)}\n{END}"
        path.write_text(before + content + after, encoding="utf-8")
        print(f"written: docs/{path.name}")
