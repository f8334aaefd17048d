"""Rolling forecasts: what the widespread tutorial gets wrong, each as a test, and no leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from informer import (
    ConfigError,
    Forecaster,
    ForecasterConfig,
    FrameConfig,
    FrameError,
    InformerConfig,
    TrainingConfig,
    roll,
)
from informer.nn import Informer

HOURS = pd.date_range("2024-01-01", periods=240, freq="h")
N_KNOWN, P = 200, 6


def config_for(features: str, id_column: str | None = None) -> ForecasterConfig:
    return ForecasterConfig(
        frame=FrameConfig(
            id_column=id_column, columns=("load", "heat"), target="load", features=features
        ),
        model=InformerConfig(
            seq_len=24, label_len=12, pred_len=P, d_model=8, n_heads=2, d_ff=16, e_layers=1
        ),
        training=TrainingConfig(epochs=1, steps_per_epoch=3, learning_rate=1e-3),
        linear_look_back=24,
    )


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    hours = np.arange(len(HOURS))
    load = 100 + 10 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(size=len(hours))
    return pd.DataFrame({"ds": HOURS, "load": load, "heat": 20 - load / 10})


def two_series() -> pd.DataFrame:
    south = rows().assign(load=lambda f: f["load"] + 300)
    return pd.concat([rows().assign(unique_id="north"), south.assign(unique_id="south")])


def parts(frame: pd.DataFrame, n_known: int = N_KNOWN) -> tuple[pd.DataFrame, pd.DataFrame]:
    known = frame["ds"] < HOURS[n_known]
    return frame[known], frame[~known]


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster.fit(parts(rows())[0], config_for("M"))


@pytest.fixture(scope="module")
def linear() -> Forecaster:
    return Forecaster.fit(parts(rows())[0], config_for("S"), estimator="linear")


def test_a_file_that_repeats_trained_rows_is_refused_with_both_dates(linear):
    history, _ = parts(rows())
    with pytest.raises(FrameError) as raised:
        roll(linear, history, rows()[:40])
    message = str(raised.value)
    assert "2024-01-09 08:00" in message  # where the rows must begin
    assert "begin at 2024-01-01 00:00" in message
    assert "allow_overlap" in message


def test_an_overlap_asked_for_by_name_is_rolled_over_and_is_no_test(linear):
    history, _ = parts(rows())
    rolled = roll(linear, history, rows()[:60], allow_overlap=True)
    assert not rolled.is_test
    assert not rolled.forecasts["is_test"].any()
    assert rolled.forecasts["cutoff"].min() == HOURS[23]  # the first that has a history
    assert rolled.forecasts["ds"].max() == HOURS[59]
    partly = roll(linear, history, rows()[190:], allow_overlap=True)
    assert not partly.forecasts["is_test"].any()
    assert partly.forecasts["cutoff"].min() == HOURS[189]


def test_rows_that_begin_too_late_are_refused_with_both_dates(linear):
    history, future = parts(rows())
    with pytest.raises(FrameError, match=r"begin at 2024-01-09 08.*begin at 2024-01-09 10"):
        roll(linear, history, future[2:])
    with pytest.raises(FrameError, match="rows in between"):
        roll(linear, history, future[2:], allow_overlap=True)


def test_each_block_is_what_predict_gives_at_its_cutoff_so_the_scaler_is_frozen(fitted):
    history, future = parts(rows())
    rolled = roll(fitted, history, future)
    for cutoff, block in rolled.forecasts.groupby("cutoff"):
        expected = fitted.predict(rows()[rows()["ds"] <= cutoff])
        assert block["ds"].tolist() == expected["ds"].tolist()
        assert block["unique_id"].tolist() == expected["unique_id"].tolist()
        np.testing.assert_allclose(block["y_hat"], expected["y_hat"], rtol=1e-5)
        np.testing.assert_allclose(block["y_hat_q90"], expected["y_hat_q90"], rtol=1e-5)


def test_the_last_block_is_forecast_and_scored_as_far_as_the_rows_go(fitted):
    history, future = parts(rows())  # 40 rows: six blocks and four steps
    rolled = roll(fitted, history, future)
    assert rolled.n_cutoffs == 7
    assert rolled.forecasts["cutoff"].unique().tolist() == HOURS[N_KNOWN - 1 :: P][:7].tolist()
    last = rolled.forecasts[rolled.forecasts["cutoff"] == HOURS[235]]
    assert len(last) == 2 * P
    assert last["y"].isna().tolist() == [False] * 4 + [True] * 2 + [False] * 4 + [True] * 2
    counts = rolled.scores.groupby("step")["n"].first()
    assert counts.tolist() == [7, 7, 7, 7, 6, 6]
    assert rolled.forecasts["ds"].max() == HOURS[-1] + pd.Timedelta("2h")


@pytest.mark.parametrize("features", ["S", "MS"])
def test_the_forecast_column_holds_forecasts_and_the_other_the_actuals(features):
    history, future = parts(rows())
    rolled = roll(Forecaster.fit(history, config_for(features)), history, future)
    table = rolled.forecasts.dropna(subset="y")
    assert table["unique_id"].unique().tolist() == ["load"]
    merged = table.merge(rows(), on="ds")
    assert merged["y"].tolist() == merged["load"].tolist()
    assert not np.isclose(merged["y_hat"], merged["load"]).any()


@pytest.mark.parametrize("features", ["M", "S", "MS"])
def test_what_comes_after_a_cutoff_never_changes_its_forecast(features):
    history, future = parts(rows())
    model = Forecaster.fit(history, config_for(features))
    later = future["ds"] > HOURS[211]
    changed = future.assign(
        load=future["load"].mask(later, -150), heat=future["heat"].mask(later, 150)
    )
    before = roll(model, history, future).forecasts
    after = roll(model, history, changed).forecasts
    known = before["cutoff"] <= HOURS[211]
    pd.testing.assert_series_equal(before["y_hat"][known], after["y_hat"][known])
    assert not np.isclose(before["y_hat"][~known], after["y_hat"][~known]).any()


def test_the_model_is_neither_loaded_nor_made_again_on_the_way(fitted, monkeypatch):
    def refuse(*_args: object) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr(Forecaster, "load", refuse)
    monkeypatch.setattr(Informer, "load_state_dict", refuse)
    monkeypatch.setattr(Informer, "__init__", refuse)
    assert roll(fitted, *parts(rows())).n_refits == 0


def test_a_refit_comes_after_every_so_many_cutoffs_and_counts(fitted):
    history, future = parts(rows())
    steps: list[tuple[int, ...]] = []
    rolled = roll(
        fitted, history, future, refit_every=3, on_step=lambda *counts: steps.append(counts)
    )
    assert (rolled.n_cutoffs, rolled.n_refits) == (7, 2)
    assert steps == [(3, 7), (6, 7), (7, 7)]
    kept = roll(fitted, history, future)
    same = rolled.forecasts["cutoff"] < HOURS[N_KNOWN - 1 + 3 * P]
    pd.testing.assert_frame_equal(rolled.forecasts[same], kept.forecasts[same])
    changed = ~np.isclose(rolled.forecasts["y_hat"][~same], kept.forecasts["y_hat"][~same])
    assert changed.mean() > 0.9


@pytest.mark.parametrize("val", [0.2, 40, "2024-01-07 16:00"])
def test_a_refit_is_a_fit_on_the_rows_known_at_its_cutoff_and_sees_no_later_one(val):
    history, future = parts(rows())
    config = replace(config_for("M"), val=val)
    model = Forecaster.fit(history, config, estimator="linear")
    rolled = roll(model, history, future, refit_every=2)
    cutoff = HOURS[N_KNOWN - 1 + 2 * P]
    known = rows()[rows()["ds"] <= cutoff]
    by_hand = Forecaster.fit(
        known, replace(config, val=val if val == 0.2 else 40), estimator="linear"
    ).predict(known)
    block = rolled.forecasts[rolled.forecasts["cutoff"] == cutoff]
    np.testing.assert_allclose(block["y_hat"], by_hand["y_hat"], rtol=1e-6)
    changed = future.assign(load=future["load"].mask(future["ds"] > cutoff, -150))
    again = roll(model, history, changed, refit_every=2).forecasts
    block_again = again[again["cutoff"] == cutoff]
    pd.testing.assert_series_equal(block["y_hat"], block_again["y_hat"])


def test_several_series_are_rolled_each_from_its_own_end():
    frame = two_series()
    ends = frame["unique_id"].map({"north": HOURS[N_KNOWN], "south": HOURS[N_KNOWN - 9]})
    history, future = frame[frame["ds"] < ends], frame[frame["ds"] >= ends]
    model = Forecaster.fit(history, config_for("M", "unique_id"), estimator="seasonal_naive")
    rolled = roll(model, history, future.sample(frac=1, random_state=0))
    table = rolled.forecasts
    assert set(table["unique_id"]) == {
        f"{s}/{t}" for s in ("north", "south") for t in ("load", "heat")
    }
    firsts = table.groupby("unique_id")["cutoff"].min()
    assert firsts["north/load"] == HOURS[N_KNOWN - 1]
    assert firsts["south/heat"] == HOURS[N_KNOWN - 10]
    merged = table.dropna(subset="y").query("unique_id == 'south/load'").merge(
        frame[frame["unique_id"] == "south"], on="ds"
    )  # fmt: skip
    assert merged["y"].tolist() == merged["load"].tolist()
    past = merged["ds"] - pd.Timedelta("24h")
    naive = frame[frame["unique_id"] == "south"].set_index("ds")["load"].loc[past]
    np.testing.assert_allclose(merged["y_hat"], naive, rtol=1e-5)


def test_a_series_that_did_not_go_on_is_named_and_not_forecast():
    history, future = parts(two_series())
    model = Forecaster.fit(history, config_for("S", "unique_id"), estimator="seasonal_naive")
    rolled = roll(model, history, future[future["unique_id"] == "south"])
    assert rolled.left_out == ("north",)
    assert rolled.forecasts["unique_id"].unique().tolist() == ["south"]


def test_times_with_a_zone_and_short_gaps_are_taken_as_everywhere_else(linear):
    history, future = parts(rows())
    plain = roll(linear, history, future.drop(index=[210, 211]))
    zoned = future.drop(index=[210, 211]).assign(ds=lambda f: f["ds"].dt.tz_localize("UTC"))
    zoned = zoned.assign(ds=zoned["ds"].dt.tz_convert("America/New_York"))
    pd.testing.assert_frame_equal(plain.forecasts, roll(linear, history, zoned).forecasts)
    missing = plain.forecasts[plain.forecasts["ds"].isin(HOURS[[210, 211]])]
    assert missing["y"].isna().all()
    assert plain.scores["n"].sum() == 40 - 2


def test_scores_are_those_of_the_forecasts_in_train_deviations(linear):
    rolled = roll(linear, *parts(rows()))
    error = rolled.forecasts["y_hat"] - rolled.forecasts["y"]
    by_step = (
        (error / linear.scales.deviation[0, -1]).pow(2).groupby(rolled.forecasts["step"]).mean()
    )
    np.testing.assert_allclose(rolled.scores["mse"], by_step, rtol=1e-9)
    inside = rolled.forecasts.eval("y >= y_hat_q10 and y <= y_hat_q90")
    known = rolled.forecasts["y"].notna()
    share = inside[known].groupby(rolled.forecasts["step"][known]).mean()
    np.testing.assert_allclose(rolled.scores["coverage"], share)


def test_the_inputs_are_what_the_first_forecast_read(fitted):
    inputs = roll(fitted, *parts(rows())).inputs
    own = inputs[inputs["unique_id"] == "load"]
    assert own["ds"].tolist() == HOURS[N_KNOWN - 24 : N_KNOWN].tolist()
    assert own["y"].tolist() == rows()["load"][N_KNOWN - 24 : N_KNOWN].tolist()


FAULTS = {
    "a missing column": (lambda f: f.drop(columns="load"), r"rolling rows: .*lacks .*'load'"),
    "a longer step": (lambda f: f[::2], "come every 0 days 02:00:00, .* steps of 'h'"),
    "a shorter step": (
        lambda f: f.assign(ds=f["ds"].min() + (f["ds"] - f["ds"].min()) / 4),
        "not on the 'h' grid",
    ),
    "a long gap": (lambda f: f.drop(index=range(210, 220)), "max_gap=6"),
    "text": (lambda f: f.assign(load="much"), "must hold numbers"),
    "no rows": (lambda f: f[:0], "rolling rows: the frame has no rows"),
    "a repeated time": (lambda f: pd.concat([f, f[3:4]]), "have the time of an earlier row"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_rows_that_cannot_be_rolled_over_are_refused(linear, name):
    change, message = FAULTS[name]
    history, future = parts(rows())
    with pytest.raises(FrameError, match=message):
        roll(linear, history, change(future))


def test_a_history_too_short_and_a_stranger_are_named(linear):
    history, future = parts(rows())
    with pytest.raises(FrameError, match="20 rows of history; a forecast reads at least 24"):
        roll(linear, history[-20:], future)
    known, came = parts(two_series())
    model = Forecaster.fit(known, config_for("S", "unique_id"), estimator="seasonal_naive")
    with pytest.raises(FrameError, match=r"the series \['west'\]"):
        roll(model, known, came.replace("south", "west"))


def test_a_refit_after_no_cutoff_is_refused(linear):
    with pytest.raises(ConfigError, match="refit_every is 0"):
        roll(linear, *parts(rows()), refit_every=0)
