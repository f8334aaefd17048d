"""The whole pipeline on a small data set: a real Prefect server, a real MLflow store."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from flows.__main__ import main
from tasks.judging.evaluate import METRICS
from tasks.models import promote_version, require_champion
from tasks.runs import FLOW_RUN_TAG
from tasks.settings import load_config


def run(capsys, *argv: str) -> dict:
    status = main([*argv, "--json"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out.splitlines()[-1])


@pytest.fixture(scope="module")
def first(home) -> dict:
    """The JSON object of a first retrain."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["retrain", "tiny", "--json"]) == 0
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.fixture
def client(home) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(home.tracking_uri)
    return mlflow.MlflowClient()


def test_the_record_has_the_documented_fields(first):
    assert first["status"] == "completed"
    assert first["model_name"] == "tiny"
    assert first["model_version"] == "1"
    assert first["verdict"] in ("PROMOTE", "FALLBACK")
    assert first["promoted"] == (first["verdict"] == "PROMOTE")
    assert set(first["metrics"]) == set(METRICS)
    assert set(first["baselines"]) == {"seasonal_naive", "linear", "naive"}
    assert first["champion"] is None
    assert first["n_windows"] == 2 * len(range(0, 120 - 6 + 1, 4))


def test_the_verdict_follows_from_the_errors(first):
    best = min(errors["mse"] for errors in first["baselines"].values())
    assert (first["verdict"] == "PROMOTE") == (first["metrics"]["mse"] < best)
    assert f"{first['metrics']['mse']:.4f}" in first["reason"]


def test_the_forecast_covers_the_next_horizon_of_every_series(first, home):
    table = pd.read_parquet(first["forecast_path"])
    assert set(table["unique_id"]) == {
        f"{s}/{t}" for s in ("north", "south") for t in ("temp", "wind")
    }
    assert len(table) == 4 * 6
    assert (table["cutoff"] == pd.Timestamp("2024-01-25 23:00")).all()
    assert table["ds"].min() == pd.Timestamp("2024-01-26 00:00")
    assert (table["y_hat_q10"] <= table["y_hat_q90"]).all()
    csv = pd.read_csv(first["forecast_path"].replace(".parquet", ".csv"), parse_dates=["ds"])
    assert csv["y_hat"].tolist() == pytest.approx(table["y_hat"].tolist())


def test_the_mlflow_run_holds_curves_figures_tables_lineage_and_validation(first, client):
    run_ = client.get_run(first["run_id"])
    assert run_.info.status == "FINISHED"
    assert len(client.get_metric_history(first["run_id"], "val_loss")) == 2
    assert run_.data.params["model.d_model"] == "8"
    assert run_.data.tags["verdict"] == first["verdict"]
    contexts = {
        tag.value
        for used in run_.inputs.dataset_inputs
        for tag in used.tags
        if "context" in tag.key
    }
    assert contexts == {"training", "validation", "test"}
    names = {item.path for item in client.list_artifacts(first["run_id"])}
    assert {"config.json", "figures", "tables", "validation"} <= names
    figures = {item.path for item in client.list_artifacts(first["run_id"], "figures")}
    assert figures == {
        "figures/learning-curve.png", "figures/error-by-step.png",
        "figures/forecast-against-actual.png", "figures/forecast.png",
    }  # fmt: skip


def test_every_trial_is_a_nested_run(first, client):
    experiment = client.get_experiment_by_name("tiny").experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{first['run_id']}'")
    assert len(children) == 2
    assert all("train.learning_rate" in child.data.params for child in children)
    assert all(child.info.status == "FINISHED" for child in children)


def test_the_model_is_registered_without_pickle_and_with_its_lineage(first, client, tmp_path):
    version = client.get_model_version_by_alias("tiny", "challenger")
    assert version.version == 1 or version.version == "1"
    assert len(version.tags["data_sha256"]) == 64
    folder = mlflow.artifacts.download_artifacts("models:/tiny/1", dst_path=str(tmp_path))
    names = [p.name for p in tmp_path.rglob("*") if p.is_file()]
    assert folder
    assert "weights.safetensors" in names
    assert not [n for n in names if n.endswith((".pkl", ".pickle", ".pt", ".pth"))]


