"""The rows of a training are mapped from files beside the snapshot."""

import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from informer.config import FrameConfig
from informer.data import Split, regular_frame, regular_panel
from tasks.rows.prepare import ROWS_KEPT, Prepared, history
from tasks.rows.sources import Snapshot

FRAME = FrameConfig(columns=("y",), target="y", features="S")


def prepared(folder):
    times = pd.date_range("2024-01-01", periods=50, freq="h")
    rows = pd.DataFrame(
        {"unique_id": np.repeat(["a", "b"], 50), "ds": np.tile(times, 2), "y": np.arange(100.0)}
    )
    path = folder / "0123.parquet"
    regular_frame(rows.drop(index=[7]), FRAME).to_parquet(path, index=False)
    snapshot = Snapshot(path, "0123", "rows.csv", 100)
    return Prepared(snapshot, snapshot, Split(times[30], times[40], times[-1]), 2)


def test_a_training_sees_no_test_row(tmp_path):
    ready = prepared(tmp_path)
    panel = history(ready, FRAME)
    rows = pd.read_parquet(ready.snapshot.path)
    expected = regular_panel(rows[rows["ds"] < ready.split.test_start], FRAME)
    np.testing.assert_array_equal(panel.values, expected.values)
    np.testing.assert_array_equal(panel.observed, expected.observed)
    assert panel.grid[-1] < ready.split.test_start


def test_row_files_are_used_again_and_those_out_of_use_are_removed(tmp_path):
    ready = prepared(tmp_path)
    made = history(ready, FRAME).folder
    old, cut_off = tmp_path / "4567-89abcdef.rows", tmp_path / ".89ab-cdef0123.rows-x7f3"
    for folder in (old, cut_off):
        folder.mkdir()
    for folder, days in ((old, 1), (cut_off, 1), (made, -1)):
        when = time.time() - (ROWS_KEPT.total_seconds() + days * 3600)
        os.utime(folder, (when, when))
    inode = made.stat().st_ino
    assert history(ready, FRAME).folder == made
    assert made.stat().st_ino == inode
    assert made.stat().st_mtime > time.time() - 60
    assert not old.exists()
    assert not cut_off.exists()
    assert ready.snapshot.path.exists()


NOBODY = 65534


def values_seen(ready: Prepared) -> tuple[int, int]:
    """Who this process runs as, and how many values it finds."""
    return os.getuid(), history(ready, FRAME).values.size


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may be others")
def test_a_second_user_of_a_shared_store_trains_on_the_rows_of_the_first():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        ready = prepared(Path(folder))
        size = history(ready, FRAME).values.size
        made = history(ready, FRAME).folder
        before = made.stat().st_mtime
        pool = ProcessPoolExecutor(
            1, mp_context=get_context("fork"), initializer=os.setuid, initargs=(NOBODY,)
        )
        with pool:
            assert pool.submit(values_seen, ready).result() == (NOBODY, size)
        assert made.stat().st_mtime == before


def test_what_is_made_for_a_shared_store_is_for_all_whom_the_umask_lets_in(tmp_path):
    ready = prepared(tmp_path)
    before = os.umask(0o002)
    try:
        folder = history(ready, FRAME).folder
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o775
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o664}
