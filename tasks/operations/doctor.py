"""What is installed, reachable and writable, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from informer.errors import InformerError
from tasks.operations.tracking import require_tracking
from tasks.rows import DATASETS, check_columns, locate, read_contract
from tasks.settings import Home, PipelineError, check_writable, load_config, without_password

__all__ = ["FAIL", "OK", "WARN", "Check", "examine"]

OK, WARN, FAIL = "ok", "warn", "fail"
PACKAGES = (
    "prefect", "mlflow", "great_expectations", "optuna", "torch", "lightning-fabric", "pandas",
    "pydantic",
)  # fmt: skip
LEAST_FREE_GIB = 2.0
TIMEOUT_S = 5


@dataclass(frozen=True)
class Check:
    """One finding: `ok`, `warn` (works, but) or `fail`, with what to do."""

    state: str
    what: str
    found: str
    mend: str = ""


def examine(home: Home) -> list[Check]:
    """Look at everything that a run needs, without changing anything but making `mlruns/`."""
    checks = [Check(OK, "Python", platform.python_version()), *_packages(), _device(), _disk(home)]
    checks.append(_attention())
    checks += _configurations(home)
    checks += [
        _try("MLflow store", without_password(home.tracking_uri), lambda: require_tracking(home)),
        _try("Optuna store", without_password(home.study_url), lambda: _check_studies(home)),
        _try("store folder", str(home.store_dir), lambda: check_writable(home.store_dir)),
        _prefect(home),
    ]
    checks += [_dataset(name) for name in _datasets(home)]
    return checks


def _packages() -> Iterator[Check]:
    for name in PACKAGES:
        try:
            yield Check(OK, name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(FAIL, name, "not installed", "Run: make demo. It installs everything")


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
        return Check(OK, "accelerator", f"{torch.cuda.device_count()} x {', '.join(names)}")
    cores = f"none; {torch.get_num_threads()} CPU threads"
    return Check(OK, "accelerator", cores, "Training runs on the CPU")


def _attention() -> Check:
    """Which attention to choose at which length, measured here."""
    from informer.nn import crossing_length, measure

    timings = measure()
    length = crossing_length(timings)
    rows = ", ".join(f"{t.length}: {1e3 * t.prob:.1f} / {1e3 * t.full:.1f}" for t in timings)
    mend = f"attn=full is faster below seq_len={length}"
    if length is None:
        mend = "attn=full is faster at every measured length"
    elif length == timings[0].length:
        mend = "attn=prob is faster at every measured length"
    return Check(OK, "ProbSparse / dense attention", f"ms by length {rows}", mend)


def _disk(home: Home) -> Check:
    folder = next(p for p in (home.store_dir, *home.store_dir.parents) if p.exists())
    free = shutil.disk_usage(folder).free / 2**30
    if free < LEAST_FREE_GIB:
        return Check(WARN, "disk", f"{free:.1f} GiB free", "Remove old folders in mlruns/runs")
    return Check(OK, "disk", f"{free:.0f} GiB free")


def _configurations(home: Home) -> Iterator[Check]:
    paths = sorted(p for p in home.conf_dir.glob("*.yaml") if p.stem != "base")
    if not paths:
        yield Check(FAIL, "conf/", f"no pipeline in {home.conf_dir}", "Run in the project's folder")
    for path in paths:
        yield _try(f"conf/{path.name}", "valid", lambda path=path: _check_conf(path, home))  # type: ignore[misc]


def _check_conf(path: Path, home: Home) -> None:
    config = load_config(str(path), conf_dir=home.conf_dir)
    check_columns(read_contract(home.conf_dir / config.data.contract), config.frame)


def _check_studies(home: Home) -> None:
    if home.may_have_studies:
        from tasks.fitting import open_storage

        open_storage(home)


def _try(what: str, found: str, action: Callable[[], object]) -> Check:
    try:
        action()
    except (InformerError, PipelineError) as error:
        return Check(FAIL, what, found, str(error))
    return Check(OK, what, found)


def _prefect(home: Home) -> Check:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Check(
            OK, "Prefect API", f"embedded, in {os.environ.get('PREFECT_HOME', home.store_dir)}"
        )
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=TIMEOUT_S):
            return Check(OK, "Prefect API", url)
    except (urllib.error.URLError, ValueError, TimeoutError) as error:
        return Check(FAIL, "Prefect API", f"{url}: {error}", "Start it, or unset PREFECT_API_URL")


def _datasets(home: Home) -> list[tuple[str, Path | None]]:
    return [(dataset.name, locate(dataset, home)) for dataset in DATASETS]


def _dataset(found: tuple[str, Path | None]) -> Check:
    name, path = found
    if path is not None:
        return Check(OK, f"data set {name}", str(path))
    return Check(WARN, f"data set {name}", "not here", f"Run: informer data fetch {name}")
