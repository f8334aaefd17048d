"""One study in PostgreSQL, two tuning flows on two workers, one of which is killed."""

from __future__ import annotations

from pathlib import Path

import mlflow
import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState

from tasks.fitting.studies import history_of
from tests.flows.conftest import make_home
from tests.postgres import PASSWORD, postgres, prefect_database
from tests.servers import Station, kill, prefect_station, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
UNSCHEDULED = "schedule: {retrain: null, forecast: null, monitor: null}\n"
RUN_S, STOP_S = 400, 60
N_TRIALS, EPOCHS, SEEN = 5, 20, 4
TOGETHER = ("workers.tuning_flows=2", f"tune.n_trials={N_TRIALS}", "train.steps_per_epoch=60",
            "train.epochs=1")  # fmt: skip


@pytest.fixture(scope="module")
def database():
    with postgres() as made:
        made.ask("postgres", f"CREATE USER optuna PASSWORD '{PASSWORD}'")
        made.ask("postgres", "CREATE DATABASE optuna OWNER optuna")
        yield made


@pytest.fixture(scope="module")
def station(tmp_path_factory, empty_store, database) -> Station:
    """A server, the deployments of one tiny pipeline, and a slot for each of two trainings."""
    home = make_home(tmp_path_factory.mktemp("home"), empty_store, UNSCHEDULED).root
    client = {
        "INFORMER_STUDY_URL": f"postgresql+psycopg2://optuna@127.0.0.1:{database.port}/optuna",
        "PGPASSWORD": PASSWORD,
    }
    folder, server = tmp_path_factory.mktemp("server"), prefect_database(database)
    with prefect_station(folder, home, server=server, client=client) as made:
        made.deploy()
        made.call("PATCH", "/v2/concurrency_limits/training", limit=2)
        yield made


@pytest.fixture(scope="module")
def workers(station) -> list[psutil.Process]:
    """A worker for the flows, and two that train, one run each at a time."""
    logs = [station.folder / f"gpu-{number}.log" for number in (1, 2)]
    with station.workers(
        ("cpu", station.folder / "cpu.log"), *(("gpu", log, "--limit", "1") for log in logs)
    ) as (_, *training):
        yield [psutil.Process(process.pid) for process in training]


@pytest.fixture
def client(station) -> mlflow.MlflowClient:
    uri = station.environment["MLFLOW_TRACKING_URI"]
    return mlflow.MlflowClient(uri, registry_uri=uri)


@pytest.fixture
def url(station, monkeypatch) -> str:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return station.environment["INFORMER_STUDY_URL"]


def trials_of(url: str, known: frozenset[str] = frozenset()) -> list[FrozenTrial]:
    """The trials of the one study that is not known yet; none while there is no such study."""
    names = set(optuna.get_all_study_names(url)) - known
    return optuna.load_study(study_name=names.pop(), storage=url).trials if names else []


def flow_runs_of(client: mlflow.MlflowClient, trials: list[FrozenTrial]) -> list[str]:
    """The flow run that worked on each trial."""
    runs = [client.get_run(trial.user_attrs["mlflow_run_id"]) for trial in trials]
    return [run.data.tags["prefect_flow_run_id"] for run in runs]


def at_work(url: str, known: frozenset[str] = frozenset()) -> list[FrozenTrial]:
    """Two trials that run at once and have come some epochs far; else none."""
    running = [t for t in trials_of(url, known) if t.state == TrialState.RUNNING]
    ready = [t for t in running if SEEN <= len(t.intermediate_values) < EPOCHS - SEEN]
    return ready if len(ready) == 2 else []


