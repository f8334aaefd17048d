"""How often the gate is right, in small: the whole curve is `benchmarks/operating_curve.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
N = 30


@pytest.fixture(scope="module")
def curve() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        spec = importlib.util.spec_from_file_location("curve", BENCHMARKS / "operating_curve.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "curve", module)  # where its dataclasses look for their names
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def verdicts(curve):
    """How many of `N` simulations end in each verdict."""
    overrides = [f"model.pred_len={curve.P}", "promote.spread_seeds=0"]
    config = curve.load_config("nyc-weather", overrides, conf_dir=curve.ROOT / "conf")

    def counted(challenger: float, baseline: float = 1.5, n_series: int = 30) -> dict[str, int]:
        world = curve.World(n_series, dependent=False, memory=0.5)
        models = {"informer": challenger, "linear": baseline, "champion": 1.0}
        found = [
            curve.verdict_of(curve.windows_of(world, models, seed), config)[0] for seed in range(N)
        ]
        return {kind: found.count(kind) for kind in ("PROMOTE", "FALLBACK", "HOLD")}

    return counted


def test_a_challenger_that_is_worse_hardly_ever_passes(verdicts):
    assert verdicts(1.03)["PROMOTE"] <= 1
    assert verdicts(1.0)["PROMOTE"] <= 0.2 * N  # at the level of 5 %, by chance up to 6 of 30


def test_a_challenger_that_is_five_percent_better_passes_where_windows_can_tell(verdicts):
    assert verdicts(0.95)["PROMOTE"] >= 0.8 * N


def test_a_baseline_displaces_a_champion_by_the_same_evidence(verdicts):
    assert verdicts(1.5, baseline=0.95)["FALLBACK"] >= 0.8 * N
    even = verdicts(1.5, baseline=1.0)
    assert even["FALLBACK"] <= 0.2 * N
    assert even["PROMOTE"] == 0
