"""How often the gate is right: from simulated forecasts to its verdict.

    python benchmarks/operating_curve.py [--repeats 240] [--figure docs/images/operating-curve.png]

Both models err by what nobody could foresee, which is the same for both, and by errors of their
own, which last for a while. A challenger is better or worse by a share of its mean squared error.
The forecasts go the way of every evaluation: windows, the table of windows, evidence, verdict.
`could know` is the power of a test that knows how far the gain strays from one simulation to the
next, on the same windows and at the same level: no gate can be much better.

S series   K cutoffs   P pred_len   T rows of all series
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from harness import write_results
from matplotlib.figure import Figure
from scipy.signal import lfilter
from scipy.stats import norm

from informer.config import FrameConfig
from informer.data import Panel
from informer.evaluation import pooled
from informer.evaluation.origins import OriginLog
from tasks.judging import CHALLENGER_NAME, CHAMPION_NAME, rule, weigh
from tasks.settings import RunConfig, load_config

ROOT = Path(__file__).parents[1]
FRAME = FrameConfig(id_column="id", columns=("y",), target="y", features="S")
P, STRIDE, N_CUTOFFS, GAPS = 8, 2, 300, 0.05
N_STEPS = STRIDE * N_CUTOFFS + P
OWN = 0.3  # variance of a model's own errors, beside 1 of what nobody could foresee
SHARED = 0.9  # of the variance, by all series, where they depend on one another
BASELINE = "linear"
QUALITIES = (0.9, 0.95, 0.975, 1.0, 1.05)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What is simulated.

    Attributes:
        n_series: S; every second one begins in the last third of the test rows.
        dependent: whether what happens to one series happens to most.
        memory: correlation of a model's own errors from one step to the next.
    """

    n_series: int
    dependent: bool
    memory: float