def test_a_killed_worker_s_trial_goes_on_elsewhere_and_none_is_lost_or_run_twice(
    station, workers, client, url
):
    asked = station.informer(
        "retrain", "tiny", *TOGETHER, f"tune.epochs={EPOCHS}", "train.patience=100", "--deployment"
    )
    log = station.folder / "cpu.log"
    both = until(lambda: at_work(url), RUN_S, "two trials at once", station.folder / "gpu-1.log")
    pids = [int(client.get_run(t.user_attrs["mlflow_run_id"]).data.tags["pid"]) for t in both]
    families = [{process.pid for process in psutil.Process(pid).parents()} for pid in pids]
    victim, survivor = both[0], both[1]
    (at,) = [worker for worker in workers if worker.pid in families[0]]
    assert at.pid not in families[1]
    kill(at.pid)
    assert station.wait(asked["flow_run_id"], RUN_S, log=log) == "COMPLETED", log.read_text()

    trials = trials_of(url)
    ended = {t.number: t.state for t in trials}
    assert ended.pop(victim.number) == TrialState.FAIL
    assert len(ended) == N_TRIALS
    assert set(ended.values()) <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({tuple(t.params.values()) for t in trials if t.number != victim.number}) == N_TRIALS

    (again,) = [t for t in trials if history_of(t)]
    before = trials[victim.number]
    assert history_of(again) == [victim.number]
    assert again.params == before.params
    assert len(before.intermediate_values) >= SEEN
    assert before.intermediate_values.items() <= again.intermediate_values.items()
    run = client.get_run(again.user_attrs["mlflow_run_id"])
    assert run.data.tags["retry_of"] == f"trial-{victim.number}"
    shown = client.get_metric_history(run.info.run_id, "val_loss")
    first = min(shown, key=lambda metric: metric.timestamp)
    assert first.step > max(before.intermediate_values)  # what the checkpoint held came later

    finished = [t for t in trials if t.state.is_finished()]
    assert set(flow_runs_of(client, [again, survivor])) == set(flow_runs_of(client, [survivor]))
    assert len(set(flow_runs_of(client, finished))) == 2
    (experiment,) = [e for e in client.search_experiments() if e.name == "tiny"]
    parents = client.search_runs(
        [experiment.experiment_id], f"tags.prefect_flow_run_id = '{asked['flow_run_id']}'"
    )
    nested = {client.get_run(t.user_attrs["mlflow_run_id"]).data.tags["mlflow.parentRunId"]
              for t in trials}  # fmt: skip
    assert nested == {parent.info.run_id for parent in parents}
    (trained,) = station.runs("train/tiny")
    assert trained["state_type"] == "COMPLETED"
    assert client.get_model_version_by_alias("tiny", "challenger").run_id in nested
    assert not (station.folder / "mlruns" / "optuna.db").exists()
    assert list((station.folder / "mlruns" / "trials").iterdir()) == []


def test_what_the_killed_worker_left_open_is_closed(station, workers, client, url):
    station.flow("reconcile")
    states = {run["state_type"] for run in station.runs("tune/tiny")}
    # By the run that waited for it, or by this reconciliation where that one did not have the time.
    assert states in ({"COMPLETED", "CANCELLED"}, {"COMPLETED", "CRASHED"})
    (experiment,) = [e for e in client.search_experiments() if e.name == "tiny"]
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}
    assert not [t for t in trials_of(url) if not t.state.is_finished()]
    assert station.call("GET", "/v2/concurrency_limits/training")["active_slots"] == 0


def test_where_every_tuning_flow_fails_the_run_fails_with_one_error(station, workers):
    before = {run["id"] for run in station.runs("tune/tiny")}
    # Below 2^63: PostgreSQL keeps 1e20 as a whole number, which Prefect 3.8 then cannot show.
    bad = "tune.space={train.learning_rate: {low: 1.0e+18, high: 9.0e+18}}"
    asked = station.informer("retrain", "tiny", *TOGETHER, bad, "--deployment")
    log = station.folder / "cpu.log"
    assert station.wait(asked["flow_run_id"], RUN_S, log=log) == "FAILED"
    message = station.run(asked["flow_run_id"])["state"]["message"]
    assert "none of 2 runs of tune/tiny completed" in message
    assert message.count("lower learning_rate") == 2
    runs = [run for run in station.runs("tune/tiny") if run["id"] not in before]
    assert [run["state_type"] for run in runs] == ["FAILED", "FAILED"]
    assert len(station.runs("train/tiny")) == 1  # of the first test


def test_a_cancelled_run_stops_all_its_tuning_flows(station, workers, client, url):
    known = frozenset(optuna.get_all_study_names(url))
    endless = ("train.seed=9", "tune.epochs=10000", "train.patience=10000")
    log: Path = station.folder / "gpu-3.log"
    with station.worker("gpu", log, "--limit", "1"):
        asked = station.informer("retrain", "tiny", *TOGETHER, *endless, "--deployment")
        running = TrialState.RUNNING

        def both() -> bool:
            found = [t for t in trials_of(url, known) if t.state == running]
            return len([t for t in found if t.intermediate_values]) == 2

        until(both, RUN_S, "two trials at once", log)
        station.cancel(asked["flow_run_id"])
        assert station.wait(asked["flow_run_id"], STOP_S, log=log) == "CANCELLED"
        for run in station.runs("tune/tiny")[:2]:
            assert station.wait(run["id"], STOP_S, log=log) == "CANCELLED"
        trials = trials_of(url, known)
        assert not [t for t in trials if t.state == running]
        assert len([t for t in trials if t.state == TrialState.WAITING]) == N_TRIALS
        assert not [t for t in trials if history_of(t)]
