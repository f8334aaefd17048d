"""Parquet is read in chunks of whole series."""

import numpy as np
import pandas as pd
import pytest

import informer.data.chunks
from informer.config import FrameConfig
from informer.data.chunks import series_chunks
from informer.errors import FrameError

FRAME = FrameConfig(columns=("y",), target="y", features="S")
NAMES = ["a", "bb", "c", "d", "e"]
N_HOURS = 30


@pytest.fixture
def rows():
    times = pd.date_range("2024-01-01", periods=N_HOURS, freq="h").as_unit("us")
    n = len(NAMES)
    return pd.DataFrame(
        {"unique_id": np.repeat(NAMES, N_HOURS), "ds": np.tile(times, n), "y": np.arange(30.0 * n)}
    ).astype({"unique_id": "str"})


@pytest.fixture
def path(rows, tmp_path):
    path = tmp_path / "rows.parquet"
    rows.to_parquet(path, index=False, row_group_size=37)
    return path


@pytest.mark.parametrize("batch", [7, 60, 100, 65_536])
@pytest.mark.parametrize("n_series", [1, 2, 5, 9])
def test_chunks_are_cut_between_series_wherever_the_batches_end(
    rows, path, batch, n_series, monkeypatch
):
    monkeypatch.setattr(informer.data.chunks, "BATCH_ROWS", batch)
    chunks = list(series_chunks(path, FRAME, n_series=n_series))
    names = [list(chunk["unique_id"].unique()) for chunk in chunks]
    assert names == [NAMES[i : i + n_series] for i in range(0, 5, n_series)]
    pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), rows)


@pytest.mark.parametrize(("n_rows", "lengths"), [(1, [1] * 5), (31, [2, 2, 1]), (1000, [5])])
def test_chunks_end_with_the_series_that_fills_them(rows, path, n_rows, lengths):
    chunks = list(series_chunks(path, FRAME, n_rows=n_rows))
    assert [chunk["unique_id"].nunique() for chunk in chunks] == lengths
    pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), rows)


def test_a_frame_without_ids_is_one_chunk(rows, tmp_path):
    alone = rows.loc[rows["unique_id"] == "a", ["ds", "y"]]
    alone.to_parquet(tmp_path / "alone.parquet", index=False)
    frame = FrameConfig(columns=("y",), target="y", id_column=None)
    (chunk,) = series_chunks(tmp_path / "alone.parquet", frame, n_series=1)
    assert len(chunk) == N_HOURS


def test_series_that_stand_apart_are_refused(rows, tmp_path):
    path = tmp_path / "rows.parquet"
    pd.concat([rows.iloc[40:], rows.iloc[:40]]).to_parquet(path, index=False)
    with pytest.raises(FrameError, match="series 'a' comes after 'e'; rows that are"):
        list(series_chunks(path, FRAME))


def test_rows_of_no_series_are_refused(rows, tmp_path):
    path = tmp_path / "rows.parquet"
    rows.assign(unique_id=rows["unique_id"].where(rows.index != 50)).to_parquet(path, index=False)
    with pytest.raises(FrameError, match="has a row without a series name"):
        list(series_chunks(path, FRAME))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FrameError, match="holds no Parquet file"):
        list(series_chunks(tmp_path, FRAME))
