"""Champion and challenger on data made so, and `informer models`, with the real stores."""

from __future__ import annotations

import threading
import time

import mlflow
import numpy as np
import optuna
import pandas as pd
import pytest

from flows.__main__ import main
from tasks.models import promote_version, require_champion, rollback
from tasks.runs import FLOW_RUN_TAG
from tasks.settings import load_config
from tests.flows.conftest import answer as run, latest_artifact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # its first test waits for three retrains

WEAK = ("tiny", "name=rivals", "tune.n_trials=0", "baselines.models=[naive]")
STRONG = (*WEAK, "train.epochs=4", "train.steps_per_epoch=40")


def models(action: str, *argv: str) -> dict:
    return run("models", action, "tiny", "name=rivals", *argv)


@pytest.fixture(scope="module")
def runs(home) -> dict[str, dict]:
    """A weak model, a better one, and the weak one again."""
    return {
        "first": run("retrain", *WEAK),
        "better": run("retrain", *STRONG),
        "worse": run("retrain", *WEAK, "train.seed=7"),
    }


@pytest.fixture
def client(home) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(home.tracking_uri)
    return mlflow.MlflowClient()


def test_a_better_challenger_is_promoted_beyond_chance_harm_and_seeds(runs, home, client):
    record = runs["better"]
    assert record["verdict"] == "PROMOTE", record["reason"]
    assert record["champion"]["version"] == runs["first"]["champion_version"]
    assert record["champion_version"] == record["model_version"]
    for what in ("beyond chance", "no target is worse", "spread of mse over 3 seeds"):
        assert what in record["reason"]
    gate = mlflow.artifacts.load_dict(f"runs:/{record['run_id']}/gate.json")
    assert [check["name"] for check in gate["checks"]] == [
        "finite", "baselines", "champion", "chance", "targets", "seeds",
    ]  # fmt: skip
    assert (gate["verdict"], gate["reason"]) == (record["verdict"], record["reason"])
    assert (gate["challenger"], gate["champion"]) == ("2", record["champion"]["version"])
    contest = gate["evidence"]["over_champion"]["informer"]
    assert contest["error"] == pytest.approx(record["metrics"]["mse"])
    assert contest["other"] == pytest.approx(record["champion"]["mse"])
    seeds = client.get_metric_history(record["run_id"], "test_mse_by_seed")
    assert len({point.value for point in seeds}) == 2


def test_further_seeds_are_nested_runs_with_curves_of_their_own(runs, client):
    parent = client.get_run(runs["better"]["run_id"])
    nested = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert {run_.info.run_name for run_ in nested} == {"seed-1", "seed-2"}
    for run_ in nested:
        assert run_.info.status == "FINISHED"
        curve = client.get_metric_history(run_.info.run_id, "val_loss")
        assert len({point.value for point in curve}) == len(curve) == 4


def test_a_worse_challenger_is_refused_and_trains_no_further_seed(runs, home, client):
    record = runs["worse"]
    assert record["verdict"] == "HOLD"
    assert record["champion_version"] == runs["better"]["champion_version"]
    assert f"{record['metrics']['mse']:.4f} does not beat champion" in record["reason"]
    assert client.get_metric_history(record["run_id"], "test_mse_by_seed") == []
    version = client.get_model_version("rivals", record["model_version"])
    assert version.tags["verdict"] == "HOLD"
    assert version.tags["run_id"] == record["run_id"]
    assert "| champion |" in version.description
    assert "Prefect: [retrain rivals](http" in version.description


def test_churn_stands_beside_the_errors(runs, client):
    record = runs["better"]
    assert 0 < record["metrics"]["churn"] < 1
    assert client.get_run(record["run_id"]).data.metrics["test_churn"] == pytest.approx(
        record["metrics"]["churn"]
    )
    assert record["champion"]["churn"] > 0


def test_a_churn_that_cannot_be_measured_is_null_in_json(runs):
    record = run("backtest", "tiny", "name=rivals", "baselines.models=[naive]", "evaluate.stride=6")
    assert record["metrics"]["churn"] is None


def test_the_verdict_artifact_lists_the_checks(runs, client):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as prefect:
        flow_run_id = client.get_run(runs["better"]["run_id"]).data.tags[FLOW_RUN_TAG]
        text = latest_artifact(prefect, "verdict", flow_run_id).data
    assert "| chance | passed |" in text
    assert "| seeds | passed |" in text


def test_list_shows_every_version_with_its_aliases_and_errors(runs, home):
    record = models("list")
    found = {one["version"]: one for one in record["versions"]}
    best = found[runs["better"]["model_version"]]
    assert best["aliases"] == ["champion"]
    assert best["estimator"] == "informer"
    assert best["metrics"]["mse"] == pytest.approx(runs["better"]["metrics"]["mse"], rel=1e-4)
    assert found[runs["worse"]["model_version"]]["verdict"] == "HOLD"
    assert record["versions"][0]["aliases"] == ["challenger"]


