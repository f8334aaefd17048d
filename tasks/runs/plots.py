"""Pictures of forecasts and trainings: frame in, matplotlib figure out, nothing shown.

Colours are those of Okabe and Ito, told apart by colour-blind readers; what is measured is black,
the model blue, and models also differ in their markers.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = [
    "MAX_SERIES",
    "change_by_part",
    "error_by_step",
    "forecast_against_actual",
    "forecast_fan",
    "learning_curve",
    "png_data_uri",
    "rolling_forecast",
]

BLACK, BLUE, GREY = "#000000", "#0072B2", "#6B6B6B"
PALETTE = (BLUE, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
DATA_UNIT = "units of the data"
MAX_SERIES = 6
MAX_ROLLED = 8
MAX_ORIGINS = 3
HISTORY_HORIZONS = 3  # how many horizons of history a fan chart shows
SHOWN_HORIZONS = 28  # how many horizons of a rolling forecast can still be told apart
PANEL_SIZE = (4.6, 2.5)  # inches
WIDE_PANEL = (9.2, 1.8)


def forecast_against_actual(frame: pd.DataFrame, title: str, unit: str = DATA_UNIT) -> Figure:
    """The last forecasts of a few series, one panel each, over what was measured.

    Args:
        frame: `unique_id, ds, cutoff, y_hat`, and where known `y`, `y_hat_q10`, `y_hat_q90`. Of
            each series the latest cutoffs are drawn whose horizons do not overlap.
        title: stands above the panels.
        unit: of the values, for their axis.

    Returns:
        The figure; the title says how many series were left out.
    """
    names = list(frame["unique_id"].unique())
    figure, panels = _panels(names, title, unit)
    for name, axes in zip(names, panels, strict=False):
        rows = frame[frame["unique_id"] == name]
        cutoffs = _apart(rows)
        drawn = rows[rows["cutoff"].isin(cutoffs)].sort_values("ds")
        if "y" in drawn:
            axes.plot(drawn["ds"], drawn["y"], color=BLACK, linewidth=1.2, label="measured")
        for i, cutoff in enumerate(cutoffs):
            _draw_forecast(axes, drawn[drawn["cutoff"] == cutoff], labelled=i == 0)
    _share_legend(figure, panels)
    return figure


def _apart(rows: pd.DataFrame) -> list[pd.Timestamp]:
    """The latest cutoffs of one series whose horizons do not overlap, oldest first."""
    chosen: list[pd.Timestamp] = []
    for cutoff, end in rows.groupby("cutoff")["ds"].max().sort_index(ascending=False).items():
        if not chosen or (end <= chosen[-1] and len(chosen) < MAX_ORIGINS):
            chosen.append(pd.Timestamp(str(cutoff)))
    return chosen[::-1]


def _draw_forecast(axes: Axes, part: pd.DataFrame, *, labelled: bool) -> None:
    _draw_horizon(axes, part, labelled=labelled)
    axes.axvline(
        part["cutoff"].iloc[0], color=GREY, linewidth=0.8, linestyle=":",
        label="cutoff" if labelled else None,
    )  # fmt: skip


def _draw_horizon(axes: Axes, part: pd.DataFrame, *, labelled: bool) -> None:
    def label(text: str) -> str | None:
        return text if labelled else None

    if {"y_hat_q10", "y_hat_q90"} <= set(part.columns):
        low, high = part["y_hat_q10"], part["y_hat_q90"]
        axes.fill_between(
            part["ds"], low, high, color=BLUE, alpha=0.2, linewidth=0, label=label("80% interval")
        )
    axes.plot(part["ds"], part["y_hat"], color=BLUE, linewidth=1.6, label=label("forecast"))


def forecast_fan(
    history_frame: pd.DataFrame,
    forecast_frame: pd.DataFrame,
    title: str = "Forecast",
    unit: str = DATA_UNIT,
    n_series: int | None = None,
) -> Figure:
    """What was measured last and the forecast that follows, with its intervals as a fan.

    Args:
        history_frame: `unique_id, ds, y`.
        forecast_frame: `unique_id, ds, y_hat` and any quantiles `y_hat_q10` ... `y_hat_q90`.
        title: stands above the panels.
        unit: of the values, for their axis.
        n_series: how many series there are, where the frames hold but the first of them.
    """
    names = list(forecast_frame["unique_id"].unique())
    figure, panels = _panels(names, title, unit, n_series=n_series)
    levels = sorted(
        int(m[1]) for c in forecast_frame if (m := re.fullmatch(r"y_hat_q(\d+)", str(c)))
    )
    bands = [q for q in levels if q < 50 and 100 - q in levels]
    for name, axes in zip(names, panels, strict=False):
        ahead = forecast_frame[forecast_frame["unique_id"] == name].sort_values("ds")
        past = history_frame[history_frame["unique_id"] == name].sort_values("ds")
        past = past.tail(HISTORY_HORIZONS * len(ahead))
        for i, q in enumerate(bands):
            axes.fill_between(
                ahead["ds"], ahead[f"y_hat_q{q}"], ahead[f"y_hat_q{100 - q}"],
                color=BLUE, alpha=0.15, linewidth=0,
                label=f"{100 - 2 * bands[-1]} to {100 - 2 * q}% intervals" if i == 0 else None,
            )  # fmt: skip
        axes.plot(past["ds"], past["y"], color=BLACK, linewidth=1.2, label="measured")
        axes.plot(ahead["ds"], ahead["y_hat"], color=BLUE, linewidth=1.6, label="forecast")
    _share_legend(figure, panels)
    return figure


def rolling_forecast(
    forecasts: pd.DataFrame, inputs: pd.DataFrame, title: str, unit: str = DATA_UNIT
) -> Figure:
    """The last inputs, then what was forecast from each cutoff over what came, one panel a series.

    Args:
        forecasts: `unique_id, ds, cutoff, y, y_hat`, and where known `y_hat_q10`, `y_hat_q90`; of a
            long roll the first horizons are drawn, and the title says so.
        inputs: `unique_id, ds, y`, what the first forecast of each series read.
        title: stands above the panels.
        unit: of the values, for their axis.
    """
    forecasts, inputs = _on_the_wall(forecasts), _on_the_wall(inputs)
    names = list(forecasts["unique_id"].unique())
    cutoffs = sorted(forecasts["cutoff"].unique())
    shown = cutoffs[:SHOWN_HORIZONS]
    if len(shown) < len(cutoffs):
        title = f"{title}\nthe first {len(shown)} of {len(cutoffs)} horizons"
    figure, panels = _panels(names, title, unit, wide=True)
    drawn = forecasts[forecasts["cutoff"].isin(shown)]
    for name, axes in zip(names, panels, strict=False):
        past = inputs[inputs["unique_id"] == name].sort_values("ds")
        own = drawn[drawn["unique_id"] == name].sort_values("ds")
        came = pd.concat([past, own])
        axes.plot(came["ds"], came["y"], color=BLACK, linewidth=1.1, label="measured")
        for i, (_, block) in enumerate(own.groupby("cutoff")):
            _draw_horizon(axes, block, labelled=i == 0)
        axes.axvline(
            own["cutoff"].iloc[0], color=PALETTE[1], linewidth=1.4, linestyle="--",
            label="the rolling forecast begins",
        )  # fmt: skip
        axes.margins(x=0.01)
    _share_legend(figure, panels)
    return figure


def change_by_part(
    table: pd.DataFrame, parts: Sequence[str], title: str, unit: str = DATA_UNIT
) -> Figure:
    """What each part of a change adds to it, stacked over the forecast times, one panel a series.

    Args:
        table: `unique_id, ds, change` and the columns `parts`, which add up to `change`.
        parts: stacked in this order; rises are stacked above zero, falls below.
        title: stands above the panels.
        unit: of the values, for their axis.
    """
    names = list(table["unique_id"].unique())
    figure, panels = _panels(names, title, unit)
    for name, axes in zip(names, panels, strict=False):
        rows = table[table["unique_id"] == name].sort_values("ds")
        step = rows["ds"].diff().min() if len(rows) > 1 else pd.Timedelta("1h")
        width = 0.9 * float(step / pd.Timedelta("1D"))  # days, which a time axis counts in
        tops, floors = pd.Series(0.0, rows.index), pd.Series(0.0, rows.index)
        for i, part in enumerate(parts):
            ups, downs = rows[part].clip(lower=0), rows[part].clip(upper=0)
            for bars, base in ((ups, tops), (downs, floors)):
                axes.bar(
                    rows["ds"], bars, width, bottom=base, color=PALETTE[i], linewidth=0,
                    label=part if bars is ups else None,
                )  # fmt: skip
            tops, floors = tops + ups, floors + downs
        axes.use_sticky_edges = False  # bars would end at the frame
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.plot(
            rows["ds"], rows["change"], color=BLACK, linewidth=1.4, marker="o", markersize=3,
            label="change",
        )  # fmt: skip
    _share_legend(figure, panels)
    return figure


def _on_the_wall(frame: pd.DataFrame) -> pd.DataFrame:
    """Times with a zone as the clock there shows them; matplotlib would show UTC."""
    zoned = frame.select_dtypes("datetimetz").columns
    return frame.assign(**{str(name): frame[name].dt.tz_localize(None) for name in zoned})


def error_by_step(frame: pd.DataFrame, unit: str = DATA_UNIT) -> Figure:
    """How the errors of each model grow with the horizon.

    Args:
        frame: `model, step, mse, mae`, the step counted from 1.
        unit: of the forecast values; the MSE has its square.
    """
    figure = Figure(figsize=(9.2, 3.4), layout="constrained")
    figure.suptitle("Error by horizon step", fontsize=12)
    panels = list(figure.subplots(1, 2))
    names = ((f"MSE ({unit}, squared)", "mse"), (f"MAE ({unit})", "mae"))
    for axes, (error, column) in zip(panels, names, strict=True):
        for i, (model, rows) in enumerate(frame.groupby("model", sort=False)):
            line = rows.sort_values("step")
            label = str(model).replace("_", " ")
            axes.plot(
                line["step"], line[column], label=label, linewidth=1.6, markersize=5,
                color=PALETTE[i % len(PALETTE)], marker=MARKERS[i % len(MARKERS)],
                markevery=max(1, len(line) // 8),
            )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_ylabel(error)
        _count_axis(axes, "steps ahead")
    _share_legend(figure, panels)
    return figure


def learning_curve(history: Sequence[Mapping[str, float]]) -> Figure:
    """Training and validation loss by epoch, the best epoch marked.

    Args:
        history: one record for each epoch: `epoch, train_loss, val_loss`.
    """
    frame = pd.DataFrame(list(history), columns=["epoch", "train_loss", "val_loss"])
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.set_title("Learning curve", fontsize=12)
    for column, label, color, marker in (
        ("train_loss", "training", BLACK, "o"),
        ("val_loss", "validation", BLUE, "s"),
    ):
        axes.plot(
            frame["epoch"], frame[column], color=color, marker=marker, markersize=4, label=label
        )
    if frame["val_loss"].notna().any():
        best = frame.iloc[int(frame["val_loss"].argmin())]
        axes.plot(
            best["epoch"], best["val_loss"], linestyle="none", marker="o", markersize=13,
            markerfacecolor="none", markeredgecolor=PALETTE[1], markeredgewidth=1.8,
            label=f"best: epoch {best['epoch']:.0f}, {best['val_loss']:.4g}",
        )  # fmt: skip
    axes.set_ylabel("loss (scaled values)")
    _count_axis(axes, "epoch")
    axes.legend(frameon=False)
    return figure


def png_data_uri(figure: Figure, dpi: int = 110) -> str:
    """The figure as `data:image/png;base64,...`, which markdown can show without a file."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=dpi)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")


