"""Policies played over a stream whose level moves: what is decided, by what, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from informer.data import Split, regular_frame
from informer.errors import ConfigError, EvidenceError
from informer.evaluation import Stream
from tasks.replay.advice import recommend
from tasks.replay.engine import Played, play
from tasks.replay.models import Models
from tasks.replay.parts import default_start, moving_split, split_of
from tasks.replay.policies import Policy, cadence, read_policies
from tasks.replay.report import by_cutoff, outcome_of
from tasks.settings import RunConfig

N_ROWS, N_BEFORE, MOVED = 816, 480, 528
TIMES = pd.date_range("2024-01-01", periods=N_ROWS, freq="h")
CONFIG = RunConfig.model_validate({
    "name": "stream",
    "data": {"source": "rows.csv", "contract": "none.yaml"},
    "frame": {"id_column": None, "columns": ["y"], "target": "y"},
    "split": {"train": None, "val": 48, "test": 72},
    "model": {
        "seq_len": 24, "label_len": 12, "pred_len": 6, "d_model": 8, "n_heads": 2, "d_ff": 16,
        "e_layers": 1, "dropout": 0.0, "highway": "ridge",
    },
    "train": {"learning_rate": 1e-3, "epochs": 1, "batch_size": 32, "steps_per_epoch": 5},
    "tune": {"n_trials": 0},
    "baselines": {"models": ["naive"], "linear_look_back": 24},
    "promote": {"spread_seeds": 0},
    "forecast": {"every": "12h"},
    "monitor": {
        "window": "3d", "min_forecasts": 3, "max_degradation": 0.5, "coverage_tolerance": 0.4,
    },
})  # fmt: skip


def rows() -> pd.DataFrame:
    """A daily rhythm; from MOVED on a faster one, on another level."""
    rng = np.random.default_rng(3)
    hours = np.arange(N_ROWS)
    before, after = (5 * np.sin(hours * 2 * np.pi / period) for period in (24, 17))
    y = np.where(hours < MOVED, before, after + 6) + 0.3 * rng.normal(size=N_ROWS)
    return pd.DataFrame({"ds": TIMES, "y": y})


def played(frame: pd.DataFrame, *names: str) -> tuple[list[Played], Stream, Models]:
    regular = regular_frame(frame, CONFIG.frame)
    stream = Stream.begin(
        regular, CONFIG.frame, TIMES[N_BEFORE], cadence(CONFIG), CONFIG.model.pred_len
    )
    models = Models(stream, CONFIG.split, CONFIG)
    first, _, _ = models.first()
    scales = stream.scales(models.informer.deviations(stream.panel), CONFIG.frame.season)
    policies = read_policies(names, CONFIG)
    return [play(p, first, stream, scales, models, CONFIG) for p in policies], stream, models


@pytest.fixture(scope="module")
def moved() -> tuple[list[Played], Stream, Models]:
    return played(rows(), "never", "3d", "drift")


def test_each_policy_forecasts_every_cutoff_and_retrains_as_it_says(moved):
    found, stream, _ = moved
    n_cutoffs = (N_ROWS - N_BEFORE) // 12
    assert len(stream.cutoffs) == n_cutoffs
    assert stream.cutoffs[0] == TIMES[N_BEFORE - 1]
    never, third, drift = found
    for one in found:
        assert one.forecasts.groupby("cutoff").size().tolist() == [6] * n_cutoffs
        assert one.days["cutoff"].tolist() == stream.cutoffs.tolist()
    assert never.retrainings == []
    assert (never.days["trained_at"] == stream.cutoffs[0]).all()
    since = [done.cutoff - stream.cutoffs[0] for done in third.retrainings]
    assert since == [pd.Timedelta(days=3 * n) for n in range(1, 5)]
    assert {done.cause for done in third.retrainings} == {"schedule"}
    assert drift.retrainings
    for done in drift.retrainings:
        assert done.cause in {"drifted", "degraded", "drifted, degraded"}
        assert done.cutoff >= TIMES[MOVED]
    for kind in ("drifted", "degraded"):
        times = [done.cutoff for done in drift.retrainings if kind in done.cause]
        assert all(b - a >= pd.Timedelta(days=3) for a, b in pairwise(times))


def test_once_the_series_has_moved_retraining_beats_never_retraining(moved):
    found, stream, _ = moved
    never, third, drift = (outcome_of(one) for one in found)
    assert third.mae < 0.7 * never.mae
    assert drift.mae < 0.7 * never.mae
    # A gain that began once, in 28 forecasts, is one event: no policy is recommended for it.
    advice = recommend(found, stream, level=0.05)
    assert advice.policy is None
    assert "28 rolling origins are too few to tell a gain from chance" in advice.reason


def test_counts_of_an_outcome_are_those_of_its_retrainings_and_of_who_served(moved):
    found, stream, _ = moved
    for one in found:
        outcome = outcome_of(one)
        total = outcome.n_promoted + outcome.n_held + outcome.n_fallbacks
        assert total == outcome.n_retrains == len(one.retrainings)
        assert outcome.cpu_seconds == pytest.approx(
            sum(r.cost.cpu_seconds for r in one.retrainings)
        )
        changed = {r.cutoff for r in one.retrainings if r.verdict != "HOLD"}
        assert set(one.days["trained_at"]) == changed | {stream.cutoffs[0]}
    assert outcome_of(found[1]).n_promoted > 0


def test_errors_are_those_of_the_forecasts_against_what_came_in_the_first_models_units(moved):
    found, _, models = moved
    for one in found:
        table = one.forecasts.merge(rows(), on="ds", suffixes=("", "_came"))
        np.testing.assert_array_equal(table["y"], table["y_came"])
        error = (table["y_hat"] - table["y"]).abs() / models.informer.scales.deviation[0, 0]
        assert outcome_of(one).mae == pytest.approx(error.mean())
        inside = table["y"].between(table["y_hat_q10"], table["y_hat_q90"])
        assert outcome_of(one).coverage == pytest.approx(inside.mean())
        days = by_cutoff([one])
        assert days["mae_so_far"].iloc[-1] == pytest.approx(error.mean())


def test_nothing_that_comes_after_a_cutoff_changes_what_was_forecast_or_decided_by_then(moved):
    found, stream, _ = moved
    changed = MOVED + 150
    other = rows()
    other.loc[changed:, "y"] = other.loc[changed:, "y"] * -3 + 40
    again, _, _ = played(other, "never", "3d", "drift")
    until = TIMES[changed - 1]
    n_decided = 0
    for one, two in zip(found, again, strict=True):
        own, new = (o.forecasts[o.forecasts["cutoff"] <= until] for o in (one, two))
        pd.testing.assert_frame_equal(own.drop(columns="y"), new.drop(columns="y"))
        own, new = (o.days[o.days["cutoff"] <= until] for o in (one, two))
        pd.testing.assert_frame_equal(own, new)
        first, second = (
            [(r.cutoff, r.cause, r.reason) for r in o.retrainings if r.cutoff <= until]
            for o in (one, two)
        )
        assert first == second
        n_decided += len(first)
    assert n_decided >= 4
    assert (stream.cutoffs > until).any()
    late = [o.forecasts.loc[o.forecasts["cutoff"] > until, "y_hat"] for o in (found[0], again[0])]
    assert not np.allclose(*late)


def test_a_replay_repeated_gives_the_same(moved):
    found, _, _ = moved
    (again,), _, _ = played(rows(), "drift")
    pd.testing.assert_frame_equal(found[2].forecasts, again.forecasts)
    pd.testing.assert_frame_equal(found[2].days, again.days)


def test_policies_share_a_training_and_are_each_charged_for_it(moved):
    _, stream, models = moved
    champion, _, _ = models.first()
    fresh = Models(stream, CONFIG.split, CONFIG)
    first, _, _ = fresh.first()
    _, one, cost = fresh.challenge(6, first)
    _, two, again = fresh.challenge(6, first)
    assert fresh.n_trained == 2
    assert (one, cost) == (two, again)
    other = replace(first, forecaster=champion.forecaster, name="naive")
    _, _, anew = fresh.challenge(6, other)
    assert fresh.n_trained == 2
    assert anew.cpu_seconds > 0


def test_an_alarm_leads_to_one_retraining_a_window_and_each_kind_to_its_own():
    (policy,) = read_policies(["drift"], CONFIG)
    now, day = TIMES[100], pd.Timedelta(days=1)
    assert policy.cause(now, TIMES[0], [], {}) == ""
    assert policy.cause(now, TIMES[0], ["drifted"], {}) == "drifted"
    assert policy.cause(now, TIMES[0], ["drifted"], {"drifted": now - 2 * day}) == ""
    assert policy.cause(now, TIMES[0], ["drifted"], {"drifted": now - 3 * day}) == "drifted"
    both = ["drifted", "degraded"]
    assert policy.cause(now, TIMES[0], both, {"drifted": now - day}) == "degraded"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["weekly"], "'weekly'; use never, drift, or a time such as 7d"),
        (["7d", "7d"], "more than once"),
        (["6h"], "more often than it forecasts"),
        (["-3d"], "'-3d'"),
    ],
)
def test_what_is_no_policy_is_refused(names, told):
    with pytest.raises(ConfigError, match=told):
        read_policies(names, CONFIG)
    assert read_policies(["36h"], CONFIG) == (Policy("36h", every=pd.Timedelta("36h")),)


def config_with(**split: object) -> RunConfig:
    return CONFIG.with_values({f"split.{name}": value for name, value in split.items()})


@pytest.mark.parametrize(
    ("split", "lengths"),
    [
        ({"train": 0.6, "val": 0.2, "test": 0.2}, (300, 100, 100)),
        ({"train": 300, "val": 60, "test": 120}, (320, 60, 120)),
        ({"train": None, "val": 60, "test": 120}, (320, 60, 120)),
        ({"train": None, "val": "2024-01-28", "test": "2024-01-31"}, (332, 72, 96)),
    ],
)
def test_the_split_moves_along_with_what_is_known(split, lengths):
    config = config_with(**split)
    whole = config.split.resolve(TIMES[0], TIMES[-1], config.frame)
    parts = moving_split(whole, TIMES[-1], config)
    found = split_of(rows()[:500], parts, config)
    borders = [TIMES[0], found.val_start, found.test_start, found.test_end]
    hours = [int((b - a) / pd.Timedelta("1h")) for a, b in pairwise(borders)]
    assert tuple(hours) == lengths
    assert found.test_end == TIMES[500]


def test_a_replay_begins_where_the_test_part_ends_if_rows_follow_else_where_it_begins():
    split = Split(TIMES[300], TIMES[400], TIMES[500])
    start, why = default_start(split, TIMES[-1], CONFIG)
    assert start == TIMES[500]
    assert "316 steps after it" in why
    start, why = default_start(split, TIMES[504], CONFIG)
    assert start == TIMES[400]
    assert "No rows follow" in why


def test_too_little_before_the_start_or_nothing_after_it_is_told():
    frame, every = CONFIG.frame, cadence(CONFIG)
    with pytest.raises(ConfigError, match="no rows to play"):
        Stream.begin(rows(), frame, TIMES[-3], every, 6)
    with pytest.raises(ConfigError, match="no rows to play"):
        Stream.begin(rows(), frame, TIMES[-1] + pd.Timedelta(days=9), every, 6)
    with pytest.raises(ConfigError, match="has no row before it"):
        Stream.begin(rows(), frame, TIMES[0], every, 6)
    with pytest.raises(ConfigError, match=r"too few for a model.*--start"):
        split_of(rows()[:100], CONFIG.split, CONFIG)
    with pytest.raises(
        ConfigError, match=r"24 steps before .* are left to train, but a window needs 30"
    ):
        split_of(rows()[:144], CONFIG.split, CONFIG)


@pytest.fixture(scope="module")
def two_policies():
    return played(rows(), "never", "2d")


def test_a_policy_whose_forecasts_are_no_numbers_is_never_recommended(two_policies):
    (first, second), stream, _ = two_policies
    for wild in (np.nan, np.inf):
        broken = replace(first, scores=first.scores.assign(mae=wild, mse=wild))
        advice = recommend([broken, second], stream, 0.05)
        assert advice.policy == second.policy
        assert f"{first.policy}, whose forecasts are not all finite numbers" in advice.reason
        also = replace(second, scores=second.scores.assign(mae=wild, mse=wild))
        nothing = recommend([broken, also], stream, 0.05)
        assert nothing.policy is None
        assert "no policy forecasts finite numbers only" in nothing.reason


def test_a_replay_of_which_no_first_model_can_serve_says_so(two_policies, monkeypatch):
    _, stream, models = two_policies
    judged, cost = models.judge(0, None)
    held = replace(judged, ruling=replace(judged.ruling, serves="champion", reason="nothing"))
    monkeypatch.setattr(Models, "judge", lambda *_: (held, cost))
    with pytest.raises(EvidenceError, match="no model can serve the first cutoff: nothing"):
        Models(stream, CONFIG.split, CONFIG).first()
