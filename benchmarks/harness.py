"""What every benchmark shares: fair timing, peak memory, a table, and a file of results.

Methods are timed in turn, round by round in one process, so that what else the machine does falls
on all of them; the table shows the best and the median round.
"""

from __future__ import annotations

import ctypes
import json
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

__all__ = [
    "environment", "peak_anonymous", "peak_memory", "print_methods", "print_table", "time_in_turn",
    "write_results",
]  # fmt: skip

RESULTS = Path(__file__).parent / "results"


def time_in_turn(
    methods: Mapping[str, Callable[[], object]], n_rounds: int
) -> dict[str, dict[str, float]]:
    """Seconds of each method, best and median, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for round_ in range(n_rounds + 1):
        for name, method in methods.items():
            start = time.perf_counter()
            method()
            _wait()
            if round_ > 0:
                seconds[name].append(time.perf_counter() - start)
    return {
        name: {"best_s": min(taken), "median_s": statistics.median(taken)}
        for name, taken in seconds.items()
    }


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_memory(method: Callable[[], object]) -> int | None:
    """Bytes that `method` needs at most beyond what is there before; None where not measurable."""
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        method()
        return torch.cuda.max_memory_allocated() - before
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        reset.write_text("5")  # the high-water mark starts anew
    except OSError:
        return None
    before = _kilobytes(status, "VmRSS")
    method()
    return (_kilobytes(status, "VmHWM") - before) * 1024


@contextmanager
def peak_anonymous(found: dict[str, Any]) -> Iterator[None]:
    """Seconds of the block, and bytes of its own that the process holds at most beyond before."""
    status = Path("/proc/self/status")
    before = peak = _kilobytes(status, "RssAnon")
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.005):
            peak = max(peak, _kilobytes(status, "RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    try:
        yield
    finally:
        found["seconds"] = time.perf_counter() - start
        over.set()
        watcher.join()
        found["peak_bytes"] = (peak - before) * 1024


def _kilobytes(status: Path, field: str) -> int:
    for line in status.read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise KeyError(field)


def environment() -> dict[str, Any]:
    """The command, the commit, the versions and the device, but nothing that names the machine."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    script = Path(sys.argv[0])
    return {
        "command": " ".join(["python", f"{script.parent.name}/{script.name}", *sys.argv[1:]]),
        "commit": commit,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": _device_name(),
        "threads": torch.get_num_threads(),
        "fp32_gflops": round(_gflops(torch.float32)),
        "bf16_gflops": round(_gflops(torch.bfloat16), 1),
    }


def _device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    widest = next(
        (w for w in ("amx_bf16", "avx512f", "avx2") if any(w in line for line in lines)), "no avx2"
    )
    return f"{named[0] if named else platform.machine()}, {len(named)} cores, {widest}"


def _gflops(dtype: torch.dtype) -> float:
    """The peak of matrix multiplication, which bounds what any method can reach."""
    n = 1024 if dtype == torch.float32 else 512
    a = torch.randn(n, n, dtype=dtype)
    return 2e-9 * n**3 / time_in_turn({"mm": lambda: a @ a}, 5)["mm"]["best_s"]


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def print_methods(
    labels: Mapping[str, object],
    measured: Mapping[str, Mapping[str, float]],
    columns: Mapping[str, Callable[[Mapping[str, float]], str]],
) -> None:
    """A row for each method: what was measured, and its best round over that of `fast`."""
    fast = measured["fast"]["best_s"]
    print_table(
        (*labels, "method", *columns, "x fast"),
        [
            (
                *labels.values(),
                name,
                *(shown(numbers) for shown in columns.values()),
                f"{numbers['best_s'] / fast:.2f}",
            )
            for name, numbers in measured.items()
        ],
    )


def write_results(name: str, rows: Sequence[Mapping[str, object]], **more: object) -> None:
    """Write `benchmarks/results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**environment(), **more, "rows": list(rows)}, indent=1) + "\n")
    print(f"written: benchmarks/results/{path.name}")
