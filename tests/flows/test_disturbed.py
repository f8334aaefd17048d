"""A retrain that is disturbed at any stage and run again ends as one that was not disturbed.

Each stage fails at its worst moment: its work is done, and nothing tells so yet.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from flows.__main__ import main
from tasks.models import promote_version, read_ledger
from tasks.runs.stages import Stage
from tasks.settings import StoreError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
WEAK = ("tiny", "tune.n_trials=0", "baselines.models=[naive]")
STRONG = (
    "tiny", "tune.n_trials=1", "baselines.models=[naive]", "train.epochs=4",
    "train.steps_per_epoch=40", "promote.spread_seeds=1",
)  # fmt: skip
KEPT = ("load", "features", "tune", "train", "evaluate", "score-seed", "decide")
CALLS = {
    "validate": "tasks.rows.validate:create_table_artifact",
    "register": "tasks.models.registry:_tag_version",
    "promote": "tasks.judging.promote:_show",
    "forecast": "tasks.forecasts.forecast:_figure",
}
STAGES = (*KEPT, *CALLS)
Blow = Callable[[], None]


def disturb(stage: str, blow: Blow, replace: Callable[[object, str, Any], None]) -> None:
    """Let a blow fall when the work of a stage is done."""
    if stage in CALLS:
        module, name = CALLS[stage].split(":")
        replace(importlib.import_module(module), name, lambda *_args, **_options: blow())
        return
    keep = Stage.keep

    def disturbed(self: Stage[Any], *args: Any) -> None:
        if self.name == stage:
            blow()
        keep(self, *args)

    replace(Stage, "keep", disturbed)


def raises() -> None:
    raise StoreError("the disk is full.")


def kills() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def source(home) -> str:
    """A pipeline whose first version is poor; others begin with copies of it."""
    assert main(["retrain", *WEAK, "name=source"]) == 0
    return "source"


@pytest.fixture
def client(home) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(home.tracking_uri)
    return mlflow.MlflowClient()


class Pipeline:
    """One pipeline: version 1 serves, version 2 is there; what a retrain makes of it."""

    def __init__(
        self, name: str, number: int, source: str, client: mlflow.MlflowClient, root: Path
    ) -> None:
        self.name, self.client, self.number = name, client, number
        shutil.copy(root / "rows.csv", root / f"rows-{number}.csv")
        for _ in range(2):
            client.copy_model_version(f"models:/{source}/1", name)
        client.set_registered_model_alias(name, "champion", "1")

    @property
    def command(self) -> list[str]:
        """Its stages have keys of their own, and the same results as everyone's."""
        own = (f"train.max_val_windows={100_000 + self.number}",
               f"data.source=rows-{self.number}.csv")  # fmt: skip
        return ["retrain", *STRONG, f"name={self.name}", *own, "--json"]

    def fails(self, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            disturb(stage, raises, patch.setattr)
            assert main(self.command) == 1

    def dies(self, stage: str, home_root: Path) -> None:
        """The whole process is killed, which leaves no time to tidy up."""
        from prefect.settings import PREFECT_API_URL

        environment = os.environ | {
            "INFORMER_HOME": str(home_root), "PREFECT_API_URL": PREFECT_API_URL.value() or "",
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        command = [sys.executable, __file__, stage, *self.command]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr

    def finishes(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        capsys.readouterr()
        status = main(self.command)
        captured = capsys.readouterr()
        assert status == 0, captured.err
        record: dict[str, Any] = json.loads(captured.out.splitlines()[-1])
        return record

    def outcome(self, record: dict[str, Any]) -> dict[str, Any]:
        """All that a retrain leaves, but for what differs between any two runs."""
        experiment = self.client.get_experiment_by_name(self.name).experiment_id
        runs = self.client.search_runs([experiment], "tags.identity LIKE '%'")
        gate = mlflow.artifacts.load_dict(f"runs:/{record['run_id']}/gate.json")
        versions = self.client.search_model_versions(f"name='{self.name}'")
        forecast = pd.read_parquet(record["forecast_path"]).select_dtypes("number")
        changing = ("run_id", "forecast_path", "model_name")
        return {
            "record": {key: value for key, value in record.items() if key not in changing},
            "gate": {key: value for key, value in gate.items() if key != "run_id"},
            "runs": [run.info.status for run in runs],
            "curve": len(self.client.get_metric_history(record["run_id"], "val_loss")),
            "verdict": runs[0].data.tags["verdict"],
            "versions": sorted(
                (str(one.version), one.tags.get("estimator"), one.tags.get("verdict"))
                for one in versions
            ),
            "aliases": {
                alias: str(version)
                for alias, version in self.client.get_registered_model(self.name).aliases.items()
            },
            "ledger": [
                (entry.action, entry.version, entry.from_version, entry.to_version)
                for entry in read_ledger(self.client, self.name)
            ],
            "forecast": forecast.round(6).to_dict("list"),
        }


@pytest.fixture(scope="module")
def undisturbed(home, source) -> dict[str, Any]:
    mlflow.set_tracking_uri(home.tracking_uri)
    pipeline = Pipeline("undisturbed", 0, source, mlflow.MlflowClient(), home.root)
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(pipeline.command) == 0
    found = pipeline.outcome(json.loads(out.getvalue().splitlines()[-1]))
    assert found["record"]["verdict"] == "PROMOTE", found["record"]["reason"]
    assert found["aliases"] == {"champion": "3", "challenger": "3", "previous": "1"}
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_what_fails_and_then_is_killed_ends_as_if_nothing_had_been(
    stage, home, source, undisturbed, client, capsys, monkeypatch
):
    pipeline = Pipeline(f"broken-{stage}", 1 + STAGES.index(stage), source, client, home.root)
    pipeline.fails(stage, monkeypatch)
    pipeline.dies(stage, home.root)
    record = pipeline.finishes(capsys)
    assert pipeline.outcome(record) == undisturbed


@pytest.mark.parametrize("stage", KEPT)
def test_what_is_lost_after_a_failure_is_made_again(
    stage, home, source, undisturbed, client, capsys, monkeypatch
):
    """The run fails late, at its forecast; then the result of one stage is gone."""
    pipeline = Pipeline(f"lost-{stage}", 21 + STAGES.index(stage), source, client, home.root)
    before = set((home.store_dir / "stages").glob(f"{stage}-*"))
    pipeline.fails("forecast", monkeypatch)
    own = set((home.store_dir / "stages").glob(f"{stage}-*")) - before
    assert own
    for folder in own:
        shutil.rmtree(folder)
    found = pipeline.outcome(pipeline.finishes(capsys))
    assert found == undisturbed


@pytest.mark.parametrize("stage", [one for one in STAGES if one != "load"])
def test_a_champion_that_is_moved_meanwhile_changes_no_verdict_and_stays(
    stage, home, source, undisturbed, client, capsys, monkeypatch
):
    """Where the load fails, no run has begun: the next one is compared with the new champion."""
    pipeline = Pipeline(f"moved-{stage}", 41 + STAGES.index(stage), source, client, home.root)
    pipeline.fails(stage, monkeypatch)
    promote_version(pipeline.name, "2", home, reason="a person's word")
    record = pipeline.finishes(capsys)
    found = pipeline.outcome(record)
    assert found["gate"] == undisturbed["gate"]
    assert found["versions"] == undisturbed["versions"]
    assert found["runs"] == undisturbed["runs"]
    assert record["metrics"] == undisturbed["record"]["metrics"]
    assert (record["verdict"], record["promoted"]) == ("PROMOTE", False)
    assert record["champion_version"] == found["aliases"]["champion"] == "2"
    assert "the champion was moved to version 2" in record["reason"]


def test_the_same_again_is_a_run_of_its_own_against_the_new_champion(
    home, source, undisturbed, client, capsys
):
    pipeline = Pipeline("again", 61, source, client, home.root)
    first, second = (pipeline.finishes(capsys) for _ in range(2))
    assert pipeline.outcome(first)["record"] == undisturbed["record"]
    assert second["run_id"] != first["run_id"]
    assert (second["verdict"], second["champion"]["version"]) == ("HOLD", "3")
    assert second["metrics"] == first["metrics"]
    assert second["champion_version"] == "3"


if __name__ == "__main__":
    disturb(sys.argv[1], kills, setattr)
    main(sys.argv[2:])
