"""The rows of a training are mapped from files beside the snapshot."""

import os
import time

import numpy as np
import pandas as pd

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
