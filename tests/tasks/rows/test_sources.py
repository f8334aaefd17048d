"""Named data sets, files by path, and snapshots."""

from __future__ import annotations

import hashlib

import pandas as pd
import pytest

from tasks.rows import datasets
from tasks.rows.datasets import DATASETS, Dataset, fetch, find_dataset, locate
from tasks.rows.sources import read, snapshot
from tasks.settings import Home, SourceError, StoreError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("INFORMER_DATA_DIR", raising=False)
    return Home(tmp_path)


def test_the_weather_comes_with_an_installed_package(home):
    frame = read("nyc-weather", home)
    assert len(frame) == 26_115
    assert frame["origin"].nunique() == 3


def test_names_are_found_in_any_case():
    assert find_dataset("etth1") is find_dataset("ETTh1") is not None
    assert find_dataset("ETTh9") is None
    assert len({d.name for d in DATASETS}) == len(DATASETS) == 5


def test_a_named_folder_is_looked_in_before_the_cache(home, tmp_path, monkeypatch):
    dataset = Dataset("x", "", "", "x.csv")
    for folder in (tmp_path / "own", home.cache_dir):
        folder.mkdir(parents=True)
        (folder / "x.csv").write_text("a\n1\n")
    assert locate(dataset, home) == home.cache_dir / "x.csv"
    monkeypatch.setenv("INFORMER_DATA_DIR", str(tmp_path / "own"))
    assert locate(dataset, home) == tmp_path / "own" / "x.csv"


def test_a_file_that_is_not_the_published_one_is_refused(home):
    home.cache_dir.mkdir(parents=True)
    (home.cache_dir / "x.csv").write_text("a\n1\n")
    with pytest.raises(SourceError, match=r"not the published x: its sha256 is"):
        fetch(Dataset("x", "", "", "x.csv", sha256="00"), home)


def test_the_transformer_data_is_the_published_file(etth1_path):
    expected = find_dataset("ETTh1").sha256
    assert hashlib.sha256(etth1_path.read_bytes()).hexdigest() == expected


def test_a_download_lands_whole_in_the_cache_and_is_not_repeated(home, tmp_path, monkeypatch):
    published = tmp_path / "published"
    published.mkdir()
    (published / "x.csv").write_text("a\n1\n")
    monkeypatch.setattr(datasets, "ETT_URL", f"{published.as_uri()}/{{}}")
    dataset = Dataset("x", "", "", "x.csv")
    assert fetch(dataset, home) == home.cache_dir / "x.csv"
    (published / "x.csv").unlink()
    assert fetch(dataset, home).read_text() == "a\n1\n"


def test_a_download_that_fails_says_how_to_do_without(home, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "ETT_URL", f"{tmp_path.as_uri()}/nothing/{{}}")
    with pytest.raises(SourceError, match="INFORMER_DATA_DIR"):
        fetch(Dataset("x", "", "", "x.csv"), home)
    assert not home.cache_dir.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no file"), ("", "is empty"), ("a,b\n", "no rows"), ('a\n"1', "cannot read")],
)
def test_a_source_that_cannot_be_used_is_named(home, tmp_path, content, message):
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SourceError, match=message):
        read(str(path), home)


def test_csv_and_parquet_read_the_same(home, tmp_path):
    frame = pd.DataFrame({"ds": ["2024-01-01", "2024-01-02"], "y": [1.5, 2.0]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    for name in ("rows.csv", "rows.parquet"):
        pd.testing.assert_frame_equal(read(name, home), frame)


def test_a_snapshot_is_named_by_its_content(home):
    frame = pd.DataFrame({"y": [1.0, 2.0]})
    first, again = snapshot(frame, "a", home), snapshot(frame, "b", home)
    other = snapshot(frame * 2, "a", home)
    assert first.path == again.path != other.path
    assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert pd.read_parquet(first.path)["y"].tolist() == [1.0, 2.0]


def test_a_snapshot_that_cannot_be_written_is_a_store_error(tmp_path):
    (tmp_path / "mlruns").write_text("a file, not a folder")
    with pytest.raises(StoreError, match="cannot write"):
        snapshot(pd.DataFrame({"y": [1.0]}), "a", Home(tmp_path))