def _panels(
    names: Sequence[str], title: str, unit: str, *, wide: bool = False, n_series: int | None = None
) -> tuple[Figure, list[Axes]]:
    """One titled panel for each of the first series: below one another, or in three columns."""
    shown = names[: MAX_ROLLED if wide else MAX_SERIES]
    n_columns = 1 if wide or len(shown) == 1 else 3 if len(shown) in {3, 5, 6} else 2
    n_rows = max(1, math.ceil(len(shown) / n_columns))
    width, height = (8.0, 3.6) if len(shown) == 1 else WIDE_PANEL if wide else PANEL_SIZE
    figure = Figure(figsize=(width * n_columns, height * n_rows + 0.8), layout="constrained")
    total = n_series or len(names)
    more = f" ({len(shown)} of {total:,} series)" if total > len(shown) else ""
    figure.suptitle(f"{title}{more}", fontsize=13)
    figure.supylabel(f"value ({unit})", fontsize=10)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=wide)
    every = list(grid.flat)
    for axes in every[len(shown) :]:
        axes.remove()
    panels = every[: len(shown)]
    for name, axes in zip(shown, panels, strict=True):
        axes.set_title(str(name), fontsize=10, loc="left")
        locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        _tidy(axes)
    return figure, panels


def _share_legend(figure: Figure, panels: Iterable[Axes]) -> None:
    """One legend below all panels, each label once."""
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", frameon=False,
            ncols=min(5, len(handles)),
        )  # fmt: skip


def _count_axis(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
