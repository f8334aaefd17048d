"""The chunks of a forecast, each a Prefect task run: here one after another, or on a Dask cluster.

What a chunk needs and gives lies in files, so that only names travel and each process holds one
chunk at a time.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from informer.data import as_kept, local_texts
from informer.errors import ConfigError
from informer.estimators import FALLBACK
from informer.forecaster import Forecaster
from tasks.forecasts.chunks import read_groups
from tasks.forecasts.vintages import require_finite
from tasks.runs import RETRIES
from tasks.settings import ForecastConfig, PipelineError, StoreError

__all__ = ["Chunk", "Part", "check_engine", "forecast_chunk", "known_api", "run_chunks"]


@dataclass(frozen=True)
class Chunk:
    """Some series to forecast.

    Attributes:
        number: of the chunk in its vintage, from 1.
        n_chunks: of the vintage.
        rows: the Parquet file of the rows.
        groups: which of its row groups hold these series: from, to (exclusive).
        sha256: of the rows.
        model: folder that `Forecaster.load` reads.
        version: of the model.
        part: the Parquet file to write.
    """

    number: int
    n_chunks: int
    rows: Path
    groups: tuple[int, int]
    sha256: str
    model: Path
    version: str
    part: Path


@dataclass(frozen=True)
class Part:
    """What a chunk gave.

    Attributes:
        n_rows: forecast.
        n_series: `unique_id`s forecast.
        n_naive: those of them that are too short for the model, and have a naive forecast.
        cutoff: the last time that any of them saw; None where nothing was forecast.
        left_out: series that the model did not forecast, each with the reason.
        unseen: series that the model was not fitted on, and that are scaled by their first rows.
    """

    n_rows: int
    n_series: int
    n_naive: int
    cutoff: pd.Timestamp | None
    left_out: dict[str, str]
    unseen: tuple[str, ...] = ()


def check_engine(config: ForecastConfig) -> None:
    """Make sure that what is to run the chunks is installed, before any work is done.

    Raises:
        ConfigError: it is not.
    """
    if config.dask is not None and importlib.util.find_spec("prefect_dask") is None:
        raise ConfigError(
            f"forecast.dask={config.dask} needs the package prefect-dask, which is not installed. "
            "Run: pip install 'informer-pipeline[scale]', or set forecast.dask=null."
        )


@task(
    name="forecast-chunk",
    task_run_name="chunk {chunk.number} of {chunk.n_chunks}",
    cache_policy=NO_CACHE,
    persist_result=False,
    **RETRIES,
)
def forecast_chunk(chunk: Chunk) -> Part:
    """Forecast a chunk and write its part, which is stamped once all of them are complete.

    Raises:
        StoreError: this process does not see the files, or cannot write.
        FrameError: the rows cannot be forecast.
        PipelineError: a forecast is no finite number.
    """
    if not (chunk.model.is_dir() and chunk.rows.is_file() and chunk.part.parent.is_dir()):
        raise StoreError(
            f"a worker of the forecast cannot see {chunk.model}, {chunk.rows} or "
            f"{chunk.part.parent}. Every worker of the cluster needs the folders INFORMER_HOME "
            "and forecast.output at the same paths."
        )
    model = _forecaster(chunk.model)
    table = model.predict_all(read_groups(chunk.rows, chunk.groups))
    left_out, unseen = dict(table.attrs.pop("left_out")), tuple(table.attrs.pop("unseen"))
    if table.empty:
        return Part(0, 0, 0, None, left_out)
    table = as_kept(table)
    require_finite(table, f"the forecast of version {chunk.version}")
    local = local_texts(table["ds"], model.config.frame)
    if local is not None:
        table["ds_local"] = local
    table.insert(3, "model_version", chunk.version)
    table.insert(4, "data_sha256", chunk.sha256)
    draft = chunk.part.with_name(f".{chunk.part.stem}-{os.getpid()}.parquet")
    try:
        table.to_parquet(draft, index=False)
        draft.replace(chunk.part)  # whole, even where a cluster runs a chunk twice
    except OSError as error:
        raise StoreError(
            f"cannot write {chunk.part}: {error.strerror or error}. Choose a folder that you may "
            "write to."
        ) from error
    names = table["unique_id"]
    n_naive = names[table[FALLBACK].ne("")].nunique() if FALLBACK in table else 0
    return Part(len(table), names.nunique(), n_naive, table["cutoff"].max(), left_out, unseen)


@lru_cache(maxsize=1)
def _forecaster(model: Path) -> Forecaster:
    """The model of a run, read once in each process; the folder of every run is another one."""
    return Forecaster.load(model)


def run_chunks(chunks: Sequence[Chunk], config: ForecastConfig) -> list[Part]:
    """Forecast all chunks; what each gave, in their order.

    A single chunk stays in this process: no cluster is worth its start.

    Raises:
        StoreError: no scheduler answers at the address; and what `forecast_chunk` raises.
        PipelineError: workers died over a chunk.
    """
    if config.dask is None or len(chunks) == 1:
        return [forecast_chunk(chunk) for chunk in chunks]
    with known_api(), _dask(config) as runner:
        futures = [runner.submit(forecast_chunk, {"chunk": chunk}) for chunk in chunks]
        return [future.result() for future in futures]


@contextmanager
def known_api() -> Iterator[None]:
    """Tell workers where Prefect's API is, which for them is no other even if it is embedded."""
    with get_client(sync_client=True) as client:
        address = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: address}):
        yield


@contextmanager
def _dask(config: ForecastConfig) -> Iterator[Any]:
    """Prefect's task runner on the named cluster, or on one of this machine for the block."""
    from distributed import KilledWorker
    from prefect_dask import DaskTaskRunner

    if isinstance(config.dask, str):
        runner = DaskTaskRunner(address=config.dask)
    else:
        own = {"n_workers": config.dask, "threads_per_worker": 1}
        runner = DaskTaskRunner(cluster_kwargs=own | {"dashboard_address": "127.0.0.1:0"})
    with runner:
        if isinstance(config.dask, str):
            _connect(runner, config.dask)
        try:
            yield runner
        except KilledWorker as error:
            raise PipelineError(
                f"the Dask cluster lost its workers in a chunk of {config.chunk_series} series, "
                "probably because memory ran out. Lower forecast.chunk_series, or the number of "
                "the cluster's processes (forecast.dask)."
            ) from error


def _connect(runner: Any, address: str) -> None:  # noqa: ANN401 -- an optional package's type
    try:
        _ = runner.client
    except OSError as error:
        raise StoreError(
            f"no Dask scheduler answers at {address}: {' '.join(str(error).split())[:200]}. Start "
            "one (dask scheduler), or correct forecast.dask."
        ) from None  # a wrong address is not tried again
