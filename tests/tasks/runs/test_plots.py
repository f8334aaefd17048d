"""Pictures: what is drawn is what the frame says, and nothing is cut off."""

import base64
import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from tasks.runs.plots import (
    error_by_step,
    forecast_against_actual,
    forecast_fan,
    learning_curve,
    png_data_uri,
    rolling_forecast,
)

HOURS = pd.date_range("2024-01-01", periods=96, freq="h")


def forecasts(n_series: int = 2, n_cutoffs: int = 6, pred_len: int = 12) -> pd.DataFrame:
    """Rolling origins, six hours apart, so that every other horizon overlaps."""
    parts = []
    for series in range(n_series):
        for begin in range(24, 24 + 6 * n_cutoffs, 6):
            ds = HOURS[begin : begin + pred_len]
            y = np.sin(np.arange(begin, begin + pred_len) / 4) + series
            columns = {"ds": ds, "cutoff": HOURS[begin - 1], "y": y, "y_hat": y + 0.1}
            quantiles = {f"y_hat_q{q}": y + (q - 50) / 100 for q in range(10, 100, 10)}
            parts.append(pd.DataFrame({"unique_id": f"s{series}", **columns, **quantiles}))
    return pd.concat(parts, ignore_index=True)


def history(n_series: int = 2) -> pd.DataFrame:
    names = np.repeat([f"s{i}" for i in range(n_series)], len(HOURS))
    return pd.DataFrame({"unique_id": names, "ds": list(HOURS) * n_series, "y": 1.0})


def errors() -> pd.DataFrame:
    steps = range(1, 13)
    models = ("informer", "seasonal_naive")
    return pd.concat(
        pd.DataFrame({"model": m, "step": steps, "mse": 0.5, "mae": 0.4}) for m in models
    )


LOSSES = [
    {"epoch": i + 1, "train_loss": 1.0 / (i + 1), "val_loss": abs(i - 2) + 1} for i in range(5)
]


def labels(figure: Figure) -> set[str]:
    """The words of the one legend below the panels."""
    (legend,) = figure.legends
    return {text.get_text() for text in legend.get_texts()}


def lines(figure: Figure, panel: int, label: str) -> list[int]:
    """How many points each line of that colour in a panel has, by the label of the first."""
    axes = figure.axes[panel]
    (first,) = (line for line in axes.get_lines() if line.get_label() == label)
    return [len(i.get_xdata()) for i in axes.get_lines() if i.get_color() == first.get_color()]


FIGURES: list[Callable[[], Figure]] = [
    lambda: forecast_against_actual(forecasts(5), "Five series"),
    lambda: forecast_fan(history(1), forecasts(1, 1)),
    lambda: error_by_step(errors()),
    lambda: learning_curve(LOSSES),
]


@pytest.mark.parametrize("make", FIGURES)
def test_no_label_is_cut_off(make: Callable[[], Figure]) -> None:
    figure = make()
    figure.draw_without_rendering()
    used, there = figure.get_tightbbox(), figure.bbox_inches
    assert used.x0 >= -0.01
    assert used.y0 >= -0.01
    assert used.x1 <= there.x1 + 0.01
    assert used.y1 <= there.y1 + 0.01


@pytest.mark.parametrize("make", FIGURES)
def test_every_axis_says_what_it_measures(make: Callable[[], Figure]) -> None:
    figure = make()
    shared = figure.get_supylabel()
    assert shared or all(axes.get_ylabel() for axes in figure.axes)


def test_only_forecasts_that_do_not_overlap_are_drawn_and_the_last_is_among_them() -> None:
    frame = forecasts()
    figure = forecast_against_actual(frame, "Rolling origins")
    assert lines(figure, 0, "forecast") == [12, 12, 12]
    assert lines(figure, 0, "measured") == [36]
    assert labels(figure) == {"measured", "forecast", "80% interval", "cutoff"}


def test_a_forecast_without_truth_or_interval_is_drawn_too() -> None:
    frame = forecasts()[["unique_id", "ds", "cutoff", "y_hat"]]
    assert labels(forecast_against_actual(frame, "Ahead")) == {"forecast", "cutoff"}


def test_the_title_counts_series_that_were_not_even_handed_over() -> None:
    figure = forecast_fan(history(6), forecasts(6, 1), n_series=10_000)
    assert figure.get_suptitle() == "Forecast (6 of 10,000 series)"


def test_the_title_says_how_many_series_were_left_out() -> None:
    figure = forecast_against_actual(forecasts(9, 1), "Many")
    assert figure.get_suptitle() == "Many (6 of 9 series)"
    assert len(figure.axes) == 6


def test_a_fan_shows_three_horizons_of_history_and_every_interval() -> None:
    figure = forecast_fan(history(), forecasts(2, 1))
    assert lines(figure, 0, "measured") == [36]
    assert len(figure.axes[0].collections) == 4
    assert labels(figure) == {"measured", "forecast", "20 to 80% intervals"}


def test_models_keep_their_colour_in_both_error_panels() -> None:
    figure = error_by_step(errors(), unit="scaled")
    colours = [[line.get_color() for line in axes.get_lines()] for axes in figure.axes]
    assert colours[0] == colours[1]
    assert len(set(colours[0])) == 2
    assert figure.axes[0].get_ylabel() == "MSE (scaled, squared)"
    assert labels(figure) == {"informer", "seasonal naive"}


def test_the_best_epoch_is_marked() -> None:
    texts = [t.get_text() for t in learning_curve(LOSSES).axes[0].get_legend().get_texts()]
    assert texts == ["training", "validation", "best: epoch 3, 1"]


def test_a_training_without_validation_has_no_best_epoch() -> None:
    figure = learning_curve([{"epoch": 1, "train_loss": 0.5}])
    texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert texts == ["training", "validation"]


def test_a_data_uri_holds_the_picture() -> None:
    head, _, body = png_data_uri(learning_curve(LOSSES), dpi=50).partition(",")
    assert head == "data:image/png;base64"
    assert imread(io.BytesIO(base64.b64decode(body))).shape[:2] == (170, 320)


def test_a_rolling_chart_reads_the_clock_of_the_data() -> None:
    rolled, inputs = forecasts(1), history(1)[:24]
    plain = rolling_forecast(rolled, inputs, "Naive")
    zone = "Europe/Berlin"
    rolled = rolled.assign(
        ds=rolled["ds"].dt.tz_localize(zone), cutoff=rolled["cutoff"].dt.tz_localize(zone)
    )
    zoned = rolling_forecast(rolled, inputs.assign(ds=inputs["ds"].dt.tz_localize(zone)), "Zoned")
    drawn = [[list(line.get_xdata()) for line in f.axes[0].get_lines()] for f in (plain, zoned)]
    assert drawn[0] == drawn[1]
