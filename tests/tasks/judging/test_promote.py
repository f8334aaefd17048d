"""What the gate judges by, gathered from an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.judging.evaluate import Evaluation, Windows
from tasks.judging.promote import comparison_table, gather
from tasks.judging.spread import further_seeds
from tasks.settings import load_config

CONF = Path(__file__).parents[3] / "conf"


def config(*overrides: str):
    return load_config("nyc-weather", overrides, conf_dir=CONF)


def evaluation(folder: Path, n: int, gain: float) -> Evaluation:
    """A challenger that undercuts the champion by `gain` in the mean, at `n` hourly cutoffs."""
    rng = np.random.default_rng(0)
    old = 1 + 0.1 * rng.normal(size=n)
    tables = [
        pd.DataFrame({"model": model, "series": 0, "step": np.arange(n), "n": 24, "mse": mse,
                      "mae": mse})
        for model, mse in (("champion", old), ("informer", old - gain + 0.1 * rng.normal(size=n)))
    ]  # fmt: skip
    path = folder / "losses.parquet"
    pd.concat(tables).to_parquet(path)
    return Evaluation(
        metrics={"informer": {"mse": 1 - gain}, "champion": {"mse": 1.0}, "naive": {"mse": 2.0}},
        by_target={"informer": {"a": {"mse": 0.8}}, "champion": {"a": {"mse": 1.0}}},
        losses=path,
        baseline_dirs={"naive": folder},
        champion_version="1",
        incomparable="",
        windows=Windows("a", "b", n),
    )


@pytest.mark.parametrize("test", ["bootstrap", "diebold_mariano"])
@pytest.mark.parametrize(("gain", "sure"), [(0.1, True), (0.0, False)])
def test_the_losses_by_cutoff_go_into_the_test_that_is_configured(tmp_path, test, gain, sure):
    found = gather(evaluation(tmp_path, 600, gain), config(f"promote.test={test}"))
    assert (found.chance.p_value <= 0.05) == sure
    assert found.chance.n_origins == 600
    assert found.chance.test.startswith("moving" if test == "bootstrap" else "Diebold")
    assert found.targets == {"a": (0.8, 1.0)}


def test_too_few_cutoffs_are_said_and_are_no_failure(tmp_path):
    found = gather(evaluation(tmp_path, 30, 0.1), config())
    assert found.chance is None
    assert "30 rolling origins cannot tell" in found.cannot_tell
    assert gather(evaluation(tmp_path, 30, 0.1), config("promote.test=none")).cannot_tell == ""


def test_further_seeds_share_no_network_with_the_challenger():
    asked = config("train.seed=5", "ensemble=3", "promote.spread_seeds=2")
    assert further_seeds(asked) == (8, 11)


def test_the_table_has_the_best_model_first(tmp_path):
    errors = {"mae": 0.1, "mase": 0.1, "coverage": 0.8, "churn": float("nan")}
    made = evaluation(tmp_path, 30, 0.1)
    full = {name: errors | own for name, own in made.metrics.items()}
    made.metrics.update(full)
    names = [line.split("|")[1].strip() for line in comparison_table(made).splitlines()[2:]]
    assert names == ["informer", "champion", "naive"]
