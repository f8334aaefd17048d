"""Series of different size and noise in one model: is each forecast well, and covered as promised?

    python benchmarks/sizes.py        a minute on two cores; benchmarks/results/sizes.json

Daily series with a weekly rhythm, from a known formula. Beside `frame.scale: series` stands
`global`, which has one mean and deviation for all of them.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
from harness import print_table, write_results

from informer import (
    Forecaster,
    ForecasterConfig,
    FrameConfig,
    InformerConfig,
    TrainingConfig,
    backtest,
)
from informer.evaluation import summarize

N_DAYS, TEST = 900, 700
# The size of each series, and the deviation of its noise against an amplitude of 3.
SERIES = {
    "small": (1.0, 0.3), "calm": (1.0, 0.1), "noisy": (1.0, 1.5), "big": (1e3, 0.3),
    "huge": (1e6, 0.3),
}  # fmt: skip
CONFIG = ForecasterConfig(
    frame=FrameConfig(freq="d", season=7),
    model=InformerConfig(
        seq_len=28, label_len=14, pred_len=7, d_model=32, n_heads=4, d_ff=64, e_layers=1
    ),
    training=TrainingConfig(epochs=6, learning_rate=1e-3, accelerator="cpu"),
    val=180,
    linear_look_back=28,
)


def rows() -> pd.DataFrame:
    """The days of all series."""
    rng, day = np.random.default_rng(0), np.arange(N_DAYS)
    days = pd.date_range("2021-01-01", periods=N_DAYS)
    wave = 10 + 3 * np.sin(2 * np.pi * day / 7)
    parts = [
        pd.DataFrame(
            {"unique_id": name, "ds": days, "y": size * (wave + noise * rng.normal(size=N_DAYS))}
        )
        for name, (size, noise) in SERIES.items()
    ]
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Fit with either scale, score each series on the test days, print and keep the rows."""
    frame = rows()
    days = pd.DatetimeIndex(frame["ds"].unique())
    between = (days[TEST], days[-1] + pd.Timedelta("1D"))
    found = []
    for scale in ("series", "global"):
        config = replace(CONFIG, frame=replace(CONFIG.frame, scale=scale))
        for estimator in ("informer", "linear"):
            model = Forecaster.fit(frame[frame["ds"] < between[0]], config, estimator=estimator)
            scores = summarize(backtest({estimator: model}, frame, between).scores, ["unique_id"])
            for row in scores.to_dict("records"):
                found.append(
                    {
                        "scale": scale, "model": estimator, "series": row["unique_id"],
                        "mase": round(row["mase"], 4), "coverage": round(row["coverage"], 4),
                    }
                )  # fmt: skip
    print_table(list(found[0]), [list(row.values()) for row in found])
    write_results("sizes", found)


if __name__ == "__main__":
    sys.exit(main())
