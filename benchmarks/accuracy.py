"""The tables of docs/accuracy.md: errors in the published protocol, run by `informer benchmark`.

    python benchmarks/accuracy.py                     our configuration, features M and S
    python benchmarks/accuracy.py paper-M paper-S     the paper's rows: hours on a CPU
    python benchmarks/accuracy.py paper-M --horizons 24 --seeds 1 --with train.precision=bf16
                                                      a part of them, with another value of a field
    python benchmarks/accuracy.py --write             only put the kept results into the page

Each set of rows is kept in `benchmarks/results/accuracy-<set>.json`, written after each horizon and
put in the place of older rows of the same horizon, with the commands, the commit of each, the
device and the seconds that they took.
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

from harness import RESULTS, environment, write_results

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
BEGIN, END = "<!-- accuracy:begin -->", "<!-- accuracy:end -->"
PAPER_HORIZONS = (24, 48, 168, 336, 720)
HORIZONS = (24, 48, 96, 168, 192, 336, 720)
SEEDS = 3


@dataclass(frozen=True)
class RowSet:
    """Commands whose rows make one table.

    Attributes:
        title: of the table.
        command: of one row, with places for `horizon` and `seeds`.
        horizons: of all rows.
    """

    title: str
    command: str
    horizons: tuple[int, ...]


def _ours(title: str, features: str) -> RowSet:
    command = f"informer benchmark etth1 --features {features} --horizon {{horizon}}"
    return RowSet(title, f"{command} --seeds {{seeds}}", HORIZONS)


def _paper(title: str, features: str) -> RowSet:
    command = f"informer benchmark paper/etth1-{features}-{{horizon}}"
    return RowSet(title, f"{command} --seeds {{seeds}} --models informer", PAPER_HORIZONS)


SETS = {
    "ours-M": _ours("ETTh1, all columns to all (M), by `conf/etth1.yaml`", "M"),
    "ours-S": _ours("ETTh1, OT to OT (S), by `conf/etth1.yaml`", "S"),
    "paper-M": _paper("ETTh1, M, the paper's configurations (`conf/paper/`)", "M"),
    "paper-S": _paper("ETTh1, S, the paper's configurations (`conf/paper/`)", "S"),
}


def run(name: str, horizons: Sequence[int], seeds: int, overrides: Sequence[str]) -> None:
    """Run the commands of a set, one after another, and keep the rows of each when it is done."""
    for horizon in [h for h in SETS[name].horizons if not horizons or h in horizons]:
        command = " ".join([SETS[name].command.format(horizon=horizon, seeds=seeds), *overrides])
        commit, start = environment()["commit"], time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "rows.json"
            argv = [sys.executable, "-m", "flows", *command.split()[1:], "--output", str(output)]
            subprocess.run(argv, check=True)
            rows = json.loads(output.read_text())["rows"]
        made = {"horizon": horizon, "command": command, "commit": commit}
        made["seconds"] = round(time.perf_counter() - start, 1)
        kept = _read(RESULTS, name) or {"rows": [], "runs": []}
        write_results(
            f"accuracy-{name}",
            _in_place(kept["rows"], rows),
            runs=_in_place(kept["runs"], [made]),
        )


def _in_place(
    kept: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What was kept of other horizons, and the new, by horizon."""
    horizons = {entry["horizon"] for entry in new}
    others = [entry for entry in kept if entry["horizon"] not in horizons]
    return sorted([*others, *new], key=lambda entry: entry["horizon"])


def _read(results: Path, name: str) -> dict[str, Any] | None:
    """The kept results of a set; None where there are none."""
    path = results / f"accuracy-{name}.json"
    made: dict[str, Any] | None = json.loads(path.read_text()) if path.is_file() else None
    return made


def render(results: Path) -> str:
    """What stands between the page's markers: a table for each set, from the kept results."""
    parts = []
    for name, rows in SETS.items():
        made = _read(results, name)
        text = _not_run(name) if made is None else _rendered(name, made)
        parts.append(f"### {rows.title}\n\n{text}")
    return "\n\n".join(parts)


def _not_run(name: str) -> str:
    return f"Not run yet: `python benchmarks/accuracy.py {name}` fills this table."


def _rendered(name: str, made: Mapping[str, Any]) -> str:
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
    runs = made["runs"]
    missing = sorted(set(SETS[name].horizons) - {run["horizon"] for run in runs})
    left_out = f" Not run: {', '.join(map(str, missing))}." if missing else ""
    commands = "\n".join(
        f"{run['command']}  # {_hours(run['seconds'])}, commit {run['commit'][:12]}" for run in runs
    )
    return "\n".join(
        [
            *lines,
            "",
            f"{_hours(sum(run['seconds'] for run in runs))} in all, on {made['device']}, "
            f"{made['threads']} {'threads' if made['threads'] > 1 else 'thread'}, "
            f"torch {made['torch']}.{left_out}",
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
    parser.add_argument("--horizons", nargs="+", type=int, default=[], help="of these alone")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="over which a row is the mean")
    parser.add_argument(
        "--with", nargs="+", default=[], dest="overrides", metavar="KEY=VALUE", help="of fields"
    )
    parser.add_argument("--write", action="store_true", help="run nothing, write the page alone")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.sets) - set(SETS))
    if unknown:
        parser.error(f"{unknown[0]} is no set of rows; known are {', '.join(SETS)}")
    if not options.write:
        for name in options.sets or ("ours-M", "ours-S"):
            run(name, options.horizons, options.seeds, options.overrides)
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), render(RESULTS)), encoding="utf-8")
    print(f"written: docs/{PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
