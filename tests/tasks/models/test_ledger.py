"""The ledger in MLflow's real store: nothing is lost, nothing changes unnoticed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import pairwise

import pytest

from tasks.models.ledger import MAX_TAG, Facts, history, read_ledger, record, verify
from tasks.models.moves import promote_version, rollback
from tasks.settings import RegistryError

NAME = "tiny"


def entries_of(registry):
    return read_ledger(registry.client, NAME)


def problems_of(registry):
    return verify(registry.client, NAME, entries_of(registry))


def rows_of(registry):
    return history(entries_of(registry), registry.aliases.get("champion"))


@pytest.fixture
def moved(registry):
    """Version 1 promoted, then 2, then back to 1, then 3 held."""
    promote_version(NAME, "1", registry.home, reason="the first")
    promote_version(NAME, "2", registry.home, reason="it is better")
    rollback(NAME, registry.home, reason="it was not")
    record(registry.client, NAME, "hold", "3", ("1", "1"), "no better", Facts())
    return registry


def test_every_move_is_an_entry_with_who_when_why_and_what(moved):
    entries = entries_of(moved)
    assert [(e.action, e.from_version, e.to_version) for e in entries] == [
        ("promote", None, "1"), ("promote", "1", "2"), ("rollback", "2", "1"), ("hold", "1", "1"),
    ]  # fmt: skip
    first = entries[0]
    assert "@" in first.who
    assert first.when.endswith("+00:00")
    assert first.reason == "the first"
    assert (first.facts.data_sha256, first.facts.git_commit) == ("d" * 64, "c0ffee")
    assert [row.state for row in rows_of(moved)] == ["done"] * 4
    assert problems_of(moved) == []


def test_each_entry_names_the_one_before(moved):
    entries = entries_of(moved)
    assert entries[0].before == ()
    for earlier, later in pairwise(entries):
        assert later.before == (earlier.sha256,)


def test_keys_sort_as_the_times_do(moved):
    keys = [entry.key for entry in entries_of(moved)]
    assert keys == sorted(keys)


def test_a_changed_entry_is_found(moved):
    entry = entries_of(moved)[1]
    value = json.loads(moved.client.get_registered_model(NAME).tags[entry.key])
    forged = json.dumps(value | {"reason": "all was well"})
    moved.client.set_registered_model_tag(NAME, entry.key, forged)
    assert problems_of(moved) == [f"the entry of {entry.when} (promote, version 2) was changed"]


def test_an_entry_that_is_forged_with_its_hash_is_found(moved):
    entry = entries_of(moved)[1]
    forged = replace(entry, reason="all was well")
    forged = replace(forged, sha256=forged.digest)
    moved.client.set_registered_model_tag(NAME, entry.key, json.dumps(asdict(forged)))
    assert any("missing" in problem for problem in problems_of(moved))


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_removed_entry_is_found_wherever_it_was(moved, place):
    moved.client.delete_registered_model_tag(NAME, entries_of(moved)[place].key)
    assert any("missing" in problem for problem in problems_of(moved))


def test_an_entry_that_is_no_entry_is_told(moved):
    key = entries_of(moved)[0].key
    moved.client.set_registered_model_tag(NAME, key, "nonsense")
    with pytest.raises(RegistryError, match="cannot be read"):
        entries_of(moved)


def test_a_move_outside_shows_as_one(moved):
    moved.client.set_registered_model_alias(NAME, "champion", "3")
    assert [row.action for row in rows_of(moved)][-1] == "outside"
    promote_version(NAME, "2", moved.home)
    outside, last = rows_of(moved)[-2:]
    assert (outside.action, outside.from_version, outside.to_version) == ("outside", "1", "3")
    assert (last.action, last.from_version, last.to_version) == ("promote", "3", "2")
    assert problems_of(moved) == []


def test_a_champion_from_before_the_ledger_shows_as_outside(registry):
    registry.client.set_registered_model_alias(NAME, "champion", "1")
    promote_version(NAME, "2", registry.home)
    assert [(row.action, row.to_version) for row in rows_of(registry)] == [
        ("outside", "1"), ("promote", "2"),
    ]  # fmt: skip


def test_writers_at_the_same_time_lose_no_entry_and_break_no_chain(registry):
    def write(number: int) -> None:
        record(registry.client, NAME, "hold", "3", (None, None), f"no. {number}", Facts())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(12)))
    write(12)
    entries = entries_of(registry)
    assert {entry.reason for entry in entries} == {f"no. {number}" for number in range(13)}
    named = {sha256 for entry in entries for sha256 in entry.before}
    assert {entry.sha256 for entry in entries} - named == {entries[-1].sha256}
    assert problems_of(registry) == []


@pytest.mark.parametrize("text", ["x", "\u6f2b\u7530", '"\\', "\x01\n", "\N{ROCKET}", "\udcff"])
def test_a_reason_is_cut_where_its_entry_would_be_too_long_for_the_tag(registry, text):
    reason = text * (9_000 // len(text))
    promote_version(NAME, "1", registry.home, reason=reason)
    (entry,) = entries_of(registry)
    stored = registry.client.get_registered_model(NAME).tags[entry.key]
    assert 4980 < len(stored) <= MAX_TAG
    assert entry.reason.endswith(" ...")
    assert entry.reason[:-4] == reason.encode(errors="replace").decode()[: len(entry.reason) - 4]
    assert (entry.facts.data_sha256, entry.facts.git_commit) == ("d" * 64, "c0ffee")
    assert problems_of(registry) == []


def test_a_long_reason_in_chinese_is_kept_whole(registry):
    reason = "\u65b0\u6a21\u578b\u66f4\u597d" * 800
    promote_version(NAME, "1", registry.home, reason=reason)
    assert entries_of(registry)[0].reason == reason


def test_an_entry_that_an_earlier_release_wrote_in_ascii_still_holds(registry):
    promote_version(NAME, "1", registry.home, reason="\u65b0\u6a21\u578b")
    (entry,) = entries_of(registry)
    before = json.dumps(asdict(entry), sort_keys=True)
    assert before.isascii()
    registry.client.set_registered_model_tag(NAME, entry.key, before)
    promote_version(NAME, "2", registry.home, reason="\u66f4\u597d")
    assert [e.reason for e in entries_of(registry)] == ["\u65b0\u6a21\u578b", "\u66f4\u597d"]
    assert problems_of(registry) == []


def test_a_model_that_is_not_registered_has_an_empty_ledger(registry):
    assert read_ledger(registry.client, "unknown") == ()
