"""What the gate judges by, gathered from a table of windows."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from informer.errors import EvidenceError
from tasks.judging.evidence import rule, weigh
from tasks.judging.gate import Evidence
from tasks.judging.promote import comparison_table, require_candidate
from tasks.judging.spread import further_seeds
from tasks.settings import load_config

CONF = Path(__file__).parents[3] / "conf"


def config(*overrides: str):
    return load_config("nyc-weather", overrides, conf_dir=CONF)


def windows(losses: dict[str, np.ndarray], n: int = 24, name: str = "a") -> pd.DataFrame:
    """One target, a window at every hour."""
    tables = [
        pd.DataFrame(
            {"model": model, "unique_id": name, "series": name, "target": "y",
             "step": np.arange(len(mse)), "cutoff": np.arange(len(mse)), "n": n, "mse": mse,
             "mae": mse}
        )
        for model, mse in losses.items()
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def metrics(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    total = table.assign(total=table["mse"] * table["n"]).groupby("model")[["total", "n"]].sum()
    pooled = total["total"] / total["n"]
    return {str(model): {"mse": float(value), "churn": 0.1} for model, value in pooled.items()}


def judged(table: pd.DataFrame, *overrides: str):
    found = weigh(metrics(table), table, config(*overrides))
    return rule(found, config("promote.spread_seeds=0", *overrides), tuple)


def three(n: int, gain: float) -> pd.DataFrame:
    """A challenger that undercuts the champion by `gain` in the mean, and a poor baseline."""
    rng = np.random.default_rng(0)
    old = 1 + 0.1 * rng.normal(size=n)
    new = old - gain + 0.1 * rng.normal(size=n)
    return windows({"informer": new, "champion": old, "naive": np.full(n, 2.0)})


@pytest.mark.parametrize("test", ["bootstrap", "diebold_mariano"])
@pytest.mark.parametrize(("gain", "sure"), [(0.1, True), (0.0, False)])
def test_the_losses_by_cutoff_go_into_the_test_that_is_configured(test, gain, sure):
    found = weigh(metrics(three(800, gain)), three(800, gain), config(f"promote.test={test}"))
    contest = found.over_champion["informer"]
    assert (contest.chance.p_value <= 0.05) == sure
    assert contest.chance.n_origins == 800
    assert contest.chance.test.startswith("moving" if test == "bootstrap" else "Diebold")
    assert contest.other - contest.error == pytest.approx(-contest.chance.mean_difference)
    assert set(found.over_champion) == {"informer"}  # no baseline is in question


def test_too_few_cutoffs_are_said_and_are_no_failure():
    found = weigh(metrics(three(30, 0.1)), three(30, 0.1), config())
    contest = found.over_champion["informer"]
    assert contest.chance is None
    assert "30 rolling origins are too few to tell" in contest.cannot_tell
    none = weigh(metrics(three(30, 0.1)), three(30, 0.1), config("promote.test=none"))
    assert none.over_champion["informer"].cannot_tell == ""


def test_what_is_tested_is_what_is_gated():
    """One series lasts for 800 cutoffs, sixty more for 200: the pooled error decides both."""
    rng = np.random.default_rng(0)
    parts = []
    for i in range(61):
        n, change = (800, -0.02) if i == 0 else (200, 0.05)
        old = 1 + 0.05 * rng.normal(size=n)
        new = old + change + 0.05 * rng.normal(size=n)
        losses = {"informer": new, "champion": old, "naive": np.full(n, 2.0)}
        parts.append(windows(losses, name=f"s{i}"))
    table = pd.concat(parts)
    evidence, ruling = judged(table)
    contest = evidence.over_champion["informer"]
    assert contest.error > contest.other  # worse, as most values say
    assert contest.chance.p_value > 0.5  # though at most cutoffs the one series says otherwise
    assert contest.chance.mean_difference == pytest.approx(contest.error - contest.other)
    assert ruling.verdict == "HOLD"


def test_a_forecast_that_is_no_number_does_not_win_by_the_others():
    """Nine of ten forecasts are missing, and the one that is there is right."""
    table = three(800, 0.0)
    own = table["model"] == "informer"
    table.loc[own, "mse"] = np.where(table.loc[own, "step"] % 10 == 0, 0.0, np.inf)
    evidence, ruling = judged(table)
    assert evidence.broken == ("informer",)
    assert ruling.verdict == "HOLD"
    assert "not all finite numbers" in ruling.reason


def test_a_classical_baseline_is_compared_on_the_windows_that_it_forecast():
    """On every 25th window the challenger errs more than it does on the others."""
    n = 800
    informer = np.where(np.arange(n) % 25 == 0, 3.0, 0.5)
    table = windows({"informer": informer, "auto_ets": np.full(n, 1.0), "naive": np.full(n, 2.0)})
    table = table[(table["model"] != "auto_ets") | (table["step"] % 25 == 0)]
    evidence, ruling = judged(table)
    contest = evidence.over_baselines["auto_ets"]
    assert (contest.error, contest.other, contest.n_windows) == (3.0, 1.0, 32)
    assert (ruling.verdict, ruling.serves) == ("FALLBACK", "auto_ets")


def test_baselines_are_ranked_on_the_windows_that_all_of_them_forecast():
    """The naive model errs less over all windows, but more on those of the classical one."""
    n = 800
    on_some = np.arange(n) % 25 == 0
    table = windows({
        "informer": np.full(n, 5.0), "auto_ets": np.full(n, 2.0),
        "naive": np.where(on_some, 3.0, 1.0),
    })  # fmt: skip
    table = table[(table["model"] != "auto_ets") | (table["step"] % 25 == 0)]
    evidence, ruling = judged(table)
    assert evidence.baselines == {"auto_ets": 2.0, "naive": 3.0}
    assert (ruling.verdict, ruling.serves) == ("FALLBACK", "auto_ets")


def test_a_challenger_must_undercut_every_baseline_not_only_the_best():
    n = 800
    some = np.arange(n) % 25 == 0
    table = windows({
        "informer": np.where(some, 1.0, 2.0), "auto_ets": np.full(n, 1.1),
        "naive": np.where(some, 1.2, 1.5),
    })  # fmt: skip
    table = table[(table["model"] != "auto_ets") | (table["step"] % 25 == 0)]
    evidence, ruling = judged(table)
    assert min(evidence.baselines, key=evidence.baselines.get) == "auto_ets"
    assert ruling.verdict == "FALLBACK"
    assert "against naive" in ruling.reason


def test_the_best_baseline_stands_against_the_champion_where_the_challenger_fails():
    rng = np.random.default_rng(0)
    losses = {"informer": 0.6, "champion": 0.5001, "linear": 0.5}
    noisy = {name: mse + 0.1 * rng.normal(size=800) for name, mse in losses.items()}
    evidence, ruling = judged(windows(noisy))
    assert set(evidence.over_champion) == {"informer", "linear"}
    assert ruling.verdict == "HOLD"
    better = noisy | {"linear": noisy["linear"] - 0.1}
    _, ruling = judged(windows(better))
    assert (ruling.verdict, ruling.serves) == ("FALLBACK", "linear")


def test_further_seeds_share_no_network_with_the_challenger():
    asked = config("train.seed=5", "ensemble=3", "promote.spread_seeds=2")
    assert further_seeds(asked) == (8, 11)


def test_the_table_has_the_best_model_first():
    errors = {"mae": 0.1, "mase": 0.1, "coverage": 0.8, "churn": float("nan")}
    shown = {"informer": 0.9, "champion": 1.0, "naive": 2.0}
    evidence = Evidence({name: errors | {"mse": mse} for name, mse in shown.items()}, {}, {})
    names = [line.split("|")[1].strip() for line in comparison_table(evidence).splitlines()[2:]]
    assert names == ["informer", "champion", "naive"]


@pytest.mark.parametrize("wild", [np.nan, np.inf])
@pytest.mark.parametrize("model", ["informer", "champion", "naive"])
def test_a_loss_that_is_no_number_loses_whoever_has_it(wild, model):
    table = three(400, 0.2)
    own = (table["model"] == model) & (table["step"] % 2 == 0)
    table.loc[own, ["mse", "mae"]] = wild
    evidence, ruling = judged(table)
    served = {"informer": "champion", "champion": "informer", "naive": "informer"}[model]
    assert ruling.serves == served
    if model != "champion":
        assert model in evidence.broken or not np.isfinite(evidence.metrics[model]["mse"])


def test_a_run_in_which_no_model_can_serve_and_none_does_ends_with_one_line():
    wild = {"mse": math.nan, "mae": math.inf}
    found = SimpleNamespace(metrics={"informer": wild, "linear": wild}, champion_version=None)
    with pytest.raises(EvidenceError, match=r"none forecasts finite numbers alone.*informer nan"):
        require_candidate(found, config())
    for kept in ({"champion_version": "3"}, {"metrics": {"informer": wild, "linear": {"mse": 1}}}):
        require_candidate(SimpleNamespace(**vars(found) | kept), config())


def test_the_best_stand_first_and_what_is_no_number_last():
    errors = {"a": math.nan, "b": 2.0, "c": math.inf, "d": 1.0}
    table = {
        n: dict.fromkeys(("mse", "mae", "mase", "coverage", "churn"), e) for n, e in errors.items()
    }
    lines = comparison_table(Evidence(table, {}, {})).splitlines()[2:]
    assert [line[2] for line in lines] == ["d", "b", "a", "c"]
