"""`informer benchmark`: the published protocol, beside what others published."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from flows.commands.terminal.answer import finish
from flows.commands.terminal.arguments import Parser, add_conf
from tasks.settings import by_size, check_writable, find_home, finite

if TYPE_CHECKING:
    from tasks.benchmark import Options, Published, Row

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """`informer benchmark CONF [--data PATH] [--horizon N ...] [--features M|S|MS] ...`."""
    add_conf(parser)
    parser.add_argument(
        "--data", metavar="PATH", help="a file or a named data set, instead of CONF's"
    )
    parser.add_argument(
        "--horizon", metavar="N", type=int, nargs="+", help="horizons in steps; one table for each"
    )
    parser.add_argument(
        "--features", choices=("M", "S", "MS"), help="which columns are read and forecast"
    )
    parser.add_argument(
        "--seeds", metavar="N", type=int, help="number of seeds over which the Informer is averaged"
    )
    parser.add_argument(
        "--models", metavar="NAME", nargs="+", help="models to measure: informer, baselines"
    )
    parser.add_argument(
        "--tune", action="store_true", help="search hyper-parameters first, on the validation rows"
    )
    parser.add_argument("--output", metavar="FILE", help="JSON file to which the results are added")


def run(args: argparse.Namespace) -> int:
    """Fit, score and show each horizon. Finished horizons are kept if a later one fails."""
    from tasks.benchmark import (
        PARTS,
        count_fits,
        prepare,
        read_published,
        read_rows,
        run_horizon,
        write_rows,
    )
    from tasks.runs import Bar

    home = find_home()
    setting = prepare(_options(args), home)
    output = None if args.output is None else Path(args.output).expanduser().absolute()
    if output is not None:
        read_rows(output)  # refuses a file of another kind before hours are spent
        check_writable(output.parent)
    hints = Console(stderr=True, highlight=False, soft_wrap=True)
    for warning in setting.warnings:
        hints.print(f"warning: {warning}", markup=False)
    published = read_published(home.conf_dir)
    rows: list[Row] = []
    console, notes = Console(highlight=False, soft_wrap=True), dict[str, None]()
    fits = count_fits(setting)
    with Bar("benchmark", PARTS * fits * len(setting.horizons)) as bar:
        for i, horizon in enumerate(setting.horizons):
            start = i * fits

            def tick(done: int, parts: int, note: str, start: int = start) -> None:
                bar.move(PARTS * (start + done) + parts, note)

            made = run_horizon(setting, horizon, tick)
            rows += made
            if output is not None:
                write_rows(output, made)
            others = _of(published, made[0])
            console.print(_table(made, others))
            notes |= {f"{p.model}: {p.source}; {p.note}".rstrip("; "): None for p in others}
    console.print(_told(rows), markup=False)
    for note in notes:
        console.print(note, markup=False)
    if output is not None:
        hints.print(f"written: {output}", markup=False)
    finish(args, {"rows": finite([row.record() for row in rows])})
    return 0


def _options(args: argparse.Namespace) -> Options:
    from tasks.benchmark import Options

    return Options(
        conf=args.conf,
        overrides=tuple(args.overrides),
        data=args.data,
        horizons=tuple(args.horizon or ()),
        features=args.features,
        n_seeds=args.seeds,
        models=tuple(args.models or ()),
        is_tuned=args.tune,
    )


def _told(rows: Sequence[Row]) -> str:
    """What the numbers of the table mean."""
    from informer.estimators import CLASSICAL

    text = (
        "errors are in units of the train rows' deviation; 80 %: coverage of the 80 % interval; "
        "all test windows are scored"
    )
    some = sorted({row.model for row in rows if row.model in CLASSICAL})
    return (
        f"{text}, except that {', '.join(some)} forecast only every n-th window" if some else text
    )


def _of(published: Sequence[Published], row: Row) -> list[Published]:
    """The published errors for the row's task."""
    task = (row.data, row.features, row.horizon)
    return [p for p in published if (p.data, p.features, p.horizon) == task]


def _table(rows: Sequence[Row], published: Sequence[Published]) -> Table:
    first = rows[0]
    title = f"{first.data}, features {first.features}, {first.horizon} steps ahead"
    lines: list[tuple[float, tuple[str, ...]]] = []
    for row in rows:
        errors = (_error(row.mse, row.mse_std), _error(row.mae, row.mae_std))
        intervals = (f"{100 * row.coverage:.1f} %", f"{row.wql:.4f}")
        effort = (f"{row.n_windows:,}", f"{row.seconds:.1f}")
        lines.append((row.mse, (row.model, *errors, *intervals, *effort)))
    for p in published:
        mae = "" if p.mae is None else f"{p.mae:.3f}"
        lines.append((p.mse, (p.model, f"{p.mse:.3f}", mae, "", "", "published", "")))
    lines.sort(key=lambda line: by_size(line[0]))
    names = ("model", "MSE", "MAE", "80 %", "WQL", "windows", "seconds")
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column(names[0], min_width=max(len(row.model) for row in rows))
    for i, name in enumerate(names[1:], start=1):  # in a narrow terminal long names give way
        widest = max(len(cells[i]) for cells in (names, *(cells for _, cells in lines)))
        table.add_column(name, no_wrap=True, min_width=widest)
    for _, cells in lines:
        table.add_row(*cells)
    return table


def _error(mean: float, std: float | None) -> str:
    return f"{mean:.4f} ± {std:.4f}" if std else f"{mean:.4f}"
