"""One horizon of a benchmark: fit on train and validation rows, then score every test window, once.

N windows   P pred_len   C_t targets   T rows
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import torch

from informer.config import ForecasterConfig
from informer.errors import FrameError
from informer.estimators import CLASSICAL, look_back_of
from informer.evaluation import mase_scales, score_windows, summarize
from informer.forecaster import Estimator, Forecaster
from tasks.benchmark.setting import INFORMER, PARTS, Setting
from tasks.settings import RunConfig

__all__ = ["Row", "Tick", "count_fits", "run_horizon", "score"]

SCORES = ("mse", "mae", "coverage", "width", "wql")

Tick = Callable[[int, int, str], None]
"""Told the fits done at this horizon, the parts of the next one, and what it is."""


@dataclass(frozen=True)
class Row:
    """One model at one horizon, errors in units of the train rows' deviation.

    Attributes:
        conf: the configuration as it was named.
        data: what the data are called.
        features: M, S or MS.
        horizon: steps ahead.
        model: `informer` or the name of a baseline.
        mse, mae: over all windows, steps and targets; the mean over the seeds.
        coverage, width: of the interval from q10 to q90, the width in the errors' unit; the mean
            over the seeds.
        wql: weighted quantile loss as GIFT-Eval defines it; the mean over the seeds.
        mse_std, mae_std: sample deviation over the seeds; None for a single seed of what has one,
            NaN where the error of a seed is not finite.
        seeds: how many were run; 1 for what has none.
        n_windows: test windows scored: all there are, but for a classical model's stride.
        seconds: for one seed, to fit, calibrate and score.
        tuned: what a search on the validation rows has found.
    """

    conf: str
    data: str
    features: Literal["M", "S", "MS"]
    horizon: int
    model: str
    mse: float
    mae: float
    coverage: float
    width: float
    wql: float
    mse_std: float | None
    mae_std: float | None
    seeds: int
    n_windows: int
    seconds: float
    tuned: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The row as JSON."""
        record = asdict(self)
        return record if self.tuned else {k: v for k, v in record.items() if k != "tuned"}


def count_fits(setting: Setting) -> int:
    """Fits at one horizon, a search counted as one."""
    n_informers = setting.n_seeds * (INFORMER in setting.models)
    others = sum(name != INFORMER for name in setting.models)
    return n_informers + others + setting.is_tuned


def run_horizon(setting: Setting, horizon: int, tick: Tick) -> list[Row]:
    """Fit and score every model at one horizon.

    Nothing that is fitted, stopped or searched receives a test row.

    Raises:
        FrameError: the rows hold no window of that length.
        TrainingError: a loss is not finite.
    """
    config = setting.config_at(horizon)
    done, tuned = 0, {}
    if setting.is_tuned:
        # Brings Prefect's and MLflow's side of the search with it, of which the rest has no need.
        from tasks.benchmark.search import search

        tuned = search(setting.known, config, setting.split, lambda part, note: tick(0, part, note))
        config, done = config.with_values(tuned), 1
    origins = _origins(setting, config)
    rows = []
    for model in setting.models:
        seeds: Sequence[int] = (config.train.seed,)
        if model == INFORMER:
            seeds = range(config.train.seed, config.train.seed + setting.n_seeds)
        own = origins[:: config.baselines.classical_stride] if model in CLASSICAL else origins
        runs = []
        for seed in seeds:
            note = f"horizon {horizon}, {model}" + (f", seed {seed}" if model == INFORMER else "")
            tick(done, 0, note)
            runs.append(_run(setting, config, model, seed, own, _within(tick, done, note)))  # type: ignore[arg-type]
            done += 1
        rows.append(_row(setting, config, model, runs, len(own), tuned))
    tick(done, 0, f"horizon {horizon}")
    return rows


def score(forecaster: Forecaster, setting: Setting, origins: torch.Tensor) -> dict[str, float]:
    """The `SCORES` over every value that was measured.

    Args:
        forecaster: what forecasts.
        setting: whose panel is forecast.
        origins: (N,) rows of the panel that are the first forecast step.
    """
    config, start = forecaster.config, setting.split.test_start
    scale = mase_scales(setting.panel, start, config.frame.season, len(config.frame.targets))
    table, _ = score_windows(
        forecaster, setting.panel, origins, (forecaster.deviations(setting.panel), scale)
    )
    if not table["n"].sum():
        raise FrameError("the test rows have no observed value. Move the split or supply rows.")
    pooled = summarize(table.assign(of=""), ["of"]).iloc[0]
    return {name: float(pooled[name]) for name in SCORES}


def _origins(setting: Setting, config: RunConfig) -> torch.Tensor:
    """(N,) every test window for which all models have their history."""
    split, horizon = setting.split, config.model.pred_len
    library = config.forecaster_for(split)
    baselines = [look_back_of(m, library) for m in setting.models if m != INFORMER]  # type: ignore[arg-type]
    look_back = max([config.model.seq_len, *baselines])
    origins = setting.panel.origins((split.test_start, split.test_end), look_back, horizon)
    if not len(origins):
        raise FrameError(
            f"the test rows from {split.test_start} to {split.test_end} have no window of "
            f"{look_back} + {horizon} steps. Leave --horizon {horizon} out, shorten "
            "model.seq_len, or supply more rows."
        )
    return origins


def _run(
    setting: Setting,
    config: RunConfig,
    model: Estimator,
    seed: int,
    origins: torch.Tensor,
    on_step: Callable[[int, int, float], None],
) -> dict[str, float]:
    """The scores and the seconds of one fit."""
    start = time.perf_counter()
    library: ForecasterConfig = config.forecaster_for(setting.split)
    library = replace(library, training=replace(library.training, seed=seed))
    forecaster = Forecaster.fit(
        setting.known, library, estimator=model, on_step=on_step, check_values=False
    )
    scores = score(forecaster, setting, origins)
    return scores | {"seconds": time.perf_counter() - start}


def _within(tick: Tick, done: int, note: str) -> Callable[[int, int, float], None]:
    return lambda step, total, _: tick(done, PARTS * step // max(total, 1), note)


def _row(
    setting: Setting,
    config: RunConfig,
    model: str,
    runs: list[dict[str, float]],
    n_windows: int,
    tuned: dict[str, Any],
) -> Row:
    mean = {name: statistics.fmean(run[name] for run in runs) for name in (*SCORES, "seconds")}
    return Row(
        conf=setting.conf,
        data=setting.data,
        features=config.frame.features,
        horizon=config.model.pred_len,
        model=model,
        **{name: mean[name] for name in SCORES},
        mse_std=_spread([run["mse"] for run in runs], model),
        mae_std=_spread([run["mae"] for run in runs], model),
        seeds=len(runs),
        n_windows=n_windows,
        seconds=round(mean["seconds"], 3),
        tuned=tuned if model == INFORMER else {},
    )


def _spread(values: list[float], model: str) -> float | None:
    if model != INFORMER:
        return 0.0
    if not all(map(math.isfinite, values)):  # of which `statistics` has no deviation
        return math.nan
    return statistics.stdev(values) if len(values) > 1 else None