@pytest.mark.slow
def test_the_pyfunc_forecasts_alike_where_the_project_is_not_installed(first, home, tmp_path):
    config = load_config("tiny", conf_dir=home.conf_dir)
    rows = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
    rows.to_parquet(tmp_path / "rows.parquet")
    script = tmp_path / "serve.py"
    script.write_text(
        "import sys, mlflow, pandas as pd\n"
        f"mlflow.set_tracking_uri({home.tracking_uri!r})\n"
        "model = mlflow.pyfunc.load_model('models:/tiny@champion')\n"
        "import informer\n"
        "assert '/code/' in informer.__file__, informer.__file__\n"
        f"rows = pd.read_parquet({str(tmp_path / 'rows.parquet')!r})\n"
        f"model.predict(rows).to_parquet({str(tmp_path / 'out.parquet')!r})\n"
    )
    # -S -E keep the editable installation of this project away; site-packages come by path.
    packages = [p for p in sys.path if p.endswith("site-packages")]
    code = f"import sys; sys.path[:0] = {packages!r}; import runpy; runpy.run_path({str(script)!r})"
    subprocess.run([sys.executable, "-S", "-c", code], check=True, cwd=tmp_path)
    served = pd.read_parquet(tmp_path / "out.parquet")
    own = require_champion(config, home).forecaster.predict(rows)
    assert served["unique_id"].tolist() == own["unique_id"].tolist()
    assert served["y_hat"].tolist() == pytest.approx(own["y_hat"].tolist(), abs=1e-5)


def test_the_prefect_ui_has_the_run_with_its_tasks_and_artifacts(first, client):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter

    flow_run_id = client.get_run(first["run_id"]).data.tags[FLOW_RUN_TAG]
    with get_client(sync_client=True) as prefect:
        wanted = FlowRunFilter.model_validate({"id": {"any_": [flow_run_id]}})
        stages = prefect.read_task_runs(flow_run_filter=wanted)
        tasks = {stage.name.split("-")[0].split(" ")[0] for stage in stages}
        keys = {a.key for a in prefect.read_artifacts(flow_run_filter=wanted)}
    assert {
        "load",
        "validate",
        "features",
        "tune",
        "train",
        "evaluate",
        "register",
        "promote",
        "forecast",
    } <= tasks
    assert {
        "data",
        "validation",
        "features",
        "trials",
        "evaluation",
        "verdict",
        "forecast",
        "model-version",
    } <= keys


def test_a_second_run_goes_on_with_the_study_and_judges_against_the_champion(
    first, home, capsys, client
):
    again = run(capsys, "retrain", "tiny")
    assert again["model_version"] != first["model_version"]
    assert again["champion"]["version"] == first["champion_version"]
    experiment = client.get_experiment_by_name("tiny").experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{again['run_id']}'")
    assert children == []  # both trials were there already
    more = run(capsys, "retrain", "tiny", "tune.n_trials=3")
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{more['run_id']}'")
    assert len(found) == 1  # only the one that was missing
    assert found[0].info.status == "FINISHED"
    if first["verdict"] == "PROMOTE":
        assert again["verdict"] == "HOLD"  # the same data and seed: no improvement
        assert again["champion"]["mse"] == pytest.approx(again["metrics"]["mse"])
    served = client.get_model_version_by_alias("tiny", "champion")
    assert str(served.version) == again["champion_version"]


def test_forecasts_repeat_and_can_look_back_in_time(first, home, capsys, tmp_path):
    one = run(capsys, "forecast", "tiny", "--output", str(tmp_path / "a"))
    two = run(capsys, "forecast", "tiny", "--output", str(tmp_path / "b"))
    first_, second = (
        pd.read_parquet(made["path"]).drop(columns="created_at") for made in (one, two)
    )
    pd.testing.assert_frame_equal(first_, second)
    assert (one["n_series"], one["n_rows"]) == (4, 24)
    past = run(capsys, "forecast", "tiny", "--as-of", "2024-01-20T12:00", "--output", str(tmp_path))
    assert past["cutoff"] == "2024-01-20T12:00:00"


@pytest.mark.skipif(find_spec("statsforecast") is not None, reason="`classical` is installed")
def test_a_baseline_whose_library_is_missing_is_told_before_any_work(home, capsys):
    assert main(["retrain", "tiny", "baselines.models=[linear, auto_ets]"]) == 2
    assert "pip install 'informer-pipeline[classical]'" in capsys.readouterr().err


