"""Batch forecasts in chunks: the memory they take, and what running the chunks elsewhere costs.

    python benchmarks/fanout.py               memory, then every engine that is installed
    python benchmarks/fanout.py memory        only the first
    python benchmarks/fanout.py engines       only the second

Memory: the rows of ever more series are read, forecast and written, in chunks of 200 series and all
at once, each in a process of its own; what is told is the anonymous memory beyond what was there
after the imports, at its highest. Engines: Prefect's own task runners and those of Dask and Ray run
the same chunks with two workers. Ray is measured where it is installed; the pipeline does not use
it (docs/adr/0019-dask.md).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from harness import peak_anonymous, print_table, write_results

from tasks.settings import Home, enter

N_SERIES = (200, 1000, 4000)
CHUNK = 200
N_ROWS = 500
N_WORKERS = 2
N_EMPTY = 20
ADDED = {
    "dask": (
        "prefect-dask", "dask", "distributed", "locket", "msgpack", "partd", "sortedcontainers",
        "tblib", "toolz", "tornado", "zict",
    ),
    "ray": ("prefect-ray", "ray", "msgpack"),
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure both and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="memory, engines")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(_memory_of(Path(options.one[0]), *map(int, options.one[1:]))))
        return 0
    parts = options.parts or ["memory", "engines"]
    with tempfile.TemporaryDirectory() as folder:
        rows = _memory(Path(folder)) if "memory" in parts else []
        engines = _engines(Path(folder)) if "engines" in parts else []
    write_results("fanout", rows, chunk_series=CHUNK, rows_per_series=N_ROWS, engines=engines)
    return 0


def _rows(n_series: int) -> pd.DataFrame:
    """Hourly rows of many series, ordered as prepared ones."""
    hours = np.arange(N_ROWS)
    rng = np.random.default_rng(0)
    level = rng.normal(0, 5, (n_series, 1))
    y = level + np.sin(hours * 2 * np.pi / 24) + rng.normal(0, 0.2, (n_series, N_ROWS))
    names = np.array([f"series-{i:06}" for i in range(n_series)], dtype=object)
    return pd.DataFrame(
        {
            "unique_id": pd.Series(np.repeat(names, N_ROWS), dtype="str"),
            "ds": np.tile(pd.date_range("2024-01-01", periods=N_ROWS, freq="h"), n_series),
            "y": y.ravel(),
        }
    )


def _forecaster() -> Any:  # noqa: ANN401 -- imported late
    """An Informer of the demonstration's size, hardly trained."""
    from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig
    from informer.config import TrainingConfig

    config = ForecasterConfig(
        frame=FrameConfig(columns=("y",), freq="h"),
        model=InformerConfig(
            seq_len=96, label_len=48, pred_len=24, d_model=64, n_heads=4, d_ff=128, e_layers=2
        ),
        training=TrainingConfig(epochs=1, steps_per_epoch=2),
        val=48,
    )
    return Forecaster.fit(_rows(2), config)


