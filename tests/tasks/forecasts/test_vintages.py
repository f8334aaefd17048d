"""The store of forecasts: what is in it stays, whoever writes at the same time."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest

from tasks.forecasts.vintages import (
    COLUMNS,
    commit_vintage,
    known_at,
    last_made,
    last_scheduled,
    list_vintages,
    part_name,
    parts_of,
    read_vintage,
    read_vintages,
    stamp_parts,
    vintage_path,
)
from tasks.settings import PipelineError, StoreError, locked_draft

N_STEPS = 6


def write_vintage(table: pd.DataFrame, folder: Path, n_parts: int = 1) -> tuple[Path, bool]:
    """As a forecast writes it: aside, then in its place; the rows cut into `n_parts`."""
    first = table.iloc[0]
    path = vintage_path(folder, table["cutoff"].max(), first["model_version"], first["data_sha256"])
    with locked_draft(folder) as draft:
        (draft / "0").mkdir()
        size = -(-len(table) // n_parts)
        for i in range(n_parts):
            part = table.iloc[i * size : (i + 1) * size]
            part.to_parquet(draft / "0" / part_name(i), index=False)
        return path, commit_vintage(draft / "0", path)


def vintage(
    cutoff: str, made: str = "2024-06-01", version: str = "1", sha: str = "a", level: float = 1.0
) -> pd.DataFrame:
    first = pd.Timestamp(cutoff)
    return pd.DataFrame(
        {
            "unique_id": "x",
            "ds": pd.date_range(first, periods=N_STEPS + 1, freq="h")[1:],
            "cutoff": first,
            "model_version": version,
            "created_at": pd.Timestamp(made),
            "data_sha256": sha * 64,
            "y_hat": level,
            "y_hat_q10": level - 1,
        }
    )


def write(level: float, folder: Path) -> bool:
    """Of one of many processes."""
    return write_vintage(vintage("2024-05-01", level=level), folder)[1]


def write_parts(level: float, folder: Path) -> bool:
    """Of one of many processes, a vintage of several parts."""
    return write_vintage(vintage("2024-05-01", level=level), folder, n_parts=3)[1]


def test_an_empty_store_has_the_columns_and_no_row(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        table = read_vintages(folder)
        assert tuple(table.columns) == COLUMNS
        assert table.empty
        assert known_at(pd.Timestamp("2024-01-01"), table).empty
    assert str(table["created_at"].dtype) == "datetime64[us]"


def test_what_was_written_is_read_and_lies_beside_it_as_csv(tmp_path):
    table = vintage("2024-05-01 06:00", version="12")
    path, is_new = write_vintage(table, tmp_path / "store")
    assert (path.name, is_new) == ("20240501T060000-v12-aaaaaaaa.parquet", True)
    pd.testing.assert_frame_equal(read_vintages(tmp_path / "store"), table, check_dtype=False)
    copy = pd.read_csv(path.with_suffix(".csv"), parse_dates=["ds"])
    assert copy["ds"].tolist() == table["ds"].tolist()
    (found,) = list_vintages(tmp_path / "store")
    assert (found.cutoff, found.version) == (pd.Timestamp("2024-05-01 06:00"), "12")


def test_of_the_same_vintage_the_first_stays(tmp_path):
    path, _ = write_vintage(vintage("2024-05-01", level=1), tmp_path)
    before = path.read_bytes()
    again, is_new = write_vintage(vintage("2024-05-01", level=2), tmp_path)
    assert (again, is_new) == (path, False)
    assert path.read_bytes() == before


def test_of_many_processes_that_write_at_once_one_wins_and_both_files_are_its_own(tmp_path):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        for _ in range(5):
            written = list(pool.map(write, [1.0, 2.0, 3.0, 4.0], [tmp_path] * 4))
            assert sum(written) == 1
            (path,) = tmp_path.glob("*.parquet")
            kept, copy = pd.read_parquet(path), pd.read_csv(path.with_suffix(".csv"))
            assert kept["y_hat"].nunique() == 1
            assert copy["y_hat"].tolist() == kept["y_hat"].tolist()
            assert len(list(tmp_path.iterdir())) == 2  # no draft is left
            for file in tmp_path.iterdir():
                file.unlink()


@pytest.mark.parametrize("code", ["EPERM", "ENOTSUP", "EXDEV", "EMLINK", "ENOSYS"])
def test_a_share_without_hard_links_keeps_the_first_of_many_too(tmp_path, monkeypatch, code):
    def refused(*_: object) -> None:
        number = getattr(errno, code)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        written = list(pool.map(write, [1.0, 2.0, 3.0, 4.0], [tmp_path] * 4))
    assert sum(written) == 1
    (path,) = tmp_path.glob("*.parquet")
    before = path.read_bytes()
    assert len(read_vintage(path)) == N_STEPS
    assert write_vintage(vintage("2024-05-01", level=9), tmp_path) == (path, False)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2  # the vintage and its CSV: no draft, no lock


def test_a_copy_that_fails_on_the_way_leaves_no_vintage(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def full(_source: Path, copy: Path) -> None:
        copy.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StoreError, match="No space left"):
        write(1.0, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_failure_of_the_link_is_told(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(StoreError, match="Permission denied"):
        write(1.0, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_many_processes_that_commit_a_folder_at_once_one_wins(tmp_path):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        for _ in range(5):
            assert sum(pool.map(write_parts, [1.0, 2.0, 3.0, 4.0], [tmp_path] * 4)) == 1
            (path,) = tmp_path.iterdir()  # no draft is left, and a folder has no copy
            assert pd.read_parquet(path)["y_hat"].nunique() == 1
            assert len(read_vintage(path)) == N_STEPS
            shutil.rmtree(path)


def test_parts_are_read_as_one_vintage_beside_single_files(tmp_path):
    table = vintage("2024-05-02")
    path, is_new = write_vintage(table, tmp_path, n_parts=3)
    assert is_new
    assert path.is_dir()
    assert [p.name for p in parts_of(path)] == [part_name(i) for i in range(3)]
    pd.testing.assert_frame_equal(read_vintage(path), table, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(path), table, check_dtype=False)
    write_vintage(vintage("2024-05-01", made="2024-05-01"), tmp_path)
    assert [v.path.is_dir() for v in list_vintages(tmp_path)] == [False, True]
    read = read_vintages(tmp_path)
    assert read["cutoff"].unique().tolist() == [
        pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-02")
    ]  # fmt: skip
    assert len(read) == 2 * N_STEPS
    assert write_vintage(table.assign(y_hat=9.0), tmp_path, n_parts=2) == (path, False)
    assert write_vintage(table.assign(y_hat=9.0), tmp_path) == (path, False)
    pd.testing.assert_frame_equal(read_vintage(path), table, check_dtype=False)


def test_a_copy_that_a_killed_run_did_not_write_comes_with_the_next(tmp_path):
    path, _ = write_vintage(vintage("2024-05-01"), tmp_path)
    path.with_suffix(".csv").unlink()
    write_vintage(vintage("2024-05-01"), tmp_path)
    assert len(pd.read_csv(path.with_suffix(".csv"))) == N_STEPS


def test_files_from_before_vintages_are_read_with_their_own_time(tmp_path):
    old = vintage("2024-04-01", version="3").drop(columns=["created_at", "data_sha256"])
    path = tmp_path / "20240401T000000-v3.parquet"
    old.to_parquet(path, index=False)
    os.utime(path, (1_714_000_000, 1_714_000_000))
    write_vintage(vintage("2024-05-01"), tmp_path)
    table = read_vintages(tmp_path)
    assert table["model_version"].tolist() == ["3"] * N_STEPS + ["1"] * N_STEPS
    first = table.iloc[0]
    assert first["created_at"] == pd.Timestamp(1_714_000_000, unit="s")
    assert first["data_sha256"] == ""
    assert read_vintage(path)["y_hat"].tolist() == old["y_hat"].tolist()


def test_drafts_and_other_files_are_no_vintages(tmp_path):
    write_vintage(vintage("2024-05-01"), tmp_path)
    (tmp_path / ".20240502T000000-v1-aaaaaaaa-x1.parquet").write_bytes(b"half a file")
    vintage("2024-05-02").to_parquet(tmp_path / "export.parquet")
    assert read_vintages(tmp_path)["cutoff"].unique().tolist() == [pd.Timestamp("2024-05-01")]


def test_a_damaged_vintage_is_named(tmp_path):
    path, _ = write_vintage(vintage("2024-05-01"), tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match=path.name):
        read_vintages(tmp_path)


def test_earlier_cutoffs_can_be_left_unread(tmp_path):
    for day in ("2024-05-01", "2024-05-02", "2024-05-03"):
        write_vintage(vintage(day), tmp_path)
    table = read_vintages(tmp_path, since=pd.Timestamp("2024-05-02"))
    assert table["cutoff"].min() == pd.Timestamp("2024-05-02")
    assert len(table) == 2 * N_STEPS


def test_what_was_known_is_the_newest_made_by_then(tmp_path):
    write_vintage(vintage("2024-05-01 00:00", made="2024-05-01 00:10", level=1), tmp_path)
    write_vintage(vintage("2024-05-01 02:00", made="2024-05-01 02:10", level=2), tmp_path)
    write_vintage(
        vintage("2024-05-01 02:00", made="2024-05-01 03:00", version="2", level=3), tmp_path
    )
    # Made last, from an older cutoff: it hides nothing of a later one.
    write_vintage(vintage("2024-05-01 01:00", made="2024-05-01 09:00", sha="b", level=4), tmp_path)
    table = read_vintages(tmp_path)

    def at(time: str) -> list[float]:
        return known_at(pd.Timestamp(time), table)["y_hat"].tolist()

    assert at("2024-05-01 00:05") == []
    assert at("2024-05-01 00:10") == [1.0] * 6
    assert at("2024-05-01 02:30") == [1.0, 1.0] + [2.0] * 6
    assert at("2024-05-01 03:00") == [1.0, 1.0] + [3.0] * 6
    assert at("2024-06-01") == [1.0, 4.0] + [3.0] * 6


def stamped(folder: Path, cutoff: str, as_of: str | None = None, n_parts: int = 1) -> Path:
    """A vintage as a forecast writes it, stamped when its parts are complete."""
    table = vintage(cutoff).drop(columns="created_at")
    path = vintage_path(folder, table["cutoff"].max(), "1", "a" * 64)
    made_at = pd.Timestamp("2024-07-01 12:00:00.123456")
    with locked_draft(folder) as draft:
        (draft / "0").mkdir()
        size = -(-len(table) // n_parts)
        for i in range(n_parts):
            part = table.iloc[i * size : (i + 1) * size]
            part.to_parquet(draft / "0" / part_name(i), index=False)
        stamp_parts(draft / "0", made_at, None if as_of is None else pd.Timestamp(as_of))
        commit_vintage(draft / "0", path)
    return path


@pytest.mark.parametrize("n_parts", [1, 3])
@pytest.mark.parametrize("as_of", [None, "2024-05-01 10:00"])
def test_all_parts_bear_the_time_at_which_they_were_complete(tmp_path, n_parts, as_of):
    path = stamped(tmp_path, "2024-05-01", as_of, n_parts)
    table = read_vintage(path)
    assert table["created_at"].unique().tolist() == [pd.Timestamp("2024-07-01 12:00:00.123456")]
    assert str(table["created_at"].dtype) == "datetime64[us]"
    assert list(pd.read_parquet(path).columns[:7]) == list(COLUMNS)
    pd.testing.assert_frame_equal(
        table.drop(columns="created_at"), vintage("2024-05-01").drop(columns="created_at"),
        check_dtype=False,
    )  # fmt: skip
    if n_parts == 1:
        assert list(pd.read_csv(path.with_suffix(".csv")).columns[:7]) == list(COLUMNS)


def test_what_as_of_asked_for_is_not_taken_for_the_last_scheduled_vintage(tmp_path):
    stamped(tmp_path, "2024-05-01")
    stamped(tmp_path, "2024-05-02", n_parts=2)
    stamped(tmp_path, "2024-05-03 07:00", "2024-05-03 07:30")
    stamped(tmp_path, "2024-05-04", "2024-05-04", n_parts=2)
    write_vintage(vintage("2024-04-30"), tmp_path)  # of an earlier release
    found = list_vintages(tmp_path)
    for before, wanted in (
        ("2024-06-01", "2024-05-02"), ("2024-05-02", "2024-05-01"), ("2024-05-01", "2024-04-30"),
    ):  # fmt: skip
        assert last_scheduled(found, pd.Timestamp(before)) == pd.Timestamp(wanted)
    assert last_scheduled(found, pd.Timestamp("2024-04-30")) is None
    (tmp_path / "20240505T000000-v1-aaaaaaaa.parquet").write_bytes(b"half")
    with pytest.raises(StoreError, match="20240505T000000"):
        last_scheduled(list_vintages(tmp_path), pd.Timestamp("2024-06-01"))


def test_of_a_cutoff_that_was_forecast_twice_the_last_made_counts():
    tables = [
        vintage("2024-05-01", made="2024-05-03", sha="b", level=3),
        vintage("2024-05-01", made="2024-05-02", level=2),
        vintage("2024-05-01", made="2024-05-04", version="2", level=4),
        vintage("2024-05-01 01:00", made="2024-05-01", level=1),
    ]
    found = last_made(pd.concat(tables, ignore_index=True))
    assert found["y_hat"].tolist() == [3.0] * 6 + [4.0] * 6 + [1.0] * 6
    assert last_made(found[:0]).empty


def test_writing_never_touches_another_vintage(tmp_path):
    write_vintage(vintage("2024-05-01"), tmp_path)
    before = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.iterdir()}
    write_vintage(vintage("2024-05-01", sha="b"), tmp_path)
    write_vintage(vintage("2024-05-01", version="2"), tmp_path)
    assert len(list_vintages(tmp_path)) == 3
    after = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in before}
    assert after == before


@pytest.mark.parametrize("wild", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("n_parts", [1, 3])
def test_a_forecast_that_is_no_number_becomes_no_vintage_and_its_series_is_named(
    tmp_path, wild, n_parts
):
    table = vintage("2024-01-05")
    table.loc[4, "y_hat"] = wild
    with pytest.raises(PipelineError, match="the forecast of x is not finite"):
        write_vintage(table, tmp_path, n_parts)
    assert list_vintages(tmp_path) == []
    assert not list(tmp_path.glob("*.csv"))
    write_vintage(vintage("2024-01-05"), tmp_path, n_parts)
    assert len(list_vintages(tmp_path)) == 1