def test_a_fallback_serves_the_best_baseline_behind_the_same_signature(home, capsys, client):
    untrained = ["name=untrained", "train.learning_rate=1e-9", "tune.n_trials=0"]
    record = run(capsys, "retrain", "tiny", *untrained)
    assert record["verdict"] == "FALLBACK"
    assert record["champion_version"] == "2"
    config = load_config("tiny", untrained, conf_dir=home.conf_dir)
    served = require_champion(config, home)
    assert served.forecaster.estimator == min(
        record["baselines"], key=lambda name: record["baselines"][name]["mse"]
    )
    assert len(pd.read_parquet(record["forecast_path"])) == 24
    tags = client.get_model_version("untrained", "2").tags
    assert tags["verdict"] == "FALLBACK"
    assert promote_version("untrained", "1", home) == "2"
    aliases = client.get_registered_model("untrained").aliases
    assert {k: str(v) for k, v in aliases.items()} == {
        "champion": "1", "previous": "2", "challenger": "1",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning:statsforecast", "ignore::Warning:numba")
def test_a_classical_baseline_serves_where_it_is_the_best(first, home, capsys, client):
    pytest.importorskip("statsforecast", reason="the extra `classical` is not installed")
    record = run(
        capsys, "retrain", "tiny", "name=classical", "train.learning_rate=1e-9", "tune.n_trials=0",
        "baselines.models=[naive, auto_ets]", "baselines.classical_rows=72", "evaluate.stride=1",
    )  # fmt: skip
    assert set(record["baselines"]) == {"naive", "auto_ets"}
    assert record["verdict"] == "FALLBACK"
    assert client.get_model_version("classical", "2").tags["estimator"] == "auto_ets"
    table = pd.read_parquet(record["forecast_path"])
    assert len(table) == 24
    assert (table["y_hat_q10"] < table["y_hat_q90"]).all()
    folder = mlflow.artifacts.download_artifacts("models:/classical@champion/requirements.txt")
    assert "statsforecast==" in Path(folder).read_text()


def test_data_model_and_forecast_are_assets_with_their_lineage(first):
    key = "informer://tiny/{}".format
    wanted = {key("data"): set(), key("model"): {key("data")}}
    wanted[key("forecast")] = {key("model"), key("data")}
    end = time.monotonic() + 30
    while (made := materializations("informer://tiny/")) != wanted:
        assert time.monotonic() < end, made
        time.sleep(0.5)


def materializations(prefix: str) -> dict[str, set[str]]:
    """Asset to the assets that it was made from, as the server's events have it."""
    from prefect.client.orchestration import get_client
    from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter

    wanted = EventFilter(
        event=EventNameFilter(name=["prefect.asset.materialization.succeeded"]),
        resource=EventResourceFilter(id_prefix=[prefix]),
    )
    with get_client(sync_client=True) as prefect:
        body = {"filter": wanted.model_dump(mode="json"), "limit": 50}
        found = prefect.request("POST", "/events/filter", json=body).json()["events"]
    return {
        event["resource"]["prefect.resource.id"]: {
            related["prefect.resource.id"]
            for related in event["related"]
            if related["prefect.resource.role"] == "asset"
        }
        for event in found
        if event["resource"]["prefect.resource.id"].startswith(prefix)
    }


@pytest.mark.slow
def test_a_champion_is_compared_by_what_it_forecasts_and_stays_where_that_differs(home, capsys):
    """Another rule for gaps, another clock and a new input are compared; another horizon is not."""
    pipeline = ("retrain", "tiny", "name=compared", "tune.n_trials=0", "baselines.models=[naive]")
    alone = ("frame.features=MS", "frame.columns=[temp]")
    champion = run(capsys, *pipeline, *alone)
    wider = ("frame.features=MS", "frame.columns=[wind,temp]", "frame.max_gap=5")
    wider = (*wider, "frame.time_zone=Europe/Berlin", "train.seed=3")
    new = run(capsys, *pipeline, *wider)
    assert new["champion"]["version"] == champion["model_version"]
    assert new["champion"]["mse"] == pytest.approx(champion["metrics"]["mse"], rel=1e-4)
    assert "cannot be compared" not in new["reason"]
    further = run(capsys, *pipeline, *alone, "model.pred_len=5")
    assert (further["verdict"], further["promoted"]) == ("HOLD", False)
    assert "its horizon is 6 steps, not 5" in further["reason"]
    assert "informer models promote" in further["reason"]
    assert further["champion_version"] == new["champion_version"]
