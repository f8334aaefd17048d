"""What the README says can be done can be done."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from flows.commands import make_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines()]


def test_the_two_commands_stand_before_line_26():
    head = "\n".join(README.splitlines()[:26])
    assert "make demo" in head
    assert "make test" in head


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_a_make_target_exists(command):
    subprocess.run(["make", "-n", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", [c for c in COMMANDS if "informer " in c])
def test_a_documented_command_parses(command):
    make_parser().parse_args(command.split("informer ")[1].split())


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_a_linked_file_exists(target):
    assert target.startswith("http") or (ROOT / target).exists()


def test_the_library_example_runs(tmp_path, monkeypatch, capsys):
    import numpy as np
    import pandas as pd

    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    hours = np.arange(500)
    times = pd.date_range("2024-01-01", periods=500, freq="h")
    load = np.sin(hours / 4)
    frame = pd.DataFrame({"ds": times, "load": load, "temperature": load * 2})
    frame.to_csv(tmp_path / "load.csv", index=False)
    monkeypatch.chdir(tmp_path)
    short = "training=TrainingConfig(epochs=1, steps_per_epoch=2),\n    val=230,\n)\nforecaster"
    exec(code.replace(")\nforecaster", f"    {short}", 1).replace(
        "import Forecaster,", "import TrainingConfig, Forecaster,"
    ))  # fmt: skip
    assert "y_hat_q90" in capsys.readouterr().out
