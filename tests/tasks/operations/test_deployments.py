"""prefect.yaml follows from conf/, and the UI's form from the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.callables import parameter_schema

from flows.__main__ import main
from flows.retrain import retrain
from tasks.operations.deployments import (
    all_deployments,
    is_current,
    path_of,
    pipelines,
    prefect_yaml,
)
from tasks.settings import Home, RunConfig, load_config

ROOT = Path(__file__).parents[3]
CONF = """\
data: {source: rows.csv, contract: contracts/tiny.yaml}
frame: {columns: [a, b], target: a, features: M}
train: {learning_rate: 5.0e-5}
tune: {space: {model.dropout: {low: 0.0, high: 0.4}}}
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "tiny.yaml").write_text(CONF)
    monkeypatch.setenv("INFORMER_HOME", str(tmp_path))
    return Home(tmp_path)


def test_the_committed_file_is_what_conf_makes():
    assert is_current(Home(ROOT)), "run: informer deployments --write"


def test_each_deployment_carries_the_whole_configuration():
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for entry in content["deployments"]:
        if entry["name"] == "all":
            assert "parameters" not in entry
            continue
        carried = RunConfig.model_validate(entry["parameters"]["config"])
        assert carried == load_config(entry["name"], conf_dir=ROOT / "conf")


def test_schedules_pools_and_limits_follow_the_configuration(home):
    more = "schedule: {retrain: null, forecast: '5 * * * *', time_zone: Europe/Berlin}\n"
    more += "workers: {pool: small, training_pool: null}\n"
    (home.conf_dir / "tiny.yaml").write_text(CONF + more)
    found = {d.name: d for d in all_deployments(pipelines(home))}
    assert set(found) == {"retrain/tiny", "forecast/tiny", "monitor/tiny", "reconcile/all"}
    assert found["retrain/tiny"].cron is None
    assert found["reconcile/all"].cron == "*/15 * * * *"
    entries = {e["entrypoint"]: e for e in yaml.safe_load(prefect_yaml(home))["deployments"]}
    forecast = entries["flows.forecast.forecast"]
    assert forecast["schedules"] == [{"cron": "5 * * * *", "timezone": "Europe/Berlin"}]
    assert forecast["work_pool"] == {"name": "small"}
    assert forecast["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert "schedules" not in entries["flows.retrain.retrain"]


def test_a_stale_file_is_told_and_written_anew(home, capsys):
    assert main(["deployments"]) == 1
    assert "informer deployments --write" in capsys.readouterr().err
    assert main(["deployments", "--write"]) == 0
    text = path_of(home).read_text()
    assert "config: *tiny" in text
    assert "learning_rate: 5.0e-05" in text
    assert main(["deployments"]) == 0
    (home.conf_dir / "tiny.yaml").write_text(CONF + "ensemble: 2\n")
    assert main(["deployments"]) == 1


def test_two_pipelines_of_one_name_are_refused(home, capsys):
    (home.conf_dir / "other.yaml").write_text(CONF + "name: tiny\n")
    assert main(["deployments"]) == 2
    assert "two pipelines are named 'tiny'" in capsys.readouterr().err


def test_no_pipeline_takes_the_name_of_the_reconciler_s_deployment(home, capsys):
    (home.conf_dir / "tiny.yaml").write_text(CONF + "name: all\n")
    assert main(["deployments"]) == 2
    assert "a pipeline is named 'all'" in capsys.readouterr().err


def test_the_form_has_a_meaning_for_every_field_and_a_default_for_what_may_be_left_out():
    schema = parameter_schema(retrain).model_dump()
    definitions = schema["definitions"]
    without, required = [], []
    for name, definition in definitions.items():
        for field, value in definition.get("properties", {}).items():
            inner = definitions.get(value.get("$ref", "").rpartition("/")[2], {})
            if not value.get("description") and not inner.get("description"):
                without.append(f"{name}.{field}")
            if "default" not in value:
                required.append(f"{name}.{field}")
    assert without == []
    assert sorted(required) == [
        "DataConfig.contract", "DataConfig.source", "RunConfig.data", "RunConfig.name",
    ]  # fmt: skip
    assert definitions["NetworkConfig"]["properties"]["attn"]["enum"] == ["prob", "full"]
    assert not {"backend", "output_attention", "enc_in"} & {
        *definitions["NetworkConfig"]["properties"]
    }


@pytest.mark.parametrize(
    ("url", "told"),
    [("", "PREFECT_API_URL names none"), ("http://127.0.0.1:9/api", "does not answer")],
)
def test_without_a_server_nothing_is_submitted(home, capsys, url, told):
    changed = {PREFECT_API_URL: url} if url else {}
    restored = () if url else {PREFECT_API_URL}
    with temporary_settings(changed, restore_defaults=restored):
        for command in (["retrain", "tiny", "--deployment"], ["setup-automations"], ["worker"]):
            assert main(command) == 1
            assert told in capsys.readouterr().err


def test_a_webhook_must_be_a_url(home, capsys):
    assert main(["setup-automations", "--webhook", "here"]) == 2
    assert "is no URL" in capsys.readouterr().err
