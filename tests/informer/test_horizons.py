"""Series of every kind beside each other: forecast as if alone, or left out by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.errors import FrameError

DAYS = pd.date_range("2023-01-01", periods=300)
WAVE = 10 + 3 * np.sin(np.arange(300) * 2 * np.pi / 7)
NOISE = np.random.default_rng(0).normal(0, 0.3, 300)
FRAME = FrameConfig(id_column="id", columns=("y",), target="y", freq="d", season=7)
CONFIG = ForecasterConfig(
    frame=FRAME,
    model=InformerConfig(
        seq_len=24, label_len=12, pred_len=6, d_model=16, n_heads=2, d_ff=32, e_layers=1
    ),
    training=TrainingConfig(epochs=1, accelerator="cpu"),
    linear_look_back=24,
)


def series(name: str, y: np.ndarray = WAVE + NOISE, **columns) -> pd.DataFrame:
    return pd.DataFrame({"id": name, "ds": DAYS[: len(y)], "y": y} | columns)


def fit(*parts: pd.DataFrame, estimator: str = "linear", **frame) -> Forecaster:
    config = replace(CONFIG, frame=replace(FRAME, **frame))
    return Forecaster.fit(pd.concat(parts), config, estimator=estimator)


def of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table["unique_id"] == name].reset_index(drop=True)


@dataclass
class Flat:
    """Forecasts one scaled value everywhere."""

    value: float
    look_back: int = 24

    def predict(self, windows, index):
        return torch.full((len(index), windows.pred_len, windows.n_targets), self.value)


@pytest.mark.parametrize("estimator", ["informer", "linear", "seasonal_naive"])
def test_a_series_a_million_times_larger_takes_nothing_from_a_small_one(estimator):
    small, large = series("small"), series("large", 1e6 * (WAVE + NOISE))
    both = fit(small, large, estimator=estimator).predict(pd.concat([small, large]))
    own, other = of(both, "small"), of(both, "large")
    assert own["y_hat"].between(5, 15).all()
    assert (own["y_hat_q90"] - own["y_hat_q10"]).max() < 12
    values = own.columns.drop(["unique_id", "ds", "cutoff"])
    np.testing.assert_allclose(other[values], 1e6 * own[values], rtol=1e-4)


def test_one_scale_for_all_series_is_still_to_be_had():
    parts = series("small"), series("large", 100 * WAVE)
    scales = fit(*parts, scale="global").scales
    assert scales.ids == ()
    train = np.concatenate([part["y"][:240] for part in parts])
    assert scales.deviation[0, 0] == pytest.approx(train.std())


def test_a_noisy_series_does_not_widen_the_intervals_of_a_calm_one():
    calm, noisy = series("calm"), series("noisy", WAVE + 10 * NOISE)
    table = fit(calm, noisy).predict(pd.concat([calm, noisy]))
    alone = fit(calm).predict(calm)
    widths = {
        name: (own["y_hat_q90"] - own["y_hat_q10"]).mean()
        for name, own in [("calm", of(table, "calm")), ("noisy", of(table, "noisy")),
                          ("alone", alone)]
    }  # fmt: skip
    assert widths["calm"] < 2 * widths["alone"]
    assert widths["noisy"] > 3 * widths["calm"]


@pytest.mark.parametrize("estimator", ["informer", "linear"])
def test_a_forecast_does_not_depend_on_the_other_series_of_the_frame(estimator):
    parts = {name: series(name, level + WAVE + NOISE) for name, level in (("a", 0), ("b", 50))}
    fitted = fit(*parts.values(), estimator=estimator)
    others = [
        series("new", 7 * WAVE),
        series("late", WAVE[:290]),
        series("short", WAVE[:9]).assign(ds=DAYS[-9:]),
        series("gappy", WAVE)[lambda f: (f.index < 200) | (f.index > 285)],
        series("empty", np.full(300, np.nan)),
        series("infinite", np.where(np.arange(300) == 5, np.inf, WAVE)),
        series("twice").iloc[np.r_[:300, 17]],
        series("fill", np.where(np.arange(300) == 290, 9.97e36, WAVE)),
        series("noon").assign(ds=DAYS + pd.Timedelta("12h")),
    ]
    alone = fitted.predict(parts["a"])
    everyone = fitted.predict(pd.concat([*others, *parts.values()]))
    pd.testing.assert_frame_equal(
        of(everyone, "a")[alone.columns], alone, check_exact=False, rtol=1e-5
    )
    left_out = everyone.attrs["left_out"]
    assert {name: reason[:24] for name, reason in left_out.items()} == {
        "short": "has 9 rows, a forecast r",
        "gappy": "has 14 rows since its la",
        "empty": "has no values in column ",
        "infinite": "has infinite values in c",
        "twice": "has several rows for one",
        "fill": "holds 9.97e+36 in column",
    }
    assert everyone.attrs["unseen"] == ["late", "new", "noon"]
    assert of(everyone, "noon")["ds"].iloc[0] == DAYS[-1] + pd.Timedelta("36h")
    assert of(everyone, "late")["cutoff"].iloc[0] == DAYS[289]
    fallback = everyone.groupby("unique_id")["fallback"].first()
    assert fallback[fallback != ""].to_dict() == {"short": "naive", "gappy": "seasonal_naive"}


def test_a_fit_leaves_out_what_it_cannot_learn_from_and_says_so():
    parts = [
        series("a"), series("b", 2 * WAVE),
        series("young", WAVE[:20]).assign(ds=DAYS[-20:]),
        series("outage")[lambda f: (f.index < 100) | (f.index > 120)],
        series("code", np.where(np.arange(300) % 50 == 3, -9999.0, WAVE)),
    ]  # fmt: skip
    fitted = fit(*parts)
    assert {name: reason[:22] for name, reason in fitted.left_out.items()} == {
        "young": "has 0 train rows witho",
        "outage": "has a gap: 'y' is miss",
        "code": "has impossible values:",
    }
    pd.testing.assert_frame_equal(
        fitted.predict(parts[0]), fit(*parts[:2]).predict(parts[0]), check_exact=False, rtol=1e-5
    )
    assert "outage" not in fit(*parts, on_gap="split").left_out
    assert fit(*parts, on_gap="split").scales.ids == ("a", "b", "outage")


def test_values_that_are_right_after_all_are_kept_where_the_caller_says_so():
    coded = series("a", np.where(np.arange(300) % 50 == 3, -9999.0, WAVE))
    with pytest.raises(FrameError, match=r"has impossible values.*check_values=False"):
        fit(coded)
    kept = Forecaster.fit(coded, CONFIG, estimator="linear", check_values=False)
    assert kept.scales.low[0, 0] == -9999


def test_an_outage_is_trained_around_and_a_forecast_looks_at_its_look_back_alone():
    gappy = series("a")[lambda f: (f.index < 100) | (f.index > 130)]
    with pytest.raises(FrameError, match=r"31 steps.*set frame.on_gap to split"):
        fit(gappy)
    split = fit(gappy, on_gap="split")
    filled = fit(series("a")).predict(gappy)
    table = split.predict(gappy)
    assert table["ds"].tolist() == filled["ds"].tolist()
    assert (table["y_hat"] - filled["y_hat"]).abs().max() < 0.5
    with pytest.raises(
        FrameError, match="has 20 rows since its last long gap, a forecast reads 24"
    ):
        split.predict(gappy[gappy["ds"] < DAYS[151]])


@pytest.mark.parametrize("loss", ["mse", "pinball"])
@pytest.mark.parametrize("estimator", ["informer", "linear", "naive"])
def test_the_point_lies_in_its_own_intervals_on_trends_and_after_shifts(estimator, loss):
    config = replace(CONFIG, training=replace(CONFIG.training, loss=loss))
    for y in (WAVE + np.arange(300), WAVE + 100.0 * (np.arange(300) > 270), 1e3 - WAVE.cumsum()):
        frame = series("a", y)
        table = Forecaster.fit(frame, config, estimator=estimator).predict(frame)
        for low, high in ((10, 90), (20, 80), (30, 70), (40, 60)):
            inside = table["y_hat"].between(table[f"y_hat_q{low}"], table[f"y_hat_q{high}"])
            assert inside.all()
        quantiles = table.filter(like="y_hat_q").to_numpy()
        assert (np.diff(quantiles, axis=1) >= 0).all()


def test_a_count_is_never_forecast_below_zero_nor_above_a_bound():
    counts = np.random.default_rng(1).poisson(0.7, 300).astype(float)
    free = fit(series("a", counts)).predict(series("a", counts))
    assert (free["y_hat_q10"] < 0).any()
    with pytest.raises(FrameError, match=r"series 'a' holds \d, above frame.max=1.5. Correct"):
        fit(series("a", counts), min=0, max=1.5)
    bounded = fit(series("a", counts), min=0).predict(series("a", counts))
    quantiles = bounded.filter(like="y_hat").to_numpy()
    assert quantiles.min() == 0
    np.testing.assert_allclose(quantiles, np.maximum(free.filter(like="y_hat"), 0), rtol=1e-6)


def test_a_logarithm_is_taken_and_undone_and_saved(tmp_path):
    growing = np.exp(np.arange(300) / 50 + NOISE)
    fitted = fit(series("a", growing), transform="log1p")
    table = fitted.predict(series("a", growing))
    assert table["y_hat"].between(200, 700).all()  # exp(6) = 403
    upper, lower = table["y_hat_q90"] - table["y_hat"], table["y_hat"] - table["y_hat_q10"]
    assert (upper > lower).all()
    again = Forecaster.load(fitted.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(again.predict(series("a", growing)), table, check_exact=True)


def test_a_robust_scale_looks_past_a_few_spikes():
    spiked = WAVE + NOISE + 200.0 * (np.arange(300) % 97 == 5)
    scales = fit(series("a", spiked), scaler="robust").scales
    assert scales.center[0, 0] == pytest.approx(10, abs=1)
    assert scales.spread[0, 0] < 5 < scales.deviation[0, 0]


@pytest.mark.parametrize("value", [-9999.0, 9.97e36, 1.7e308])
@pytest.mark.parametrize("at", [5, 290])
def test_a_code_in_a_series_that_is_new_to_the_model_stops_nobody(value, at):
    fitted = fit(series("a"))
    new = series("new", np.where(np.arange(300) == at, value, 5 * WAVE))
    table = fitted.predict(pd.concat([series("a"), new]))
    assert len(of(table, "a")) == 6
    if at == 290:  # within the look-back
        assert table.attrs["left_out"]["new"].startswith("holds ")
    else:
        assert of(table, "new")["y_hat"].between(30, 70).all()
    known = series("a", np.where(np.arange(300) == 290, value, WAVE))
    with pytest.raises(FrameError, match="far outside its train rows"):
        fitted.predict(known)


@pytest.mark.parametrize("value", [1e5, np.nan, np.inf])
def test_a_forecast_far_outside_the_range_of_its_rows_is_not_given(value):
    fitted = replace(fit(series("a")), predictor=Flat(value))
    with pytest.raises(FrameError, match=r"series 'a' has a forecast (of|that is not finite)"):
        fitted.predict(series("a"))


def test_each_target_begins_after_its_own_last_value():
    frame = replace(FRAME, columns=("y", "z"), features="M", id_column=None)
    rows = series("a", z=5 * WAVE).drop(columns="id")
    config = replace(CONFIG, frame=frame)
    fitted = Forecaster.fit(rows, config, estimator="linear")
    late = rows.assign(z=rows["z"].where(rows.index < 297))
    table = fitted.predict(late)
    assert of(table, "y")["cutoff"].iloc[0] == DAYS[299]
    assert of(table, "z")["ds"].tolist() == list(DAYS[297:]) + list(
        pd.date_range(DAYS[-1], periods=4)[1:]
    )
    whole = fitted.predict(rows.iloc[:297])
    columns = table.columns
    pd.testing.assert_frame_equal(of(table, "z")[columns], of(whole, "z")[columns])
    wide = late.assign(z=late["z"].where(late.index < 280))
    table = fitted.predict(wide)
    assert set(table["unique_id"]) == {"z"}
    assert table.attrs["left_out"]["y"].startswith("lacks another column at 2023-10-27")
