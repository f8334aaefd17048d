"""The tables of docs/accuracy.md: errors in the published protocol, run by `informer benchmark`.

    python benchmarks/accuracy.py                     our configuration, features M and S
    python benchmarks/accuracy.py paper-M paper-S     the paper's rows: hours on a CPU
    python benchmarks/accuracy.py --write             only put the kept results into the page

Each set of rows is kept in `benchmarks/results/accuracy-<set>.json` with the commands, the commit,
the device and the seconds that it took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import RESULTS, write_results

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
BEGIN, END = "<!-- accuracy:begin -->", "<!-- accuracy:end -->"
PAPER_HORIZONS = (24, 48, 168, 336, 720)
HORIZONS = (24, 48, 96, 168, 192, 336, 720)
SEEDS = 3


@dataclass(frozen=True)
class RowSet:
    """Commands whose rows make one table."""

    title: str
    commands: tuple[str, ...]


def _ours(features: str) -> str:
    horizons = " ".join(map(str, HORIZONS))
    return f"informer benchmark etth1 --features {features} --horizon {horizons} --seeds {SEEDS}"


def _paper(features: str) -> tuple[str, ...]:
    return tuple(
        f"informer benchmark paper/etth1-{features}-{horizon} --seeds {SEEDS} --models informer"
        for horizon in PAPER_HORIZONS
    )


SETS = {
    "ours-M": RowSet("ETTh1, all columns to all (M), by `conf/etth1.yaml`", (_ours("M"),)),
    "ours-S": RowSet("ETTh1, OT to OT (S), by `conf/etth1.yaml`", (_ours("S"),)),
    "paper-M": RowSet("ETTh1, M, the paper's configurations (`conf/paper/`)", _paper("M")),
    "paper-S": RowSet("ETTh1, S, the paper's configurations (`conf/paper/`)", _paper("S")),
}


def run(name: str) -> None:
    """Run the commands of a set, one after another, and keep their rows."""
    start = time.perf_counter()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "rows.json"
        for command in SETS[name].commands:
            argv = [sys.executable, "-m", "flows", *command.split()[1:], "--output", str(output)]
            subprocess.run(argv, check=True)
        rows = json.loads(output.read_text())["rows"]
    write_results(
        f"accuracy-{name}",
        rows,
        commands=list(SETS[name].commands),
        seconds=round(time.perf_counter() - start, 1),
    )


def render(results: Path) -> str:
    """What stands between the page's markers: a table for each set, from the kept results."""
    parts = []
    for name, rows in SETS.items():
        path = results / f"accuracy-{name}.json"
        made = json.loads(path.read_text()) if path.is_file() else None
        text = _not_run(name) if made is None else _rendered(made)
        parts.append(f"### {rows.title}\n\n{text}")
    return "\n\n".join(parts)


def _not_run(name: str) -> str:
    return f"Not run yet: `python benchmarks/accuracy.py {name}` fills this table."


def _rendered(made: Mapping[str, Any]) -> str:
    head = ("horizon", "model", "MSE", "MAE", "in 80 %", "width", "WQL", "seeds", "windows", "s")
    lines = [f"| {' | '.join(head)} |", f"|--:|---|{'--:|' * (len(head) - 2)}"]
    for row in made["rows"]:
        cells = (
            str(row["horizon"]),
            row["model"],
            _error(row["mse"], row["mse_std"]),
            _error(row["mae"], row["mae_std"]),
            f"{100 * row['coverage']:.1f} %",
            f"{row['width']:.2f}",
            f"{row['wql']:.4f}",
            str(row["seeds"]),
            f"{row['n_windows']:,}",
            f"{row['seconds']:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    commands = "\n".join(made["commands"])
    return "\n".join(
        [
            *lines,
            "",
            f"{_hours(made['seconds'])} in all, on {made['device']}, {made['threads']} threads, "
            f"torch {made['torch']}, commit `{made['commit'][:12]}`:",
            "",
            f"```console\n{commands}\n```",
        ]
    )


def _error(mean: float, std: float | None) -> str:
    return f"{mean:.4f} ± {std:.4f}" if std else f"{mean:.4f}"


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def written(page: str, tables: str) -> str:
    """The page with the tables between its markers."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sets that are named and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--write", action="store_true", help="run nothing, write the page alone")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.sets) - set(SETS))
    if unknown:
        parser.error(f"{unknown[0]} is no set of rows; known are {', '.join(SETS)}")
    if not options.write:
        for name in options.sets or ("ours-M", "ours-S"):
            run(name)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), render(RESULTS)), encoding="utf-8")
    print(f"written: docs/{PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
