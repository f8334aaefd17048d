"""What travels with a registered model, and how the aliases move."""

from __future__ import annotations

from contextlib import contextmanager

import mlflow
import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig
from tasks.models.ledger import history, read_ledger, verify
from tasks.models.moves import promote_version, rollback
from tasks.models.registry import _latest, _version
from tasks.settings import RegistryError

NAME = "tiny"


@pytest.mark.parametrize("id_column", ["unique_id", None])
def test_the_example_can_be_forecast_even_where_its_window_begins_in_a_gap(id_column):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.date_range("2024-01-01", periods=200, freq="h"),
            "y": rng.normal(size=200),
        }
    )
    config = ForecasterConfig(
        frame=FrameConfig(id_column=id_column, max_gap=5),
        model=InformerConfig(seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16),
    )
    forecaster = Forecaster.fit(rows, config, estimator="seasonal_naive")
    rows.loc[200 - 24 - 5 : 200 - 24 - 1, "y"] = np.nan
    example = _latest(rows, forecaster)
    assert len(example) == 24 + 5
    assert len(forecaster.predict(example)) == 6


def test_a_requirement_names_a_version_that_an_index_knows():
    assert "+" not in _version("torch")


def test_a_promotion_moves_the_aliases_and_says_what_served_before(registry):
    assert promote_version(NAME, "1", registry.home) is None
    assert promote_version(NAME, "3", registry.home) == "1"
    assert registry.aliases == {"champion": "3", "previous": "1", "challenger": "3"}


def test_to_promote_what_serves_already_moves_nothing(registry):
    promote_version(NAME, "1", registry.home)
    promote_version(NAME, "2", registry.home)
    assert promote_version(NAME, "2", registry.home) == "2"
    assert registry.aliases["previous"] == "1"
    assert len(read_ledger(registry.client, NAME)) == 2


def test_a_version_that_is_not_there_is_refused_before_anything_moves(registry):
    with pytest.raises(RegistryError, match="has no version 9"):
        promote_version(NAME, "9", registry.home)
    assert read_ledger(registry.client, NAME) == ()


def test_a_rollback_swaps_champion_and_previous_and_so_undoes_itself(registry):
    promote_version(NAME, "1", registry.home)
    promote_version(NAME, "2", registry.home)
    assert rollback(NAME, registry.home) == ("1", "2")
    assert (registry.aliases["champion"], registry.aliases["previous"]) == ("1", "2")
    assert rollback(NAME, registry.home) == ("2", "1")


def test_a_rollback_needs_something_to_go_back_to(registry):
    with pytest.raises(RegistryError, match="no champion to roll back"):
        rollback(NAME, registry.home)
    promote_version(NAME, "1", registry.home)
    with pytest.raises(RegistryError, match="the first champion"):
        rollback(NAME, registry.home)


class Crash(Exception):
    """Stands for the end of the process."""


@contextmanager
def crash_at(place: int):
    """Let the writing call number `place` (from 0) to the registry end the process."""
    count = iter(range(100))

    def guarded(write):
        def call(*args, **kwargs):
            if next(count) == place:
                raise Crash
            return write(*args, **kwargs)

        return call

    methods = ("set_registered_model_tag", "set_model_version_tag", "set_registered_model_alias")
    with pytest.MonkeyPatch.context() as patch:
        for method in methods:
            write = getattr(mlflow.MlflowClient, method)
            patch.setattr(mlflow.MlflowClient, method, guarded(write))
        yield


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_a_crash_between_steps_leaves_what_the_same_command_finishes(registry, command, place):
    promote_version(NAME, "1", registry.home)
    promote_version(NAME, "2", registry.home)

    def act() -> None:
        if command == "promote":
            promote_version(NAME, "3", registry.home, reason="better")
        else:
            rollback(NAME, registry.home, reason="worse")

    with crash_at(place), pytest.raises(Crash):
        act()
    assert registry.aliases["champion"] == "2"  # the commit point was not reached
    after_crash = history(read_ledger(registry.client, NAME), "2")
    assert [row.state for row in after_crash[2:]] == (["unfinished"] if place else [])
    act()
    target = "3" if command == "promote" else "1"
    assert (registry.aliases["champion"], registry.aliases["previous"]) == (target, "2")
    entries = read_ledger(registry.client, NAME)
    rows = history(entries, target)
    assert [(row.action, row.to_version, row.state) for row in rows] == [
        ("promote", "1", "done"), ("promote", "2", "done"), (command, target, "done"),
    ]  # fmt: skip
    assert verify(registry.client, NAME, entries) == []


def test_a_rollback_after_a_promotion_that_was_cut_off_still_finds_the_version_before(registry):
    promote_version(NAME, "1", registry.home)
    promote_version(NAME, "2", registry.home)
    with crash_at(3), pytest.raises(Crash):  # `previous` is on the champion itself by then
        promote_version(NAME, "3", registry.home)
    assert registry.aliases["previous"] == registry.aliases["champion"] == "2"
    assert rollback(NAME, registry.home) == ("1", "2")
    rows = history(read_ledger(registry.client, NAME), "1")
    assert [(row.action, row.state) for row in rows[2:]] == [
        ("promote", "unfinished"), ("rollback", "done"),
    ]  # fmt: skip
