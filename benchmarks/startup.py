"""What a command costs before and beside its work, against an earlier build.

    git worktree add /tmp/before COMMIT && make -C /tmp/before .venv/.demo
    python benchmarks/startup.py /tmp/before/.venv/bin/informer

Each build works in a home of its own, filled by its own `informer retrain`; then both run every
command in turn, round by round. What is compared is processor time of the command and of all that
it started (the temporary Prefect server, too): user and system, as the kernel counts it. The table
shows the median of each side and the median of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness import write_results

ROOT = Path(__file__).parents[1]
ROUNDS = 5
QUICK = (
    "retrain", "nyc-weather", "tune.n_trials=0", "train.epochs=1", "train.steps_per_epoch=20",
)  # fmt: skip
COMMANDS = {
    "--help": "",
    "data list": "",
    "deployments": "",
    "forecasts as-of 2100-01-01": "",
    "retrain no-such-configuration": "",
    "models list nyc-weather": "",
    "models history nyc-weather": "",
    "doctor": "",
    "forecast nyc-weather": "rows that were validated before",
    "forecast nyc-weather --as-of 2013-12-01": "the same, its Data Docs removed before each round",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run both builds and keep the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("before", metavar="INFORMER", help="console script of the earlier build")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(argv)
    builds = {"before": options.before, "now": str(Path(sys.executable).with_name("informer"))}
    with tempfile.TemporaryDirectory() as folder:
        homes = {name: _home(Path(folder) / name, script) for name, script in builds.items()}
        seconds: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for command, note in COMMANDS.items():
            seconds[command] = {name: [] for name in builds}
            for _ in range(options.rounds):
                for name, script in builds.items():
                    if note.endswith("removed before each round"):
                        _forget_validation(homes[name])
                    seconds[command][name].append(_timed(script, command.split(), homes[name]))
            _show(command, seconds[command])
    rows = [
        {"command": command, "note": COMMANDS[command]} | _row(taken)
        for command, taken in seconds.items()
    ]
    commits = {name: _commit(script) for name, script in builds.items()}
    write_results("startup", rows, commits=commits, rounds=options.rounds)
    return 0


def _home(folder: Path, script: str) -> Path:
    """The project's configurations, and stores that a short retraining has filled."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    subprocess.run(
        [script, *QUICK], check=True, env=_environment(folder), stdout=subprocess.DEVNULL
    )
    return folder


def _environment(home: Path) -> dict[str, str]:
    left_out = ("INFORMER_", "PREFECT_", "MLFLOW_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    return kept | {"INFORMER_HOME": str(home)}


def _forget_validation(home: Path) -> None:
    for docs in (home / "mlruns" / "runs").glob("docs-*"):
        shutil.rmtree(docs)


def _timed(script: str, argv: Sequence[str], home: Path) -> tuple[float, float]:
    """Processor seconds and seconds of one call, whatever its exit status."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [script, *argv], check=False, env=_environment(home), cwd=home, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, end - start


def _row(taken: dict[str, list[tuple[float, float]]]) -> dict[str, float]:
    ratios = [b[0] / n[0] for b, n in zip(taken["before"], taken["now"], strict=True)]
    return {
        "cpu_s_before": statistics.median(spent for spent, _ in taken["before"]),
        "cpu_s_now": statistics.median(spent for spent, _ in taken["now"]),
        "times_less": statistics.median(ratios),
        "wall_s_before": statistics.median(wall for _, wall in taken["before"]),
        "wall_s_now": statistics.median(wall for _, wall in taken["now"]),
    }


def _show(command: str, taken: dict[str, list[tuple[float, float]]]) -> None:
    row = _row(taken)
    print(
        f"{command:42} {row['cpu_s_before']:6.2f} -> {row['cpu_s_now']:5.2f} s of processor time: "
        f"{row['times_less']:5.1f} times less; {row['wall_s_before']:.1f} -> "
        f"{row['wall_s_now']:.1f} s",
        flush=True,
    )


def _commit(script: str) -> str:
    folder = Path(script).resolve().parent
    done = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
