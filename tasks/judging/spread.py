"""How far the errors of the same training lie apart when nothing but its seed differs."""

from __future__ import annotations

from pathlib import Path

import mlflow

from informer.forecaster import Forecaster
from tasks.judging.evaluate import metrics_of, score
from tasks.rows import Prepared
from tasks.runs import Stage, resumed_run
from tasks.settings import Home, RunConfig

__all__ = ["further_seeds", "score_seed", "with_seed"]


def further_seeds(config: RunConfig) -> tuple[int, ...]:
    """The first seed of each further training: an ensemble takes as many as it has networks."""
    first, step = config.train.seed, config.ensemble
    return tuple(first + step * place for place in range(1, config.promote.spread_seeds + 1))


def with_seed(config: RunConfig, seed: int) -> RunConfig:
    """The same training from another seed, without a search."""
    return config.with_values({"train.seed": seed, "tune.n_trials": 0})


SCORE_SEED = Stage(
    "score-seed",
    float,
    code=("informer", "tasks.judging.evaluate"),
    libraries=("numpy", "pandas", "torch"),
)


def score_seed(
    model_dir: Path, seed: int, prepared: Prepared, config: RunConfig, run_id: str, home: Home
) -> float:
    """The compared error of a model that another seed has given, on the challenger's own origins.

    Args:
        model_dir: where `Forecaster.load` finds it.
        seed: its own.
        prepared: the rows.
        config: the challenger's.
        run_id: the challenger's MLflow run, which shows the error.
        home: where the stores are.
    """
    return SCORE_SEED.run(
        home,
        (run_id, model_dir, config.promote.metric, config.parts("evaluate")),
        lambda _: _score(model_dir, seed, prepared, config, run_id, home),
        label=f"score-seed {seed}",
    )


def _score(
    model_dir: Path, seed: int, prepared: Prepared, config: RunConfig, run_id: str, home: Home
) -> float:
    name = f"seed {seed}"
    scored = score({name: Forecaster.load(model_dir)}, prepared, config)
    error = metrics_of(scored)[name][config.promote.metric]
    with resumed_run(run_id, home):
        mlflow.log_metric(f"test_{config.promote.metric}_by_seed", error, step=seed)
    return error
