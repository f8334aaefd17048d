"""The picture of a replay: errors of the policies over time, and when they retrained."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from tasks.runs import BLACK, GREY, MARKERS, PALETTE

__all__ = ["replay_chart"]

SMOOTHED = 7  # forecasts that one point of the upper panel averages
DASHES = ("--", ":", "-.")


def replay_chart(
    cutoffs: pd.DataFrame, retrainings: pd.DataFrame, policies: list[str], title: str
) -> Figure:
    """MAE over time; how much each policy has gained on the first; when each retrained.

    Args:
        cutoffs: policy, cutoff, mae, mae_so_far; names that are no policy are drawn in grey.
        retrainings: policy, cutoff, verdict.
        policies: in the order of the legend; the gain is on the first of them.
        title: stands above the panels.
    """
    figure = Figure(figsize=(9.2, 6.4), layout="constrained")
    figure.suptitle(title, fontsize=13)
    error, gain, marks = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2, 1.2]}
    )
    own = {str(name): rows.set_index("cutoff") for name, rows in cutoffs.groupby("policy")}
    others = [name for name in own if name not in policies]
    for i, name in enumerate(others):
        line = own[name]["mae"].rolling(SMOOTHED, min_periods=1).mean()
        error.plot(line, color=GREY, linewidth=1, linestyle=DASHES[i % len(DASHES)], label=name)
    for i, name in enumerate(policies):
        color = PALETTE[i % len(PALETTE)]
        error.plot(
            own[name]["mae"].rolling(SMOOTHED, min_periods=1).mean(),
            color=color, linewidth=1.6, label=name,
        )  # fmt: skip
        gain.plot(own[name]["mae_so_far"] - own[policies[0]]["mae_so_far"], color=color)
        _marks(marks, retrainings[retrainings["policy"] == name], i, color)
    error.set_ylabel(f"MAE, mean of {SMOOTHED}\n(train deviations)", fontsize=9)
    gain.set_ylabel(f"MAE so far,\nless {policies[0]}'s", fontsize=9)
    gain.axhline(0, color=BLACK, linewidth=0.6)
    marks.set_yticks(range(len(policies)), policies)
    marks.set_ylim(len(policies) - 0.4, -0.6)
    marks.set_xlabel("cutoff; a retraining is filled where its model was promoted", fontsize=9)
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    marks.xaxis.set_major_locator(locator)
    marks.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    for axes in (error, gain, marks):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, axis="y", color="#DDDDDD", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=9)
    figure.legend(loc="outside lower center", frameon=False, ncols=5)
    return figure


def _marks(axes: Axes, own: pd.DataFrame, row: int, color: str) -> None:
    promoted = own["verdict"] == "PROMOTE"
    for part, filled in ((own[promoted], True), (own[~promoted], False)):
        axes.plot(
            part["cutoff"], [row] * len(part), linestyle="none", color=color,
            marker=MARKERS[row % len(MARKERS)], markerfacecolor=color if filled else "white",
        )  # fmt: skip
