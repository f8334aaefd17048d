"""The door of the library: what a forecast depends on, and what it does not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.config import BESIDE_THE_PAPER
from informer.errors import CheckpointError, ConfigError, FrameError
from informer.estimators import LocalScale
from informer.training import best_val_loss

N_ROWS = 240
FRAME = FrameConfig(columns=("load", "heat"), target="load", features="M")
CONFIG = ForecasterConfig(
    frame=FRAME,
    model=InformerConfig(
        seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16, e_layers=1
    ),
    training=TrainingConfig(epochs=1, steps_per_epoch=3, learning_rate=1e-3),
    linear_look_back=30,
)


def history(n_rows: int = N_ROWS, series: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    hours = np.arange(n_rows)
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2024-01-01", periods=n_rows, freq="h"),
                "load": 50 * (i + 1) + 5 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(size=n_rows),
                "heat": 3.0 + rng.normal(size=n_rows),
            }
        )
        for i, name in enumerate(series)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster.fit(history(), CONFIG)


def test_a_forecast_frame_has_the_documented_columns_and_times(fitted):
    table = fitted.predict(history())
    levels = [f"y_hat_q{level}" for level in range(10, 100, 10)]
    assert table.columns.tolist() == ["unique_id", "ds", "cutoff", "y_hat", *levels]
    assert table["unique_id"].unique().tolist() == ["a/load", "a/heat", "b/load", "b/heat"]
    assert len(table) == 4 * 6
    end = history()["ds"].max()
    assert (table["cutoff"] == end).all()
    expected = pd.date_range(end, periods=7, freq="h")[1:]
    assert table["ds"].iloc[:6].tolist() == expected.tolist()


def test_the_same_model_and_data_give_the_same_forecast_on_every_call(fitted):
    pd.testing.assert_frame_equal(fitted.predict(history()), fitted.predict(history()))


def test_the_callers_random_numbers_are_neither_read_nor_moved(tmp_path):
    tables = []
    for seed in (3, 4):
        torch.manual_seed(seed)
        expected = torch.rand(3)
        torch.manual_seed(seed)
        fitted = Forecaster.fit(history(), replace(CONFIG, ensemble=2))
        loaded = Forecaster.load(fitted.save(tmp_path / str(seed)))
        tables.append(loaded.predict(history()))
        assert torch.equal(torch.rand(3), expected)
    pd.testing.assert_frame_equal(*tables)


def test_gaps_in_the_rows_are_trained_around_and_change_no_more_than_they_must(caplog):
    """The same rows with every tenth value missing, and a target that fails in validation."""
    frame, whole = history(), Forecaster.fit(history(), CONFIG)
    gappy = frame.assign(load=frame["load"].where(np.arange(len(frame)) % 10 > 0))
    fitted = Forecaster.fit(gappy, CONFIG)
    losses = [best_val_loss(f.history) for f in (whole, fitted)]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert not caplog.records
    patient = replace(CONFIG, frame=replace(FRAME, max_gap=N_ROWS))
    start = frame["ds"].min() + pd.Timedelta(hours=int(0.8 * N_ROWS))
    silent = Forecaster.fit(frame.assign(load=frame["load"].where(frame["ds"] < start)), patient)
    table = silent.predict(frame)
    assert "(load: 0; needed: 9)" in caplog.text
    assert (table["y_hat_q90"] > table["y_hat_q10"]).all()


def test_a_forecast_of_a_series_does_not_depend_on_its_company(fitted):
    together = fitted.predict(history()).query("unique_id == 'b/load'")
    frame = history()
    alone = fitted.predict(frame[frame["unique_id"] == "b"]).query("unique_id == 'b/load'")
    np.testing.assert_allclose(together["y_hat"], alone["y_hat"], rtol=1e-5)


def test_values_after_the_cutoff_leave_the_forecast_unchanged(fitted):
    frame = history()
    cutoff = pd.Timestamp("2024-01-08")
    known = frame[frame["ds"] <= cutoff]
    changed = frame.assign(load=frame["load"].where(frame["ds"] <= cutoff, -1e6))
    before = fitted.predict(known)
    pd.testing.assert_frame_equal(before, fitted.predict(changed[changed["ds"] <= cutoff]))
    assert (before["cutoff"] == cutoff).all()


def test_quantiles_rise_with_their_level(fitted):
    table = fitted.predict(history())
    quantiles = table.filter(like="y_hat_q").to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_the_scaler_has_seen_the_train_rows_only():
    frame = history()
    start = frame["ds"].min() + pd.Timedelta(hours=int(0.8 * N_ROWS))
    shifted = frame.assign(load=frame["load"].where(frame["ds"] < start, frame["load"] + 30))
    for estimator in ("linear", "seasonal_naive"):
        plain = Forecaster.fit(frame, CONFIG, estimator=estimator)
        moved = Forecaster.fit(shifted, CONFIG, estimator=estimator)
        for name, array in plain.scales.to_arrays().items():
            np.testing.assert_array_equal(moved.scales.to_arrays()[name], array)


MODERN = replace(
    CONFIG,
    model=replace(
        CONFIG.model, instance_norm=True, highway="ridge_seen", channel_independent=True,
        patch_len=4,
    ),
    training=replace(CONFIG.training, loss="pinball", weight_average="ema"),
    ensemble=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("estimator", "config"),
    [
        ("informer", CONFIG),
        ("informer", MODERN),
        ("linear", CONFIG),
        ("seasonal_naive", CONFIG),
        ("naive", CONFIG),
    ],
)
def test_a_saved_forecaster_forecasts_alike(estimator, config, tmp_path):
    forecaster = Forecaster.fit(history(), config, estimator=estimator)
    loaded = Forecaster.load(forecaster.save(tmp_path / "model"))
    assert loaded.config == forecaster.config
    assert loaded.estimator == estimator
    # To the last bit: a gate that compares a champion with its like must find them equal.
    tables = [model.predict(history()) for model in (loaded, forecaster)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "forecaster.json",
        "weights.safetensors",
    ]


def test_saving_never_overwrites_and_leaves_nothing_half_done(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    with pytest.raises(CheckpointError, match="a model is never overwritten"):
        fitted.save(tmp_path / "model")
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write"):
        fitted.save(tmp_path / "file" / "model")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "model"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "weights.safetensors").unlink(), "holds no model"),
        (lambda folder: (folder / "forecaster.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"x" * 99), "is damaged"),
        (lambda folder: (folder / "forecaster.json").write_text('{"format": 9}'), "has format 9"),
    ],
)
def test_a_damaged_model_is_refused(fitted, tmp_path, damage, message):
    folder = fitted.save(tmp_path / "model")
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        Forecaster.load(folder)


def test_a_series_that_is_too_short_is_named(fitted):
    short = history(10, ("b",)).assign(unique_id="short")
    with pytest.raises(FrameError, match=r"series 'short' has 10 rows, a forecast reads 24"):
        fitted.predict(short)
    table = fitted.predict(pd.concat([history(60, ("a",)), short]))
    assert table.attrs["left_out"] == {"short": "has 10 rows, a forecast reads 24"}
    own = table[table["unique_id"] == "short/load"]
    assert set(own["fallback"]) == {"naive"}
    assert (own["y_hat"] == short["load"].iloc[-1]).all()
    assert (own["y_hat_q10"] < own["y_hat"]).all()
    assert (table.loc[table["unique_id"].str.startswith("a/"), "fallback"] == "").all()


def test_a_history_without_one_window_is_refused_with_the_numbers():
    with pytest.raises(FrameError, match=r"24 \+ 6 steps"):
        Forecaster.fit(history(30), CONFIG)


@pytest.mark.parametrize("val", [1.5, 0, N_ROWS, "2023-01-01", "never"])
def test_a_validation_part_that_cannot_be_is_refused(val):
    config = ForecasterConfig(frame=FRAME, model=CONFIG.model, val=val)
    with pytest.raises(ConfigError, match="val"):
        Forecaster.fit(history(), config)


def test_the_network_follows_the_frame():
    frame = FrameConfig(columns=("load", "heat"), target="load", features="MS", freq="15min")
    network = ForecasterConfig(frame=frame, model=CONFIG.model).network
    assert (network.enc_in, network.dec_in, network.c_out, network.freq) == (2, 2, 1, "15min")


@pytest.mark.parametrize("features", ["S", "MS"])
def test_one_target_is_named_by_its_series(features):
    frame = FrameConfig(columns=("load", "heat"), target="load", features=features)
    config = ForecasterConfig(frame=frame, model=CONFIG.model, training=CONFIG.training)
    table = Forecaster.fit(history(), config).predict(history())
    assert table["unique_id"].unique().tolist() == ["a", "b"]
    assert table["y_hat"].between(30, 130).all()


def test_a_network_trained_elsewhere_is_scaled_and_calibrated_as_if_fitted_here(fitted):
    served = Forecaster.from_network(fitted.predictor.models[0], history(), CONFIG)
    np.testing.assert_array_equal(served.scales.center, fitted.scales.center)
    np.testing.assert_array_equal(served.calibration.offsets, fitted.calibration.offsets)
    pd.testing.assert_frame_equal(served.predict(history()), fitted.predict(history()))


def test_a_network_that_is_not_the_configured_one_is_refused_by_what_differs(fitted):
    model = fitted.predictor.models[0]
    other = replace(CONFIG, model=replace(CONFIG.model, d_ff=32, pred_len=8))
    with pytest.raises(ConfigError, match=r"pred_len is 6, expected 8; d_ff is 16, expected 32"):
        Forecaster.from_network(model, history(), other)
    minutes = replace(CONFIG, frame=replace(FRAME, freq="15min"))
    with pytest.raises(ConfigError, match="n_marks is 4, expected 5"):
        Forecaster.from_network(model, history(), minutes)


def test_a_model_saved_in_the_first_format_forecasts_as_it_did(tmp_path):
    fitted = Forecaster.fit(history(), replace(CONFIG, frame=replace(FRAME, scale="global")))
    flat = LocalScale("none", 1, 1.0, torch.ones(2))
    plain = replace(fitted.calibration, scale=flat, ids=(), spread=torch.ones(0, 2))
    forecaster = replace(fitted, calibration=plain)
    folder = forecaster.save(tmp_path / "model")
    settings = json.loads((folder / "forecaster.json").read_text())
    del settings["scale"], settings["config"]["ensemble"], settings["history"][0]["member"]
    for name in BESIDE_THE_PAPER[2:]:
        del settings["config"]["model"][name]
    for name in ("scale", "scaler", "on_gap", "transform", "min", "max"):
        del settings["config"]["frame"][name]
    tensors = load_file(folder / "weights.safetensors")
    del tensors["calibration.typical"], tensors["calibration.spread"]
    scales = {name: tensors.pop(f"scales.{name}") for name in forecaster.scales.to_arrays()}
    scaler = {"mean": scales["center"][0].tolist(), "std": scales["spread"][0].tolist()}
    settings |= {"format": 1, "scaler": scaler}
    (folder / "forecaster.json").write_text(json.dumps(settings))
    old = {name.replace("network.0.", "network."): value for name, value in tensors.items()}
    save_file(old, folder / "weights.safetensors")
    loaded = Forecaster.load(folder)
    pd.testing.assert_frame_equal(loaded.predict(history()), forecaster.predict(history()))


def test_an_ensemble_forecasts_the_mean_of_networks_that_differ_by_seed(tmp_path):
    seeds = [
        replace(CONFIG, training=replace(CONFIG.training, seed=CONFIG.training.seed + i))
        for i in range(3)
    ]
    alone = [Forecaster.fit(history(), config) for config in seeds]
    reports: list[tuple[int, int]] = []
    together = Forecaster.fit(
        history(), replace(CONFIG, ensemble=3),
        checkpoint_dir=tmp_path / "checkpoints",
        on_step=lambda done, total, _: reports.append((done, total)),
    )  # fmt: skip
    mean = np.mean([one.predict(history())["y_hat"] for one in alone], axis=0)
    np.testing.assert_allclose(together.predict(history())["y_hat"], mean, rtol=1e-5)
    assert [record.member for record in together.history] == [1, 2, 3]
    assert best_val_loss(together.history) == pytest.approx(
        np.mean([one.history[0].val_loss for one in alone])
    )
    assert reports == [(3, 9), (6, 9), (9, 9)]
    assert len(list((tmp_path / "checkpoints").glob("member-*/last.ckpt"))) == 3


def test_a_training_over_the_highway_is_never_worse_than_the_linear_model():
    model = replace(CONFIG.model, highway="ridge")
    training = replace(CONFIG.training, learning_rate=10.0, epochs=2)
    config = replace(CONFIG, model=model, training=training, linear_look_back=24)
    found = Forecaster.fit(history(), config)
    assert best_val_loss(found.history) == found.history[0].val_loss
    linear = Forecaster.fit(history(), config, estimator="linear").predict(history())
    np.testing.assert_allclose(found.predict(history())["y_hat"], linear["y_hat"], rtol=1e-4)


def test_a_shrunk_ensemble_over_a_blended_highway_is_saved_as_any_other(tmp_path):
    model = replace(CONFIG.model, highway="blend_checked")
    config = replace(CONFIG, model=model, ensemble=2)
    found = Forecaster.fit(history(), config)
    assert min(record.epoch for record in found.history) == 1  # no epoch 0 to fall back to
    one, other = found.predictor.models
    torch.testing.assert_close(one.highway, other.highway)
    loaded = Forecaster.load(found.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(history()), found.predict(history()))


def test_a_blended_highway_is_another_than_the_linear_model_and_whole_where_nothing_shrinks_it():
    found = [
        Forecaster.fit(
            history(), replace(CONFIG, model=replace(CONFIG.model, highway=highway))
        ).predictor.models[0].highway
        for highway in ("ridge", "blend")
    ]  # fmt: skip
    assert float((found[1] - found[0]).abs().max()) > 1e-3


def test_a_checked_highway_under_a_loss_of_quantiles_is_refused():
    model = replace(CONFIG.model, highway="blend_checked")
    training = replace(CONFIG.training, loss="pinball")
    with pytest.raises(ConfigError, match="set highway to blend_seen, or another loss"):
        replace(CONFIG, model=model, training=training)
    replace(CONFIG, model=replace(model, highway="blend_seen"), training=training)


def test_a_network_of_quantiles_forecasts_its_median():
    found = Forecaster.fit(history(), replace(MODERN, ensemble=1))
    assert found.predictor.levels == CONFIG.quantiles
    table = found.predict(history())
    assert (np.diff(table.filter(like="y_hat_q").to_numpy(), axis=1) >= 0).all()
    assert table["y_hat"].between(-10, 130).all()


def test_a_loss_of_quantiles_without_the_median_is_refused():
    with pytest.raises(ConfigError, match=r"without the median.*add 0\.5"):
        replace(MODERN, quantiles=(0.1, 0.9))
