"""A command imports what it needs and no more: what a person waits for is mostly imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = ("torch", "mlflow", "great_expectations", "prefect", "optuna", "matplotlib", "sqlalchemy")
FLOWS = sorted(f"flows.{path.stem}" for path in (ROOT / "flows").glob("[a-z]*.py"))
CODE = """
import contextlib, io, json, sys
from flows.__main__ import main
found = []
for argv in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            status = main(argv)
        except SystemExit as left:
            status = left.code
    found.append([status, said.getvalue(), sorted(sys.modules)])
print(json.dumps(found))
"""
CALLS = {
    "--help": (0, ""),
    "retrain --help": (0, ""),
    "reference --help": (0, ""),
    "data list": (0, ""),
    "deployments": (1, "does not match conf/"),
    "forecasts as-of 2024-01-01": (1, "no forecast was known"),
    "forecasts as-of yesterdayish": (2, "TIME 'yesterdayish' is not a time"),
    "nonsense": (2, "invalid choice: 'nonsense'"),
    "retrain nyc-weather modle.d_model=8": (2, "modle"),
    "forecast nyc-weather --as-of soon": (2, "--as-of 'soon' is not a time"),
    "backtest nyc-weather --refit-every 3": (2, "Add --roll FILE"),
    "setup-automations --webhook nowhere": (2, "is no URL"),
    "data fetch ETTh3": (2, "there is no data set named 'ETTh3'"),
} | {
    line: answer
    for name in (
        "retrain", "forecast", "backtest", "monitor", "replay", "explain-change", "models list",
    )
    for line, answer in (
        (f"{name} nyc-wether", (2, "no configuration 'nyc-wether'")),
        (f"{name} nyc-weather --tyop", (2, "unrecognized arguments: --tyop")),
    )
}  # fmt: skip


def called(folder: Path, *calls: str) -> list[tuple[int, str, set[str]]]:
    """Exit status, stderr, and what is heavy and imported, of calls in one new process in turn."""
    left_out = ("INFORMER_", "PREFECT_", "MLFLOW_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps([call.split() for call in calls])],
        cwd=ROOT, text=True, capture_output=True, timeout=120,
        env=environment | {"INFORMER_HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    heavy = {*HEAVY, *FLOWS} - {"flows.__main__"}
    found = json.loads(done.stdout.splitlines()[-1])
    return [(status, said, heavy & set(modules)) for status, said, modules in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A home with the project's own configurations, and nothing in its stores."""
    made = tmp_path_factory.mktemp("home")
    (made / "conf").symlink_to(ROOT / "conf")
    return made


@pytest.fixture(scope="module")
def answers(folder) -> dict[str, tuple[int, str, set[str]]]:
    """Of every call that needs no library; what one imports stays for those after it."""
    return dict(zip(CALLS, called(folder, *CALLS), strict=True))


@pytest.mark.parametrize("line", CALLS)
def test_what_needs_no_library_imports_none(answers, line):
    status, said = CALLS[line]
    found, error, imported = answers[line]
    assert said in error
    assert found == status
    assert imported == set()


def test_a_look_at_the_registry_imports_mlflow_alone(folder):
    for status, _, imported in called(
        folder, "models list nyc-weather", "models history nyc-weather"
    ):
        assert status == 0
        assert imported == {"mlflow", "sqlalchemy"}


def test_the_doctor_imports_torch_alone(folder):
    ((status, _, imported),) = called(folder, "doctor")
    assert status == 0
    assert imported == {"torch"}


def test_the_forecast_imports_no_other_flow():
    code = "import sys, flows.forecast; print([m for m in sys.modules if m.startswith('flows.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True
    )
    assert done.stdout.strip() == "['flows.forecast']"
