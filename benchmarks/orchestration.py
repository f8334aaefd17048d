"""What orchestration adds to a retraining: the flow against the bare library.

    python benchmarks/orchestration.py             a minimal one, and one of two minutes
    python benchmarks/orchestration.py minimal     only the first

The flow validates, tunes, trains, evaluates, registers, promotes and forecasts. The library does
the same computing and nothing else: as many fits, the baselines, the rolling evaluation, one
forecast. Both run in one process, in turn, under a name of their own, so that nothing is taken
over. The imports and the start of Prefect's embedded server come once per process, and are timed by
themselves.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tasks.settings import Home, enter

ROOT = Path(__file__).parents[1]
ROUNDS = 2
ONE_VALUE = "tune.space={train.seed: {choices: [0]}}"  # trials that all cost the same
CASES = {
    "minimal": (
        "nyc-weather", "tune.n_trials=1", "tune.epochs=1", "train.epochs=1",
        "train.steps_per_epoch=5", "evaluate.stride=24",
    ),
    "minutes": (
        "nyc-weather", "tune.n_trials=4", "tune.epochs=3", "train.epochs=5", "train.patience=5",
        "train.steps_per_epoch=200",
    ),
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Time both ways and keep the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        shutil.copytree(ROOT / "conf", home.conf_dir)
        enter(home)
        os.environ["INFORMER_HOME"] = folder
        start = time.perf_counter()
        from prefect import flow

        from flows.retrain import retrain  # noqa: F401 -- what every retraining imports

        imported = time.perf_counter()
        flow(lambda: None, name="start")()
        once = {"imports_s": imported - start, "server_s": time.perf_counter() - imported}
        rows = [_compared(name, options.rounds, home) for name in options.cases or CASES]
    _tell(once, rows)
    return 0


def _compared(name: str, n_rounds: int, home: Home) -> dict[str, Any]:
    from tasks.settings import load_config

    conf, *overrides = CASES[name]
    config = load_config(conf, [*overrides, ONE_VALUE], conf_dir=home.conf_dir)
    taken: dict[str, list[float]] = {"flow": [], "library": []}
    for round_ in range(n_rounds):
        own = config.with_values({"name": f"{name}-{round_}"})
        for way, run in (("library", _library), ("flow", _flow)):
            shutil.rmtree(home.store_dir / "stages", ignore_errors=True)
            start = time.perf_counter()
            run(own, home)
            taken[way].append(time.perf_counter() - start)
            print(f"{name}, {way}: {taken[way][-1]:.1f} s", file=sys.stderr)
    flow_s, library_s = (statistics.median(taken[way]) for way in ("flow", "library"))
    return {
        "case": name, "flow_s": flow_s, "library_s": library_s, "added_s": flow_s - library_s,
        "ratio": flow_s / library_s, "rounds": n_rounds, "overrides": overrides,
    }  # fmt: skip


def _flow(config: Any, _home: Home) -> None:  # noqa: ANN401 -- imported late
    from flows.retrain import retrain

    retrain(config)


def _library(config: Any, home: Home) -> None:  # noqa: ANN401 -- imported late
    from informer import backtest
    from informer.data import frame_times, regular_frame, regular_panel
    from informer.forecaster import Forecaster
    from tasks.rows import missing_by_contract, read, read_contract

    contract = read_contract(home.conf_dir / config.data.contract)
    raw, _ = missing_by_contract(read(config.data.source, home), contract, config.frame.id_column)
    rows = regular_frame(raw, config.frame)
    panel = regular_panel(rows, config.frame)
    split = config.split.resolve(panel.grid[0], panel.grid[-1], config.frame)
    past = rows[frame_times(rows, config.frame) < split.test_start]
    fit: Callable[..., Forecaster] = Forecaster.fit
    trial = config.with_values({"train.epochs": config.tune.epochs})
    for _ in range(config.tune.n_trials):
        fit(past, trial.forecaster_for(split))
    library = config.forecaster_for(split)
    models = {"informer": fit(past, library)}
    models |= {name: fit(past, library, estimator=name) for name in config.baselines.models}
    backtest(models, rows, (split.test_start, split.test_end), stride=config.evaluate.stride)
    models["informer"].save(home.store_dir / "library" / config.name)
    models["informer"].predict(rows)


def _tell(once: dict[str, float], rows: list[dict[str, Any]]) -> None:
    from harness import print_table, write_results

    print_table(
        ("case", "flow s", "library s", "added s", "ratio"),
        [
            (
                row["case"],
                *(f"{row[k]:.1f}" for k in ("flow_s", "library_s", "added_s")),
                f"{row['ratio']:.3f}",
            )
            for row in rows
        ],
    )
    print(f"once per process: imports {once['imports_s']:.1f} s, server {once['server_s']:.1f} s")
    write_results("orchestration", rows, **once)


if __name__ == "__main__":
    sys.exit(main())