def panel_of(world: World, rng: np.random.Generator) -> Panel:
    """Series of unequal length in which some values were never measured."""
    starts = np.where(np.arange(world.n_series) % 2 == 1, 2 * N_STEPS // 3, 0)
    lengths = N_STEPS + 1 - starts
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    steps = np.concatenate([np.arange(start, N_STEPS + 1) for start in starts])
    return Panel(
        ids=tuple(f"s{i:04d}" for i in range(world.n_series)),
        bounds=bounds,
        owner=np.arange(world.n_series),
        lags=np.zeros(world.n_series, dtype="timedelta64[ns]"),
        grid=pd.date_range("2024-01-01", periods=N_STEPS + 1, freq="h"),
        steps=steps,
        values=np.zeros((len(steps), 1)),
        observed=rng.random((len(steps), 1)) >= GAPS,
    )


def noise(world: World, memory: float, rng: np.random.Generator) -> Array:
    """(S, time) of variance 1, a part of it shared by all series where they depend."""
    drawn = rng.standard_normal((world.n_series + 1, N_STEPS + 1 + 200))
    drawn = lfilter([math.sqrt(1 - memory**2)], [1, -memory], drawn, axis=1)[:, 200:]
    if not world.dependent:
        return drawn[1:]
    return math.sqrt(SHARED) * drawn[:1] + math.sqrt(1 - SHARED) * drawn[1:]


def windows_of(world: World, qualities: dict[str, float], seed: int) -> pd.DataFrame:
    """The table of windows of models whose errors are so many times the champion's."""
    rng = np.random.default_rng(seed)
    panel = panel_of(world, rng)
    origins = panel.origins((None, None), 1, P, STRIDE).numpy()
    rows = origins[:, None] + np.arange(P)
    series, steps = panel.series_of(rows), panel.steps[rows]
    truth = np.where(panel.observed, panel.values, np.nan)[rows]
    unforeseen = noise(world, 0.5, rng)[series, steps]
    tables = []
    for name, quality in qualities.items():
        own = quality * (1 + OWN) - 1  # what is left for a model's own errors
        assert own >= 0
        error = unforeseen + math.sqrt(own) * noise(world, world.memory, rng)[series, steps]
        log = OriginLog(
            panel, FRAME, panel.grid, np.ones((world.n_series, 1)), P
        )  # churn is not looked at
        log.add(origins, truth, error[..., None])
        tables.append(log.windows().assign(model=name, churn=0.0))
    return pd.concat(tables, ignore_index=True)


def verdict_of(windows: pd.DataFrame, config: RunConfig) -> tuple[str, float]:
    """What the gate says, and by how much the challenger errs less than the champion."""
    table = pooled(windows, ["model"]).set_index("model")
    metrics = {
        str(name): {"mse": float(row["mse"]), "mae": float(row["mae"]), "churn": 0.1}
        for name, row in table.iterrows()
    }
    _, ruling = rule(weigh(metrics, windows, config), config, tuple)
    return ruling.verdict, metrics[CHAMPION_NAME]["mse"] - metrics[CHALLENGER_NAME]["mse"]


def worlds() -> Iterator[World]:
    """Every kind of data that the table shows."""
    for memory in (0.5, 0.95):
        for n_series in (1, 100, 1000):
            for dependent in (False, True)[: 1 if n_series == 1 else 2]:
                yield World(n_series, dependent, memory)


def curve(world: World, config: RunConfig, repeats: int) -> list[dict[str, object]]:
    """A row for each quality of the challenger, and of a baseline in its place."""
    n = max(20, repeats // {1: 1, 100: 2, 1000: 4}[world.n_series])
    found = []
    for role in ("challenger", "baseline"):
        for quality in QUALITIES if role == "challenger" else (0.95, 1.0):
            models = {CHALLENGER_NAME: quality, BASELINE: 1.5, CHAMPION_NAME: 1.0}
            if role == "baseline":
                models = {CHALLENGER_NAME: 1.5, BASELINE: quality, CHAMPION_NAME: 1.0}
            made = [verdict_of(windows_of(world, models, seed), config) for seed in range(n)]
            verdicts, gains = zip(*made, strict=True)
            print(world, role, quality, {kind: verdicts.count(kind) for kind in set(verdicts)},
                  file=sys.stderr, flush=True)  # fmt: skip
            gain, spread = float(np.mean(gains)), float(np.std(gains, ddof=1))
            level = norm.isf(config.promote.level)
            found.append({
                "series": world.n_series,
                "dependent": world.dependent,
                "memory": world.memory,
                "candidate": role,
                "quality": quality,
                **{name: verdicts.count(name) / n for name in ("PROMOTE", "FALLBACK", "HOLD")},
                "could_know": float(norm.cdf(gain / spread - level)) if role == "challenger"
                else None,
                "repeats": n,
            })  # fmt: skip
    return found


def draw(rows: list[dict[str, object]]) -> Figure:
    """P(PROMOTE) over the challenger's error, for each kind of data."""
    table = pd.DataFrame(rows).query("candidate == 'challenger'")
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, memory in zip(axes, (0.5, 0.95), strict=True):
        for (n_series, dependent), own in table[table["memory"] == memory].groupby(
            ["series", "dependent"], sort=False
        ):
            kind = "dependent" if dependent else "independent"
            label = f"{n_series:,} series" + (f", {kind}" if n_series > 1 else "")
            ax.plot(own["quality"], own["PROMOTE"], marker="o", ms=3, label=label,
                    linestyle="--" if dependent else "-")  # fmt: skip
        ax.axhline(0.05, color="grey", lw=0.8)
        ax.axvline(1.0, color="grey", lw=0.8)
        ax.set_title(f"errors of a model's own last: {memory} from step to step")
        ax.set_xlabel("error of the challenger, in errors of the champion")
    axes[0].set_ylabel("promoted")
    axes[1].legend(fontsize=8)
    return figure


def markdown(rows: list[dict[str, object]]) -> list[str]:
    """The table of docs/promotion.md: a row for each kind of data."""
    table = pd.DataFrame(rows)
    keys = ["memory", "series", "dependent"]
    shown = [("challenger", "PROMOTE", q) for q in QUALITIES]
    shown += [("baseline", "FALLBACK", q) for q in (0.95, 1.0)]
    head = [f"{role} {quality:g}" for role, _, quality in shown]
    lines = [
        f"| memory | series | dependent | {' | '.join(head)} | could know 0.95 | simulations |",
        "|--:|--:|---|" + "--:|" * (len(head) + 2),
    ]
    for (memory, n_series, dependent), own in table.groupby(keys, sort=False):
        by_place = own.set_index(["candidate", "quality"])
        cells = [f"{by_place.loc[(role, q), verdict]:.0%}" for role, verdict, q in shown]
        known = by_place.loc[("challenger", 0.95), "could_know"]
        lines.append(
            f"| {memory} | {n_series:,} | {'yes' if dependent else 'no'} | {' | '.join(cells)} | "
            f"{known:.0%} | {own['repeats'].iloc[0]} |"
        )
    return lines


def main() -> None:
    """Simulate, print the table, keep it and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=240)
    parser.add_argument("--figure", type=Path, default=None)
    args = parser.parse_args()
    overrides = [f"model.pred_len={P}", "promote.spread_seeds=0"]
    config = load_config("nyc-weather", overrides, conf_dir=ROOT / "conf")
    with ProcessPoolExecutor() as pool:
        done = pool.map(partial(curve, config=config, repeats=args.repeats), worlds())
    rows = [row for found in done for row in found]
    for line in markdown(rows):
        print(line)
    write_results("operating_curve", rows)
    if args.figure is not None:
        draw(rows).savefig(args.figure, dpi=110)


if __name__ == "__main__":
    main()
