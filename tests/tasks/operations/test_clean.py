"""Working files that nobody used for a while are removed, and no others."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from flows.__main__ import main
from informer.errors import ConfigError
from tasks.operations.clean import KINDS, Cleaned, clean_home
from tasks.settings import Home

DAY_S = 86_400


def written(path: Path, days_ago: float, n_bytes: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(n_bytes))
    for one in (path, path.parent):
        os.utime(one, (time.time(), time.time() - days_ago * DAY_S))
    return path


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.setenv("INFORMER_HOME", str(tmp_path))
    return Home(tmp_path)


def test_what_nobody_used_is_removed_and_the_rest_stays(home):
    snapshots, stages = home.snapshot_dir, home.stage_dir("x").parent
    old = [
        written(snapshots / "old.parquet", 31),
        written(stages / "old" / "model" / "weights.bin", 31, 100),
        written(home.run_dir("old") / "drift.csv", 31),
        written(home.trials_dir("study") / "0" / "last.ckpt", 31),
    ]
    kept = [
        written(snapshots / "new.parquet", 29),
        written(stages / "used" / "model" / "weights.bin", 31),
        written(stages / "used" / "done", 1),
        written(home.forecast_dir / "tiny" / "old.parquet", 400),
        written(home.artifact_dir / "run" / "model.bin", 400),
    ]
    os.utime(stages / "used", (0, 0))  # a file in it is newer
    (stages / "old").touch()
    os.utime(stages / "old", (0, 0))
    os.utime(home.trials_dir("study"), (0, 0))
    told = clean_home(home, 30, dry_run=True)
    assert all(path.exists() for path in [*old, *kept])
    assert clean_home(home, 30) == told
    assert not [path for path in old if path.exists()]
    assert all(path.exists() for path in kept)
    assert [one.kind for one in told] == list(KINDS)
    assert [one.n for one in told] == [1, 1, 1, 1]
    assert told[0].n_bytes == 10
    assert told[1].n_bytes >= 100
    assert clean_home(home, 30) == [Cleaned(kind, 0, 0) for kind in KINDS]


def test_less_than_a_day_is_refused(home):
    with pytest.raises(ConfigError, match="--older-than is 0; it must be at least 1 day"):
        clean_home(home, 0)


def test_the_command_says_what_it_gave_back(home, capsys):
    written(home.snapshot_dir / "old.parquet", 91, 2_000_000)
    assert main(["clean", "--dry-run", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "would remove 1 of mlruns/snapshots: 2.0 MB"
    record = json.loads(lines[-1])
    assert record["dry_run"] is True
    assert record["removed"][0] == {"kind": "snapshots", "n": 1, "n_bytes": 2_000_000}
    assert main(["clean"]) == 0
    assert capsys.readouterr().out.startswith("removed 1 of mlruns/snapshots: 2.0 MB")
    assert list(home.snapshot_dir.iterdir()) == []
