"""A checkpoint that the reference wrote becomes a registered model, and moves no alias."""

from __future__ import annotations

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from flows.__main__ import main
from informer import Forecaster
from informer.interop import load_reference_checkpoint
from tasks.judging.evaluate import METRICS

COLUMNS = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]


@pytest.fixture(scope="module")
def flags(golden_dir) -> dict:
    with np.load(golden_dir / "official_checkpoint.npz") as file:
        found = json.loads(str(file["config"]))
    return found | {"data": "custom", "data_path": "load.csv", "features": "M"}


@pytest.fixture(scope="module")
def args_file(home, flags) -> str:
    hours = np.arange(700)
    rng = np.random.default_rng(0)
    waves = np.sin(hours[:, None] / 24 * 2 * np.pi + np.arange(7)) + 0.1 * rng.normal(size=(700, 7))
    frame = pd.DataFrame(10 + waves, columns=COLUMNS)
    frame.insert(0, "date", pd.date_range("2024-01-01", periods=700, freq="h"))
    frame.to_csv(home.root / "load.csv", index=False)
    path = home.root / "args.json"
    path.write_text(json.dumps(flags | {"root_path": str(home.root)}))
    return str(path)


@pytest.fixture(scope="module")
def checkpoint(golden_dir) -> str:
    return str(golden_dir / "official_checkpoint.pth")


def test_a_checkpoint_is_registered_scaled_calibrated_and_scored(
    home, flags, args_file, checkpoint, capsys, tmp_path
):
    assert main(["import", checkpoint, "--args", args_file, "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["status"] == "completed"
    assert (record["model_name"], record["model_version"]) == ("load-reference", "1")
    assert set(record["metrics"]) == set(METRICS)
    assert record["n_windows"] == int(0.2 * 700) - 24 + 1

    mlflow.set_tracking_uri(home.tracking_uri)
    client = mlflow.MlflowClient()
    assert client.get_registered_model("load-reference").aliases == {}
    run = client.get_run(record["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test_mse"] == pytest.approx(record["metrics"]["mse"])

    folder = mlflow.artifacts.download_artifacts("models:/load-reference/1", dst_path=str(tmp_path))
    forecaster = Forecaster.load(f"{folder}/artifacts/model")
    rows = pd.read_csv(home.root / "load.csv")
    n_train = int(0.7 * 700)
    train = rows[COLUMNS][:n_train].to_numpy()
    np.testing.assert_allclose(forecaster.scales.center[0], train.mean(axis=0))
    np.testing.assert_allclose(forecaster.scales.spread[0], train.std(axis=0))
    weights = forecaster.predictor.models[0].state_dict()
    given = {k: v for k, v in flags.items() if k not in ("data", "data_path")}
    for name, value in load_reference_checkpoint(checkpoint, given).state_dict().items():
        torch.testing.assert_close(weights[name], value)
    assert len(forecaster.predict(rows)) == 7 * 24


def test_what_cannot_be_imported_fails_with_one_line(
    home, flags, args_file, checkpoint, capsys, tmp_path
):
    other = home.root / "other.json"
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"PK\x03\x04")
    cases = [
        ({"d_layers": 2}, checkpoint, 1, "missing: decoder.layers.1"),
        ({}, str(damaged), 1, "damaged.pth"),
        ({}, "nowhere.pth", 1, "no checkpoint at nowhere.pth"),
        ({"dmodel": 8}, checkpoint, 2, "dmodel: the reference implementation has no such flag"),
        ({"enc_in": 3}, checkpoint, 2, "--enc_in 3 contradicts the data"),
        ({"data_path": "gone.csv"}, checkpoint, 1, "gone.csv"),
    ]
    for change, path, status, named in cases:
        other.write_text(json.dumps(flags | {"root_path": str(home.root)} | change))
        assert main(["import", path, "--args", str(other), "--name", "failing"]) == status
        errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error:")]
        assert len(errors) == 1
        assert named in errors[0]
    mlflow.set_tracking_uri(home.tracking_uri)
    assert "failing" not in {m.name for m in mlflow.MlflowClient().search_registered_models()}
