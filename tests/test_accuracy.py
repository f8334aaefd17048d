"""docs/accuracy.md holds what the kept results say, and its commands run."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from flows.commands import make_parser
from tasks.benchmark import read_published
from tasks.settings import load_config

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^informer (.*?)(?:  #.*)?$", PAGE, flags=re.MULTILINE)
ROW = {"horizon": 24, "model": "informer", "mse": 0.31, "mae": 0.35, "mse_std": 0.001,
       "mae_std": None, "coverage": 0.8012, "width": 1.234, "wql": 0.21, "seeds": 3,
       "n_windows": 2857, "seconds": 61.26}  # fmt: skip
RUN = {"horizon": 24, "command": "informer", "commit": "f00d" * 10, "seconds": 4000.0}
MADE = {"command": "x", "commit": "0123456789abcdef", "torch": "2.0", "device": "a CPU",
        "threads": 2, "rows": [ROW], "runs": [RUN]}  # fmt: skip


@pytest.fixture
def accuracy(monkeypatch):
    """The script, imported as it is run: its own folder first."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("accuracy")


def test_the_page_is_made_of_the_kept_results(accuracy):
    assert accuracy.written(PAGE, accuracy.render(ROOT / "benchmarks" / "results")) == PAGE


def test_a_set_that_was_run_has_its_rows_and_how_they_were_made(accuracy, tmp_path):
    (tmp_path / "accuracy-ours-M.json").write_text(json.dumps(MADE))
    text = accuracy.render(tmp_path)
    assert (
        "| 24 | informer | 0.3100 ± 0.0010 | 0.3500 | 80.1 % | 1.23 | 0.2100 | 3 | 2,857 | 61.3 |"
        in text
    )
    assert "1 h 7 min in all, on a CPU, 2 threads, torch 2.0. Not run: 48, 96," in text
    assert "\ninformer  # 1 h 7 min, commit f00df00df00d\n" in text
    assert text.count("Not run yet") == 3


def test_a_part_that_is_run_again_takes_the_place_of_its_own_horizon(accuracy):
    kept = [{"horizon": 24, "model": "old"}, {"horizon": 96, "model": "kept"}]
    found = accuracy._in_place(kept, [{"horizon": 24, "model": "new"}])
    assert [row["model"] for row in found] == ["new", "kept"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_parses(command):
    make_parser().parse_args(command.split())


def test_the_commands_of_every_set_parse_and_their_configurations_are_there(accuracy):
    for rows in accuracy.SETS.values():
        for horizon in rows.horizons:
            command = rows.command.format(horizon=horizon, seeds=3)
            args = make_parser().parse_args(command.split()[1:])
            assert load_config(args.conf, conf_dir=ROOT / "conf")


def test_the_published_figures_can_be_read_and_each_names_its_source():
    rows = read_published(ROOT / "conf")
    found = {(p.data, p.features, p.horizon, p.model): p.mse for p in rows}
    assert len(found) == len(rows)
    assert found["ETTh1", "M", 24, "Informer"] == 0.577
    assert all(p.source for p in rows)