def _memory(folder: Path) -> list[dict[str, Any]]:
    _forecaster().save(folder / "model")
    found = []
    for n_series in N_SERIES:
        _rows(n_series).to_parquet(folder / f"{n_series}.parquet", index=False)
        for chunk in dict.fromkeys((CHUNK, n_series)):
            command = [sys.executable, __file__, "--one", str(folder), str(n_series), str(chunk)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(found[-1], file=sys.stderr)
    print_table(
        ("series", "in chunks of", "peak MB", "x the first", "seconds"),
        [
            (
                row["n_series"], row["chunk_series"], f"{row['peak_mb']:.0f}",
                f"{row['peak_mb'] / found[0]['peak_mb']:.2f}", f"{row['seconds']:.1f}",
            )
            for row in found
        ],
    )  # fmt: skip
    return found


def _memory_of(folder: Path, n_series: int, chunk_series: int) -> dict[str, Any]:
    """Forecast what lies in `folder`, as the flow does but for Prefect's records of it."""
    from informer.forecaster import Forecaster
    from tasks.forecasts import (
        commit_vintage,
        forecast_chunk,
        keep_seen,
        known_times,
        stamp_parts,
        vintage_path,
    )
    from tasks.settings import ForecastConfig

    own = folder / f"home-{n_series}-{chunk_series}"
    home, path = Home(own), folder / f"{n_series}.parquet"
    config = ForecastConfig(chunk_series=chunk_series)
    forecaster = Forecaster.load(folder / "model")
    forecaster.predict(_rows(2))  # what is made once
    found: dict[str, Any] = {}
    with peak_anonymous(found):
        last = known_times(path, forecaster.config.frame, chunk_series)[-1]
        seen = keep_seen(path, forecaster, config, home, last)
        for chunk in (chunks := _chunks(seen, folder / "model", own)):
            forecast_chunk.fn(chunk)
        stamp_parts(chunks[0].part.parent, pd.Timestamp("2024-06-01"))
        target = vintage_path(own, last, "1", seen.sha256)
        commit_vintage(chunks[0].part.parent, target)
    return {
        "n_series": n_series, "chunk_series": chunk_series, "peak_mb": found["peak_bytes"] / 1e6,
        "seconds": found["seconds"],
    }  # fmt: skip


def _chunks(seen: Any, model: Path, folder: Path) -> list[Any]:  # noqa: ANN401 -- imported late
    from tasks.forecasts import Chunk, part_name

    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    return [
        Chunk(
            number=i + 1, n_chunks=len(seen.chunks), rows=seen.path, groups=groups,
            sha256=seen.sha256, model=model, version="1", part=parts / part_name(i),
        )
        for i, groups in enumerate(seen.chunks)
    ]  # fmt: skip


def _engines(folder: Path) -> list[dict[str, Any]]:
    """Every runner in turn, in one flow with Prefect's embedded server."""
    home = Home(folder)
    enter(home)
    from prefect import flow, task
    from prefect.settings import PREFECT_LOGGING_LEVEL, temporary_settings

    from tasks.forecasts import keep_seen, known_api
    from tasks.settings import ForecastConfig

    forecaster = _forecaster()
    _rows(8 * CHUNK).to_parquet(folder / "rows.parquet", index=False)
    last = _rows(1)["ds"].max()
    config = ForecastConfig(chunk_series=CHUNK)
    seen = keep_seen(folder / "rows.parquet", forecaster, config, home, last)
    chunks = _chunks(seen, forecaster.save(folder / "engine-model"), folder / "engines")
    empty = task(name="empty", persist_result=False)(lambda number: number)

    def measure(name: str) -> dict[str, Any]:
        with known_api():
            return _measured(name, _RUNNERS[name], empty, chunks)

    with temporary_settings({PREFECT_LOGGING_LEVEL: "CRITICAL"}):
        flow(lambda: None, name="start")()
        found = [flow(measure, name="engine")(name) for name in _RUNNERS if _is_there(name)]
    first = found[0]["chunks_s"]
    print_table(
        ("engine", "start s", "ms a chunk", "8 chunks s", "x first", "MB a worker", "installs MB"),
        [
            (
                row["engine"], f"{row['start_s']:.1f}", f"{1000 * row['empty_s']:.0f}",
                f"{row['chunks_s']:.1f}", f"{row['chunks_s'] / first:.2f}",
                f"{row['worker_mb']:.0f}", f"{row['installed_mb']:.0f}",
            )
            for row in found
        ],
    )  # fmt: skip
    return found


def _measured(
    name: str,
    make: Callable[[], Any],
    empty: Any,  # noqa: ANN401 -- imported late
    chunks: list[Any],
) -> dict[str, Any]:
    from tasks.forecasts import forecast_chunk

    start = time.perf_counter()
    with make() as runner:

        def run(task: Any, key: str, values: Sequence[Any]) -> float:  # noqa: ANN401
            began = time.perf_counter()
            if runner is None:
                _ = [task(value) for value in values]
            else:
                futures = [runner.submit(task, {key: value}) for value in values]
                _ = [future.result() for future in futures]
            return time.perf_counter() - began

        run(empty, "number", range(1))
        started = time.perf_counter() - start
        run(forecast_chunk, "chunk", chunks[:N_WORKERS])  # each process reads its model once
        each = run(empty, "number", range(N_EMPTY)) / N_EMPTY
        whole = run(forecast_chunk, "chunk", chunks)
        memory = _largest_worker()
        row = {"engine": name, "start_s": started, "empty_s": each, "chunks_s": whole}
    print(row, file=sys.stderr)
    installed = sum(_size(package) for package in ADDED.get(name, ()))
    return row | {"worker_mb": memory / 1e6, "installed_mb": installed / 1e6}


def _is_there(name: str) -> bool:
    return name not in ADDED or importlib.util.find_spec(f"prefect_{name}") is not None


def _size(package: str) -> int:
    files = importlib.metadata.files(package) or []
    return sum(path.stat().st_size for f in files if (path := Path(str(f.locate()))).is_file())


def _largest_worker() -> int:
    """Bytes of the largest child that has torch loaded, or 0 where this process did the work."""
    import psutil

    sizes = [0]
    for child in psutil.Process().children(recursive=True):
        try:
            if any("libtorch_cpu" in entry.path for entry in child.memory_maps()):
                sizes.append(child.memory_info().rss)
        except psutil.Error:
            continue
    return max(sizes)


def _threads() -> Any:  # noqa: ANN401
    from prefect.task_runners import ThreadPoolTaskRunner

    return ThreadPoolTaskRunner(max_workers=N_WORKERS)


def _processes() -> Any:  # noqa: ANN401
    from prefect.task_runners import ProcessPoolTaskRunner

    return ProcessPoolTaskRunner(max_workers=N_WORKERS)


def _dask() -> Any:  # noqa: ANN401
    from prefect_dask import DaskTaskRunner

    own = {"n_workers": N_WORKERS, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    return DaskTaskRunner(cluster_kwargs=own)


def _ray() -> Any:  # noqa: ANN401
    from prefect_ray import RayTaskRunner

    return RayTaskRunner(init_kwargs={"num_cpus": N_WORKERS, "include_dashboard": False})


_RUNNERS: dict[str, Callable[[], Any]] = {
    "sequential": nullcontext,
    "threads": _threads,
    "processes": _processes,
    "dask": _dask,
    "ray": _ray,
}

if __name__ == "__main__":
    sys.exit(main())
