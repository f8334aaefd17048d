"""Pictures of monitoring: errors over time against what was promised, and drift by channel."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from tasks.monitoring.verdict import Promised
from tasks.runs import BLACK, BLUE, GREY, PALETTE
from tasks.settings import MonitorConfig

__all__ = ["drift_bars", "errors_over_time"]

ORANGE, GREEN = PALETTE[1], PALETTE[2]
NOMINAL = 0.8  # what the interval from q10 to q90 should cover
MAX_CHANNELS = 25
BAR_HEIGHT = 0.32  # inches


def errors_over_time(by_day: pd.DataFrame, promised: Promised, settings: MonitorConfig) -> Figure:
    """The mean absolute error and the coverage by day of the cutoff, beside what was promised.

    Args:
        by_day: day, mae (in train deviations), coverage, rolling_mae and rolling_coverage (over
            the window up to that day); in order of the days.
        promised: by the champion's backtest; what it lacks is not drawn.
        settings: the window and the limits.
    """
    figure = Figure(figsize=(9.2, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, name in ((top, "mae"), (bottom, "coverage")):
        axes.plot(
            by_day["day"], by_day[name], linestyle="none", marker="o", markersize=4,
            color=GREY, label="forecasts of a day",
        )  # fmt: skip
        axes.plot(
            by_day["day"], by_day[f"rolling_{name}"], color=BLUE, linewidth=1.8,
            label=f"mean of the last {settings.window}",
        )  # fmt: skip
        _tidy(axes)
    if promised.mae is not None:
        limit = promised.mae * (1 + settings.max_degradation)
        _level(top, promised.mae, GREEN, f"promised {promised.mae:.3f}")
        _level(top, limit, ORANGE, f"limit {limit:.3f}", "--")
    _level(bottom, NOMINAL, BLACK, f"{NOMINAL:.0%}", ":")
    if promised.coverage is not None:
        _level(bottom, promised.coverage, GREEN, f"promised {promised.coverage:.1%}")
        for sign in (-1, 1):
            edge = promised.coverage + sign * settings.coverage_tolerance
            _level(bottom, edge, ORANGE, "limits" if sign < 0 else None, "--")
    top.set_title("Error of past forecasts", fontsize=12, loc="left")
    top.set_ylabel("MAE (train deviations)")
    top.set_ylim(bottom=0)
    bottom.set_title("Coverage of the 80 % interval", fontsize=12, loc="left")
    bottom.set_ylabel("share inside")
    bottom.set_ylim(-0.02, 1.02)
    bottom.set_xlabel("day of the cutoff")
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    bottom.xaxis.set_major_locator(locator)
    bottom.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    for axes in (top, bottom):
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def drift_bars(table: pd.DataFrame, settings: MonitorConfig) -> Figure:
    """The statistic of each channel, where it counts as drift, and what is usual.

    Args:
        table: as `informer.evaluation.drift_table` gives it; the channels that moved
            most are drawn.
        settings: names the statistic and its limit.
    """
    shown = table.dropna(subset=["statistic"]).nlargest(MAX_CHANNELS, "statistic")[::-1]
    figure = Figure(figsize=(8.0, 1.6 + BAR_HEIGHT * len(shown)), layout="constrained")
    axes = figure.subplots()
    colors = [ORANGE if moved else BLUE for moved in shown["drifted"]]
    axes.barh(shown["channel"], shown["statistic"], color=colors, height=0.6)
    usual = shown[f"usual_{settings.drift_test}"]
    axes.plot(
        usual, shown["channel"], linestyle="none", marker="|", markersize=14,
        markeredgewidth=2, color=BLACK, label="usual within the train rows (95 %)",
    )  # fmt: skip
    axes.axvline(
        settings.drift_limit, color=GREY, linestyle="--", linewidth=1.2,
        label=f"limit {settings.drift_limit:g}",
    )  # fmt: skip
    more = f" ({len(shown)} of {len(table)} channels)" if len(shown) < len(table) else ""
    axes.set_title(f"Drift of the inputs{more}; orange: drifted", fontsize=12, loc="left")
    axes.set_xlabel(settings.drift_test.upper())
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    return figure


def _level(axes: Axes, value: float, color: str, label: str | None, style: str = "-") -> None:
    axes.axhline(value, color=color, linewidth=1.3, linestyle=style, label=label)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
