"""The door of the library: what a forecast depends on, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.calibration import conformal_offsets
from informer.errors import CheckpointError, ConfigError, FrameError

N_ROWS = 240
FRAME = FrameConfig(columns=("load", "heat"), target="load", features="M")
CONFIG = ForecasterConfig(
    frame=FRAME,
    model=InformerConfig(
        seq_len=24, label_len=12, pred_len=6, d_model=8, n_heads=2, d_ff=16, e_layers=1
    ),
    training=TrainingConfig(epochs=1, steps_per_epoch=3, learning_rate=1e-3),
    look_back=30,
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
    shifted = frame.assign(load=frame["load"].where(frame["ds"] < start, 1e3))
    for estimator in ("linear", "seasonal_naive"):
        plain = Forecaster.fit(frame, CONFIG, estimator=estimator)
        moved = Forecaster.fit(shifted, CONFIG, estimator=estimator)
        np.testing.assert_array_equal(plain.scaler.mean, moved.scaler.mean)
        np.testing.assert_array_equal(plain.scaler.std, moved.scaler.std)


@pytest.mark.parametrize("estimator", ["informer", "linear", "seasonal_naive", "naive"])
def test_a_saved_forecaster_forecasts_alike(estimator, tmp_path):
    forecaster = Forecaster.fit(history(), CONFIG, estimator=estimator)
    loaded = Forecaster.load(forecaster.save(tmp_path / "model"))
    assert loaded.config == forecaster.config
    assert loaded.estimator == estimator
    pd.testing.assert_frame_equal(loaded.predict(history()), forecaster.predict(history()))
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "forecaster.json",
        "weights.safetensors",
    ]


def test_saving_never_overwrites_and_leaves_nothing_half_done(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    with pytest.raises(CheckpointError, match="no model is overwritten"):
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
    frame = pd.concat([history(60, ("a",)), history(10, ("b",)).assign(unique_id="short")])
    with pytest.raises(FrameError, match=r"series 'short' has 10 rows; .* at least 24"):
        fitted.predict(frame)


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


def test_conformal_offsets_are_order_statistics_of_the_validation_residuals(fitted):
    import torch

    from informer.data.windows import Windows

    class Zero:
        look_back = 1

        def predict(self, windows, index):
            return torch.zeros(len(index), 1, 1)

    values = np.arange(10.0)[:, None]  # residuals 1 ... 9
    windows = Windows.cut(
        values, np.zeros((10, 1)), torch.arange(1, 10),
        seq_len=1, label_len=0, pred_len=1, n_targets=1,
    )  # fmt: skip
    observed = np.ones((10, 1), bool)
    offsets = conformal_offsets(Zero(), windows, observed, (0.1, 0.5, 0.9))
    assert offsets.ravel().tolist() == [1.0, 5.0, 9.0]
    observed[9] = False  # the residual 9 is not scored
    offsets = conformal_offsets(Zero(), windows, observed, (0.1, 0.5, 0.9))
    assert offsets.ravel().tolist() == [1.0, 4.0, 8.0]


def test_a_network_trained_elsewhere_is_scaled_and_calibrated_as_if_fitted_here(fitted):
    served = Forecaster.from_network(fitted.predictor.model, history(), CONFIG)
    np.testing.assert_array_equal(served.scaler.mean, fitted.scaler.mean)
    np.testing.assert_array_equal(served.offsets, fitted.offsets)
    pd.testing.assert_frame_equal(served.predict(history()), fitted.predict(history()))


def test_a_network_that_is_not_the_configured_one_is_refused_by_what_differs(fitted):
    model = fitted.predictor.model
    other = replace(CONFIG, model=replace(CONFIG.model, d_ff=32, pred_len=8))
    with pytest.raises(ConfigError, match=r"pred_len is 6, expected 8; d_ff is 16, expected 32"):
        Forecaster.from_network(model, history(), other)
    minutes = replace(CONFIG, frame=replace(FRAME, freq="15min"))
    with pytest.raises(ConfigError, match="n_marks is 4, expected 5"):
        Forecaster.from_network(model, history(), minutes)
