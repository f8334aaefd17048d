"""Many series in chunks: the same rows as all at once, and nothing but whole vintages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tasks.forecasts.chunks
from informer import FrameConfig
from informer.errors import ConfigError, FrameError
from tasks.forecasts.chunks import keep_seen, known_times, read_groups
from tasks.forecasts.cutoffs import current_series, known_rows
from tasks.forecasts.fanout import Chunk, check_engine, forecast_chunk
from tasks.forecasts.vintages import part_name
from tasks.rows import snapshot
from tasks.rows.prepare import MAX_NAMED, left_out_lines
from tasks.settings import ForecastConfig, Home, SourceError, StoreError, load_config, locked_draft

FRAME = FrameConfig(columns=("y",), freq="h", max_gap=3)
N_HOURS = 120
CONF = Path(__file__).parents[3] / "conf"


def series(name: str, n: int = N_HOURS, first: str = "2024-01-01") -> pd.DataFrame:
    y = np.sin(np.arange(n) / 4.0) + len(name)
    return pd.DataFrame(
        {"unique_id": name, "ds": pd.date_range(first, periods=n, freq="h"), "y": y}
    )


@pytest.fixture
def rows() -> pd.DataFrame:
    """Five series; `c` ended long ago, `d` is young and begins late, `e` lacks its last values."""
    late = series("d", 10, "2024-01-05 14:00")
    rows = pd.concat(
        [series("a"), series("bb"), series("c", 60), late, series("e")], ignore_index=True
    )
    rows.loc[rows.index[-2:], "y"] = np.nan
    return rows.astype({"unique_id": "str"})


@pytest.fixture
def path(rows, tmp_path) -> Path:
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    return tmp_path / "rows.parquet"


def test_known_times_are_those_of_values_in_any_chunk(rows, tmp_path):
    rows.loc[[3, 4], "y"] = np.nan  # which other series have
    path = tmp_path / "rows.parquet"
    rows.to_parquet(path, index=False)
    for n_series in (1, 5):
        times = known_times(path, FRAME, n_series)
        assert times.tolist() == rows["ds"][:N_HOURS].tolist()
        assert known_times(path, FRAME, n_series, rows["ds"][3])[-1] == rows["ds"][3]
        with pytest.raises(SourceError, match=r"there are no rows up to 2023.*begin at 2024-01-01"):
            known_times(path, FRAME, n_series, pd.Timestamp("2023-01-01"))


def test_one_chunk_keeps_the_bytes_of_a_snapshot_of_the_whole(rows, path, forecaster, tmp_path):
    """The names of vintages, and explain-change, hang on them."""
    home = Home(tmp_path)
    last = rows["ds"].max()
    whole, left_out = current_series(
        known_rows(rows, FRAME, last), forecaster, ForecastConfig(), last
    )
    seen = keep_seen(path, forecaster, ForecastConfig(), home, last)
    assert (seen.chunks, seen.left_out) == (((0, 1),), left_out)
    assert seen.sha256 == snapshot(whole, "rows", Home(tmp_path / "other")).sha256
    assert [p.name for p in home.snapshot_dir.iterdir()] == [seen.path.name]


def test_chunks_see_the_rows_that_all_at_once_would_and_leave_out_the_same(
    rows, path, forecaster, tmp_path
):
    last = rows["ds"].max()
    once = keep_seen(path, forecaster, ForecastConfig(), Home(tmp_path), last)
    for n_series, chunks in ((2, 3), (1, 4)):  # of c and d, c has ended
        config = ForecastConfig(chunk_series=n_series)
        seen = keep_seen(path, forecaster, config, Home(tmp_path), last)
        assert len(seen.chunks) == chunks
        assert seen.left_out == once.left_out
        assert set(seen.left_out) == {"c"}
        pd.testing.assert_frame_equal(pd.read_parquet(seen.path), pd.read_parquet(once.path))
        again = keep_seen(path, forecaster, config, Home(tmp_path), last)
        assert again == seen


def test_chunks_of_more_rows_than_a_row_group_are_read_whole(
    rows, path, forecaster, tmp_path, monkeypatch
):
    monkeypatch.setattr(tasks.forecasts.chunks, "GROUP_ROWS", 100)
    write = tasks.forecasts.chunks.pq.ParquetWriter.write_table
    monkeypatch.setattr(
        tasks.forecasts.chunks.pq.ParquetWriter,
        "write_table",
        lambda self, table: write(self, table, 100),
    )
    config = ForecastConfig(chunk_series=2)
    seen = keep_seen(path, forecaster, config, Home(tmp_path), rows["ds"].max())
    assert seen.chunks == ((0, 3), (3, 4), (4, 6))
    names = [set(read_groups(seen.path, groups)["unique_id"]) for groups in seen.chunks]
    assert names == [{"a", "bb"}, {"d"}, {"e"}]


def test_where_no_series_can_be_forecast_some_say_why(forecaster, tmp_path):
    old = pd.concat([series(f"s{i}", 12) for i in range(5)], ignore_index=True)
    old.to_parquet(tmp_path / "rows.parquet", index=False)
    config, home = ForecastConfig(chunk_series=2), Home(tmp_path)
    later = old["ds"].max() + pd.Timedelta("9h")
    with pytest.raises(FrameError, match=r"'s0' ended at 2024-01-01 11:00:00; .* and 2 more"):
        keep_seen(tmp_path / "rows.parquet", forecaster, config, home, later)
    assert list(home.snapshot_dir.iterdir()) == []


def test_parts_together_are_the_forecast_of_all_series(rows, path, forecaster, tmp_path):
    seen = keep_seen(
        path, forecaster, ForecastConfig(chunk_series=2), Home(tmp_path), rows["ds"].max()
    )
    chunks = chunks_of(seen, forecaster, tmp_path)
    made = [forecast_chunk.fn(chunk) for chunk in chunks]
    whole = forecaster.predict(pd.read_parquet(seen.path))
    assert [(part.n_rows, part.n_series, part.n_naive) for part in made] == [
        (12, 2, 0), (6, 1, 1), (6, 1, 0),
    ]  # fmt: skip
    assert made[1].left_out == {"d": "has 10 rows, a forecast reads 24"}
    table = pd.concat([pd.read_parquet(chunk.part) for chunk in chunks], ignore_index=True)
    table["fallback"] = table["fallback"].fillna("")
    pd.testing.assert_frame_equal(table[whole.columns], whole, check_dtype=False)
    assert set(table["data_sha256"]) == {seen.sha256}
    assert "created_at" not in table  # which is known once all parts are there


def test_a_worker_that_does_not_share_the_folders_says_so(rows, path, forecaster, tmp_path):
    seen = keep_seen(path, forecaster, ForecastConfig(), Home(tmp_path), rows["ds"].max())
    (chunk,) = chunks_of(seen, forecaster, tmp_path)
    seen.path.unlink()
    with pytest.raises(StoreError, match=r"worker of the forecast cannot see .* at the same"):
        forecast_chunk.fn(chunk)


def chunks_of(seen, forecaster, folder: Path) -> list[Chunk]:
    model = forecaster.save(folder / "model")
    (folder / "parts").mkdir()
    return [
        Chunk(
            number=i + 1, n_chunks=len(seen.chunks), rows=seen.path, groups=groups,
            sha256=seen.sha256, model=model, version="1", part=folder / "parts" / part_name(i),
        )
        for i, groups in enumerate(seen.chunks)
    ]  # fmt: skip


DIES = """
import os, signal, sys
from pathlib import Path
from tasks.settings import locked_draft
with locked_draft(Path(sys.argv[1])) as draft:
    (draft / "half").write_text("a part")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_draft_of_a_killed_run_goes_with_the_next_and_that_of_a_running_one_stays(tmp_path):
    command = [sys.executable, "-c", DIES, str(tmp_path)]
    root = Path(__file__).parents[3]
    killed = subprocess.run(command, check=False, cwd=root, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    left = sorted(tmp_path.iterdir())
    assert [path.suffix for path in left] == ["", ".lock"]
    with locked_draft(tmp_path) as running:
        assert not any(path.exists() for path in left)
        with locked_draft(tmp_path) as other:
            assert running.is_dir()
            assert other != running
    assert list(tmp_path.iterdir()) == []


BAD_DASK = r"forecast\.dask: .*null for .* whole number .* address .* such as tcp://host:8786"


def test_an_engine_that_is_not_installed_is_a_mistake_that_names_the_mend(monkeypatch):
    check_engine(ForecastConfig())
    monkeypatch.setitem(sys.modules, "prefect_dask", None)  # what import takes for missing
    with pytest.raises(ConfigError, match=r"pip install 'informer-pipeline\[scale\]', or set"):
        check_engine(ForecastConfig(dask=2))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("forecast.chunk_series=0", "chunk_series"),
        *((f"forecast.dask={bad}", BAD_DASK) for bad in ("0", "-1", "true", "2.5", "host", "[2]")),
    ],
)
def test_a_bad_value_is_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("nyc-weather", [override], conf_dir=CONF)


def test_of_many_series_left_out_a_report_names_the_first():
    few = left_out_lines({"x": "ended at noon"}, "forecast")
    assert few == ["series 'x' is not forecast: it ended at noon"]
    many = left_out_lines({f"s{i}": "ended at noon" for i in range(10_000)}, "forecast")
    assert len(many) == MAX_NAMED + 1
    assert many[-1] == f"and {10_000 - MAX_NAMED:,} more series are not forecast"