def test_history_tells_why_each_version_was_promoted_or_not(runs):
    record = models("history")
    assert record["verified"]
    first, better, worse = record["entries"][:3]
    assert better["action"] == "promote"
    assert better["reason"] == runs["better"]["reason"]
    assert better["facts"]["run_id"] == runs["better"]["run_id"]
    assert better["facts"]["windows"]["n"] == runs["better"]["n_windows"]
    assert len(better["facts"]["data_sha256"]) == 64
    assert "flow run retrain rivals (" in better["who"]
    assert first["to_version"] == better["from_version"]
    assert (worse["action"], worse["version"]) == ("hold", runs["worse"]["model_version"])


def test_rollback_and_promote_move_the_champion_and_tell_the_world(runs, capsys):
    better, before = (runs[name]["champion_version"] for name in ("better", "first"))
    done = models("rollback", "--reason", "users complain")
    assert (done["champion_version"], done["previous_version"]) == (before, better)
    assert done["reason"] == "users complain"
    done = models("promote", "--version", better, "--reason", "they were wrong")
    assert (done["champion_version"], done["previous_version"]) == (better, before)
    entries = models("history")["entries"]
    assert [(e["action"], e["reason"]) for e in entries[-2:]] == [
        ("rollback", "users complain"), ("promote", "they were wrong"),
    ]  # fmt: skip
    assert "@" in entries[-1]["who"]
    told = told_events("informer.pipeline.rivals")
    assert {"action": "rollback", "version": before, "from_version": better,
            "reason": "users complain"} in told  # fmt: skip


def told_events(resource: str) -> list[dict]:
    """Payloads of the promotions that the Prefect server has heard of."""
    from prefect.client.orchestration import get_client

    wanted = {
        "event": {"name": ["informer.model.promoted"]}, "resource": {"id": [resource]},
    }  # fmt: skip
    with get_client(sync_client=True) as prefect:
        for _ in range(60):
            found = prefect.request("POST", "/events/filter", json={"filter": wanted}).json()
            payloads = [event["payload"] for event in found["events"]]
            if any(payload["action"] == "rollback" for payload in payloads):
                return payloads
            time.sleep(0.5)
    return payloads


def test_promote_without_a_version_takes_the_challenger(runs):
    done = models("promote")
    assert done["champion_version"] == runs["worse"]["model_version"]
    assert models("promote")["champion_version"] == done["champion_version"]
    assert models("rollback")["champion_version"] == runs["better"]["champion_version"]


def test_mistakes_are_told_in_a_line(runs, capsys):
    assert main(["models", "promote", "tiny", "name=rivals", "--version", "99"]) == 1
    assert "model rivals has no version 99" in capsys.readouterr().err
    assert main(["models", "rollback", "tiny", "name=nobody"]) == 1
    assert "model nobody has no champion" in capsys.readouterr().err
    assert run("models", "list", "tiny", "name=nobody")["versions"] == []
    assert run("models", "history", "tiny", "name=nobody")["entries"] == []


def test_a_broken_ledger_is_said_plainly(runs, client, capsys):
    tags = client.get_registered_model("rivals").tags
    key = min(key for key in tags if key.startswith("ledger."))
    client.delete_registered_model_tag("rivals", key)
    assert main(["models", "history", "tiny", "name=rivals"]) == 0
    assert "THE LEDGER IS BROKEN" in capsys.readouterr().out
    client.set_registered_model_tag("rivals", key, tags[key])
    assert models("history")["verified"]


def test_a_study_begins_with_its_own_values_and_the_champions(runs, home):
    config = load_config("tiny", WEAK[1:], conf_dir=home.conf_dir)
    served = require_champion(config, home)
    run("retrain", *WEAK, "tune.n_trials=2", "train.learning_rate=0.05")
    (name,) = (
        one.study_name
        for one in optuna.get_all_study_summaries(home.study_url)
        if one.study_name.startswith("rivals-") and one.n_trials
    )
    trials = optuna.load_study(study_name=name, storage=home.study_url).trials
    assert [trial.params["train.learning_rate"] for trial in trials] == [
        0.05, served.forecaster.config.training.learning_rate,
    ]  # fmt: skip


def test_forecasts_come_whole_from_one_version_while_it_is_rolled_back(runs, home):
    config = load_config("tiny", WEAK[1:], conf_dir=home.conf_dir)
    rows = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
    promote_version("rivals", runs["first"]["champion_version"], home)
    promote_version("rivals", runs["better"]["champion_version"], home)
    expected = {}
    for _ in range(2):
        served = require_champion(config, home)
        expected[served.version] = served.forecaster.predict(rows)["y_hat"].to_numpy()
        rollback("rivals", home)
    seen, failed, over = [], [], threading.Event()

    def forecast() -> None:
        try:
            while not over.is_set():
                served = require_champion(config, home)
                seen.append((served.version, served.forecaster.predict(rows)["y_hat"].to_numpy()))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=forecast) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        rollback("rivals", home)
    over.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {version for version, _ in seen} == set(expected)
    for version, forecast_ in seen:
        np.testing.assert_array_equal(forecast_, expected[version])
