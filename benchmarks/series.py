"""Many series: forecasts per second, and the memory of forecasting and training, as they grow.

    python benchmarks/series.py            100, 2,000 and 10,000 series
    python benchmarks/series.py --peers    also `neuralforecast`, the same sizes, at the same rows

Every case is a process of its own. A forecast is what a user calls: long rows in, a frame of
forecasts out (ours with nine quantiles, the peer's without any). Training maps a Parquet file of
hourly series, takes 50 steps, validates and calibrates; the peer is given the same rows as a frame,
as it wants them, and takes the steps alone, since its validation takes all windows. The memory is
what the process holds for itself at most (RssAnon), less what it held before; pages of mapped
files, which the system takes back when it needs them, are not in it.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from harness import peak_anonymous, print_table, write_results
from model_step import SMALL

from informer.config import ForecasterConfig, FrameConfig, TrainingConfig
from informer.data import map_panel
from informer.forecaster import Forecaster

N_SERIES = (100, 2_000, 10_000)
FORECAST_ROWS, TRAIN_ROWS = 200, 1_440  # hours of history of each series
N_STEPS, BATCH = 50, 256
FRAME = FrameConfig(columns=("y",), target="y", features="S")
CONFIG = ForecasterConfig(
    frame=FRAME,
    model=SMALL,
    training=TrainingConfig(
        epochs=1, steps_per_epoch=N_STEPS, batch_size=BATCH, max_val_windows=20_000
    ),
    val=168,
)


def rows(first: int, n_series: int, n_rows: int) -> pd.DataFrame:
    """Hourly series with a day's rhythm, each of its own level and noise."""
    generator = np.random.default_rng(first)
    hours = np.arange(n_rows)
    level, height = generator.normal(10, 3, (2, n_series, 1))
    y = level + height * np.sin(hours / 24 * 2 * np.pi) + generator.normal(size=(n_series, n_rows))
    times = pd.date_range("2024-01-01", periods=n_rows, freq="h")
    names = [f"s{i:06d}" for i in range(first, first + n_series)]
    return pd.DataFrame(
        {"unique_id": np.repeat(names, n_rows), "ds": np.tile(times, n_series), "y": y.ravel()}
    )


def measured_forecast(make: Callable[[], Callable[[pd.DataFrame], Any]], n: int) -> dict[str, Any]:
    """The second of two forecasts of the next day of `n` series."""
    predict = make()
    frame = rows(0, n, FORECAST_ROWS)
    predict(frame.head(20 * FORECAST_ROWS))
    found: dict[str, Any] = {}
    with peak_anonymous(found):
        made = predict(frame)
    found["rows_per_s"] = len(made) / found["seconds"]
    return found


def forecast_ours(n: int) -> dict[str, Any]:
    """`Forecaster.predict` of a frame."""
    return measured_forecast(lambda: Forecaster.fit(rows(0, 20, 400), CONFIG).predict, n)


def forecast_peer(n: int) -> dict[str, Any]:
    """`NeuralForecast.predict` of the same frame."""

    def make() -> Callable[[pd.DataFrame], Any]:
        model = peer(max_steps=2)
        model.fit(rows(0, 20, 400))
        return model.predict

    return measured_forecast(make, n)


def train_ours(n: int) -> dict[str, Any]:
    """Map a Parquet file, and train on it."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path, store = Path(folder) / "rows.parquet", Path(folder) / "rows"
        write_parquet(path, n)
        mapping: dict[str, Any] = {}
        with peak_anonymous(mapping):
            panel = map_panel(path, FRAME, store)
        found["map_seconds"], found["map_peak_bytes"] = mapping["seconds"], mapping["peak_bytes"]
        with peak_anonymous(training := {}):
            Forecaster.fit(panel, CONFIG)
        found["disk_bytes"] = sum(file.stat().st_size for file in store.iterdir())
    return found | training


def train_peer(n: int) -> dict[str, Any]:
    """`NeuralForecast.fit` of the same rows, read with pandas."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_parquet(path, n)
        with peak_anonymous(found):
            peer(max_steps=N_STEPS).fit(pd.read_parquet(path))
    return found


def write_parquet(path: Path, n: int) -> None:
    """A file of `n` series, written a hundred at a time."""
    schema = pa.Schema.from_pandas(rows(0, 1, 2), preserve_index=False)
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, n, 100):
            writer.write_table(
                pa.Table.from_pandas(rows(first, 100, TRAIN_ROWS), schema, preserve_index=False)
            )


def peer(max_steps: int) -> Any:  # noqa: ANN401 - the library has no types
    """An Informer of neuralforecast, of the same sizes."""
    from neuralforecast import NeuralForecast
    from neuralforecast.models import Informer

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    model = Informer(
        h=SMALL.pred_len, input_size=SMALL.seq_len, hidden_size=SMALL.d_model, n_head=SMALL.n_heads,
        conv_hidden_size=SMALL.d_ff, factor=SMALL.factor, encoder_layers=SMALL.e_layers,
        decoder_layers=SMALL.d_layers, max_steps=max_steps, windows_batch_size=BATCH,
        scaler_type="standard", accelerator="cpu", **quiet,
    )  # fmt: skip
    return NeuralForecast([model], freq="h")


CASES = {
    "forecast": {"ours": forecast_ours, "neuralforecast": forecast_peer},
    "train": {"ours": train_ours, "neuralforecast": train_peer},
}


def in_own_process(case: str, method: str, n: int) -> dict[str, Any]:
    """One case, in a process that has done nothing else."""
    command = [sys.executable, __file__, "--one", case, method, str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} {method} {n}: {done.stderr[-1500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--peers", action="store_true", help="also peers that are installed")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        case, method, n = options.one
        logging.disable(logging.INFO)
        warnings.simplefilter("ignore")
        with redirect_stdout(sys.stderr):
            found = CASES[case][method](int(n))
        print(json.dumps(found))
        return
    cells: list[dict[str, Any]] = []
    for case, methods in CASES.items():
        for n in N_SERIES:
            for method in list(methods)[: 2 if options.peers else 1]:
                found = in_own_process(case, method, n)
                cells.append({"case": case, "n_series": n, "method": method, **found})
                print(cells[-1], flush=True)
    print_table(
        ("case", "series", "method", "s", "rows/s", "MB", "map s", "map MB"),
        [
            (
                cell["case"], f"{cell['n_series']:,}", cell["method"], f"{cell['seconds']:.2f}",
                f"{cell['rows_per_s']:,.0f}" if "rows_per_s" in cell else "-",
                f"{cell['peak_bytes'] / 1e6:.0f}",
                f"{cell['map_seconds']:.1f}" if "map_seconds" in cell else "-",
                f"{cell['map_peak_bytes'] / 1e6:.0f}" if "map_peak_bytes" in cell else "-",
            )
            for cell in cells
        ],
    )  # fmt: skip
    write_results("series", cells)


if __name__ == "__main__":
    main()
