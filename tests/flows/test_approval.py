"""A person's approval: a real server, a real worker that ends while the question waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.__main__ import main
from tasks.judging import Ruling
from tasks.judging.approval import Approval, answered
from tasks.judging.gate import Contest, Evidence
from tasks.models import read_ledger
from tasks.models.ledger import history
from tasks.runs import connect
from tasks.settings import load_config

ROOT = Path(__file__).parents[2]
RULING = Ruling("PROMOTE", "test mse 0.4000 beats naive 0.5000", "informer")
FLOW = '''\
"""The part of retrain that asks, over a version that is registered already."""

from pathlib import Path

from prefect import flow

from tasks.judging import Evaluation, Ruling, approved, check_approval
from tasks.judging.evaluate import Windows
from tasks.judging.gate import Contest, Evidence
from tasks.models import promote_version
from tasks.settings import find_home, load_config


@flow(persist_result=True)
def ask() -> str:
    home = find_home()
    config = load_config("tiny", ["promote.approval=true"], conf_dir=home.conf_dir)
    check_approval(config)
    errors = {"mse": 0.4, "mae": 0.5, "mase": 1.0, "coverage": 0.8, "churn": 0.1}
    evaluation = Evaluation(
        metrics={"informer": errors, "naive": errors | {"mse": 0.5}}, losses=Path(),
        baseline_dirs={"naive": Path()}, champion_version=None, incomparable="",
        windows=Windows("a", "b", 9),
    )
    evidence = Evidence(evaluation.metrics, {"naive": 0.5}, {"naive": Contest(0.4, 0.5, 9)})
    ruling = Ruling("PROMOTE", "test mse 0.4000 beats naive 0.5000", "informer")
    ruling = approved(evidence, ruling, "1", evaluation, config, "run-of-a-test", home)
    if ruling.verdict == "PROMOTE":
        promote_version("tiny", "1", home, reason=ruling.reason)
    return ruling.reason
'''


def evidence(champion: bool) -> Evidence:
    errors = {"informer": 0.4, "naive": 0.5, "linear": 0.45}
    if champion:
        errors["champion"] = 0.6
    baselines = {name: errors[name] for name in ("naive", "linear")}
    over = {name: Contest(0.4, mse, 9) for name, mse in baselines.items()}
    return Evidence({name: {"mse": mse} for name, mse in errors.items()}, baselines, over)


def test_an_answer_becomes_part_of_the_reason(home):
    config = load_config("tiny", conf_dir=home.conf_dir)
    yes = Approval(approve=True, reason="looks right.", name="Ada")
    ruling = answered(evidence(champion=True), RULING, yes, config)
    assert ruling.verdict == "PROMOTE"
    assert ruling.reason == "test mse 0.4000 beats naive 0.5000; approved by Ada: looks right"


@pytest.mark.parametrize(
    ("champion", "verdict", "serves"),
    [(True, "HOLD", "champion"), (False, "FALLBACK", "linear")],
)
def test_a_rejection_leaves_the_champion_or_serves_the_best_baseline(
    home, champion, verdict, serves
):
    config = load_config("tiny", conf_dir=home.conf_dir)
    ruling = answered(evidence(champion), RULING, Approval(), config)
    assert (ruling.verdict, ruling.serves) == (verdict, serves)
    assert ruling.reason.startswith("rejected by a person in the Prefect UI: no reason was given")


def test_a_run_that_cannot_be_suspended_is_refused_before_any_work(home, capsys):
    assert main(["retrain", "tiny", "promote.approval=true"]) == 2
    error = capsys.readouterr().err
    assert "informer retrain tiny --deployment" in error
    assert "promote.approval=false" in error


@pytest.fixture
def deployed(home, tmp_path):
    """A deployment of a flow that asks, a pool for it, and a function that works off the pool."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.flows import flow
    from prefect.settings import PREFECT_API_URL

    (tmp_path / "asking.py").write_text(FLOW)
    client = connect(home)
    client.create_registered_model("tiny")
    client.create_model_version("tiny", "file:///nowhere", await_creation_for=0)
    with get_client(sync_client=True) as prefect:
        prefect.create_work_pool(WorkPoolCreate(name="asking", type="process"))
    made = flow.from_source(source=str(tmp_path), entrypoint="asking.py:ask")
    made.deploy("asking", work_pool_name="asking", build=False, push=False, print_next_steps=False)

    def work() -> None:
        environment = os.environ | {
            "PREFECT_API_URL": PREFECT_API_URL.value(), "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(tmp_path / "prefect"),
        }  # fmt: skip
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "asking"]
        command += ["--run-once", "--install-policy", "never"]
        subprocess.run(command, env=environment, check=True, timeout=200, cwd=tmp_path)

    return work, client


@pytest.mark.slow
def test_a_deployed_run_waits_without_its_worker_and_goes_on_when_answered(deployed):
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment
    from prefect.flow_runs import resume_flow_run

    work, client = deployed
    run = run_deployment("ask/asking", timeout=0)
    work()
    with get_client(sync_client=True) as prefect:
        state = prefect.read_flow_run(run.id).state
    assert (state.type.value, state.name) == ("PAUSED", "Suspended")
    (waiting,) = read_ledger(client, "tiny")
    assert waiting.action == "hold"
    assert "waits for a person's approval" in waiting.reason
    assert client.get_model_version("tiny", "1").tags["verdict"] == "WAITING"
    assert client.get_registered_model("tiny").aliases == {}

    resume_flow_run(run.id, run_input={"approve": True, "reason": "go", "name": "Ada"})
    work()
    with get_client(sync_client=True) as prefect:
        state = prefect.read_flow_run(run.id).state
    assert state.is_completed(), state
    _, promoted = history(read_ledger(client, "tiny"), "1")
    assert promoted.action == "promote"
    assert promoted.reason.endswith("approved by Ada: go")
    assert str(client.get_registered_model("tiny").aliases["champion"]) == "1"
