"""One search by one tuning flow and by two: deployed runs on real servers and workers.

    OMP_NUM_THREADS=1 taskset -c 0,1 python benchmarks/tuning.py

A Prefect server, PostgreSQL for the studies, a worker for the flows and two that train, one run at
a time each, all on this machine, as `docs/tuning.md` sets them up. Every trial costs the same: all
have the same values, so that none is pruned, and each study is a new one. What else a retraining
does is kept small. Needs PostgreSQL, as `tests/test_servers.py` does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for tests/, which is not installed

PIPELINE = "nyc-weather"
UNSCHEDULED = "\nschedule: {retrain: null, forecast: null, monitor: null}\n"
PASSWORD = "of-a-benchmark"
N_TRIALS, RUN_S = 8, 600
SETTINGS = (
    f"tune.n_trials={N_TRIALS}", "tune.epochs=2", "train.steps_per_epoch=60", "train.epochs=1",
    "tune.space={train.patience: {choices: [100]}}", "evaluate.stride=24", "promote.spread_seeds=0",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Time both ways in turn and keep the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args(argv)
    from harness import print_table, write_results

    with tempfile.TemporaryDirectory() as folder:
        taken = _measured(Path(folder), options.rounds)
    rows = [
        {"flows": n_flows} | {k: statistics.median(one[k] for one in runs) for k in runs[0]}
        for n_flows, runs in taken.items()
    ]
    one, two = rows
    gains = {f"{what}_ratio": one[what] / two[what] for what in ("search_s", "retrain_s")}
    print_table(
        ("flows", "search s", "trial s", "retrain s"),
        [
            (row["flows"], *(f"{row[k]:.1f}" for k in ("search_s", "trial_s", "retrain_s")))
            for row in rows
        ],
    )
    print(", ".join(f"{name} {value:.2f}" for name, value in gains.items()))
    cores = len(os.sched_getaffinity(0))
    write_results("tuning", rows, **gains, cores=cores, rounds=options.rounds, settings=SETTINGS)
    return 0


def _measured(folder: Path, n_rounds: int) -> dict[int, list[dict[str, float]]]:
    """Number of flows to what each of its runs took."""
    from tests.postgres import postgres
    from tests.servers import prefect_station

    home = folder / "home"
    shutil.copytree(ROOT / "conf", home / "conf")
    (home / "mlruns").mkdir()
    for path in (home / "conf").glob("*.yaml"):
        if path.stem not in ("base", PIPELINE):
            path.unlink()
    with (home / "conf" / f"{PIPELINE}.yaml").open("a") as conf:
        conf.write(UNSCHEDULED)
    taken: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with postgres() as database, ExitStack() as stack:
        database.ask("postgres", f"CREATE USER optuna PASSWORD '{PASSWORD}'")
        database.ask("postgres", "CREATE DATABASE optuna OWNER optuna")
        url = f"postgresql+psycopg2://optuna@127.0.0.1:{database.port}/optuna"
        client = {"INFORMER_STUDY_URL": url, "PGPASSWORD": PASSWORD}
        os.environ |= client
        station = stack.enter_context(prefect_station(folder, home, client=client))
        station.deploy()
        station.call("PATCH", "/v2/concurrency_limits/training", limit=2)
        stack.enter_context(station.worker("cpu", folder / "cpu.log"))
        for number in (1, 2):
            log = folder / f"gpu-{number}.log"
            stack.enter_context(station.worker("gpu", log, "--limit", "1"))
        for round_ in range(n_rounds):
            for n_flows, runs in taken.items():
                seed = 100 * n_flows + round_
                runs.append(_once(station, url, n_flows, seed, folder / "cpu.log"))
                print(f"{n_flows} flows: {runs[-1]}", file=sys.stderr)
    return taken


def _once(station: Any, url: str, n_flows: int, seed: int, log: Path) -> dict[str, float]:  # noqa: ANN401
    """Seconds of a retraining, of its search from its first trial's start on, and of a trial."""
    import optuna

    known = set(optuna.get_all_study_names(url))
    how = (f"workers.tuning_flows={n_flows}", f"train.seed={seed}")
    asked = station.informer("retrain", PIPELINE, *SETTINGS, *how, "--deployment")
    state = station.wait(asked["flow_run_id"], RUN_S, log=log)
    assert state == "COMPLETED", log.read_text()
    run = station.run(asked["flow_run_id"])
    (name,) = set(optuna.get_all_study_names(url)) - known
    trials = optuna.load_study(study_name=name, storage=url).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * N_TRIALS
    begins = [trial.datetime_start for trial in trials]
    ends = [trial.datetime_complete for trial in trials]
    began, ended = (datetime.fromisoformat(run[key]) for key in ("start_time", "end_time"))
    return {
        "search_s": (max(ends) - min(begins)).total_seconds(),
        "trial_s": statistics.median(
            (b - a).total_seconds() for a, b in zip(begins, ends, strict=True)
        ),
        "retrain_s": (ended - began).total_seconds(),
    }


if __name__ == "__main__":
    sys.exit(main())
