"""When which snapshot was read: found by time, noted by many at once, in step with cleaning."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest

from tasks.operations.clean import clean_home
from tasks.rows import reads
from tasks.rows.reads import forget_lost_reads, newest_read, note_read
from tasks.rows.sources import Snapshot, snapshot
from tasks.settings import Home, StoreError


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def read(home, monkeypatch):
    """Read a source that holds one value, at some time."""

    def at(time: str, value: float, source: str = "rows.csv") -> Snapshot:
        monkeypatch.setattr(reads, "utc_now", lambda: pd.Timestamp(time))
        raw = snapshot(pd.DataFrame({"y": [value]}), source, home)
        note_read(raw, home)
        return raw

    return at


def found(home: Home, by: str, source: str = "rows.csv") -> tuple[pd.Timestamp, Snapshot] | None:
    read = newest_read(source, pd.Timestamp(by), home)
    return None if read is None else (read.at, read.snapshot)


def notes(home: Home) -> list[Path]:
    return sorted((home.store_dir / "reads").glob("*/*"))


def test_the_rows_of_a_time_are_those_read_last_by_then(home, read):
    first, second = read("2024-05-01 06:00", 1.0), read("2024-05-02 06:00", 2.0)
    other = read("2024-05-01 12:00", 3.0, "other.csv")
    assert found(home, "2024-05-01 05:59") is None
    assert found(home, "2024-05-01 06:00") == (pd.Timestamp("2024-05-01 06:00"), first)
    assert found(home, "2024-05-02 05:00") == (pd.Timestamp("2024-05-01 06:00"), first)
    assert found(home, "2030-01-01") == (pd.Timestamp("2024-05-02 06:00"), second)
    assert found(home, "2030-01-01", "other.csv") == (pd.Timestamp("2024-05-01 12:00"), other)
    assert found(home, "2030-01-01", "third.csv") is None


def test_only_a_change_is_noted_also_one_back_to_what_was(home, read):
    for day, value in enumerate([1.0, 1.0, 2.0, 2.0, 1.0], start=1):
        read(f"2024-05-0{day}", value)
    assert len(notes(home)) == 3
    assert found(home, "2024-05-06")[0] == pd.Timestamp("2024-05-05")


def note(value: int, root: Path) -> None:
    """Of one of many processes."""
    home = Home(root)
    note_read(snapshot(pd.DataFrame({"y": [value]}), "rows.csv", home), home)


def test_processes_that_read_at_once_lose_no_note(home):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        list(pool.map(note, range(20), [home.root] * 20))
    assert len({path.stem.split("-")[1] for path in notes(home)}) == 20
    read = newest_read("rows.csv", pd.Timestamp("2100-01-01"), home)
    assert read is not None
    assert read.snapshot.path.is_file()


def test_where_the_snapshot_of_a_time_is_gone_no_older_one_takes_its_place(home, read):
    read("2024-05-01", 1.0)
    gone, last = read("2024-05-02", 2.0), read("2024-05-03", 3.0)
    gone.path.unlink()
    forget_lost_reads(home)
    assert found(home, "2024-05-02 12:00") is None
    assert found(home, "2024-05-01 12:00") is not None
    assert found(home, "2024-05-03") == (pd.Timestamp("2024-05-03"), last)


def test_cleaning_forgets_the_reads_whose_snapshots_go(home, read):
    old, new = read("2024-05-01", 1.0), read("2024-05-02", 2.0)
    os.utime(old.path, (0, 0))
    clean_home(home, 30, dry_run=True)
    assert len(notes(home)) == 2
    clean_home(home, 30)
    assert len(notes(home)) == 1
    assert found(home, "2024-05-01 12:00") is None
    assert found(home, "2024-05-02 12:00") == (pd.Timestamp("2024-05-02"), new)
    os.utime(new.path, (0, 0))
    assert found(home, "2024-05-02 12:00") is not None  # and counts as used from now on
    clean_home(home, 30)
    assert new.path.exists()


def test_a_damaged_note_is_named(home, read):
    read("2024-05-01", 1.0)
    (path,) = notes(home)
    path.write_text("{half")
    with pytest.raises(StoreError, match=path.name):
        found(home, "2024-05-02")
