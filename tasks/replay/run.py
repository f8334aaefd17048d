"""The tasks of a replay: play each policy, report; all of it in a folder of its own.

Nothing here touches a registered model, its aliases, or the pipeline's forecasts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.entities import Metric
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from tasks.replay.advice import Recommendation, recommend
from tasks.replay.engine import Played, play
from tasks.replay.models import Cost
from tasks.replay.plots import replay_chart
from tasks.replay.policies import NEVER, Policy
from tasks.replay.report import Outcome, by_cutoff, by_month, markdown, outcome_of, retrainings_of
from tasks.replay.stage import Stage, play_references
from tasks.runs import (
    Progress,
    child_run,
    connect,
    log_figure,
    opened_run,
    png_data_uri,
    resumed_run,
)
from tasks.settings import Home, RunConfig, check_writable, replaced

__all__ = ["Replayed", "play_policy", "replay_dir", "replay_run", "write_report"]

SHOWN = ("mse", "mae", "mase", "coverage", "mae_so_far", "churn")


@dataclass(frozen=True)
class Replayed:
    """What a replay found.

    Attributes:
        run_id: the MLflow run.
        start, end: the first and the last time that was forecast.
        why: why it begins there.
        n_days: days from start to end.
        n_forecasts: cutoffs from which each policy forecast.
        policies: what each came to.
        references: the same of baselines that were fitted at the start and never again.
        first_cost: of the first model, which all policies share.
        recommendation: which policy to take.
        folder: where tables, forecasts, chart and report are.
    """

    run_id: str
    start: pd.Timestamp
    end: pd.Timestamp
    why: str
    n_days: float
    n_forecasts: int
    policies: tuple[Outcome, ...]
    references: tuple[Outcome, ...]
    first_cost: Cost
    recommendation: Recommendation
    folder: Path


def replay_dir(config: RunConfig, output: Path | None, home: Home) -> Path:
    """Where the files of a replay go: as asked, else a folder of its own for each; writable.

    Raises:
        StoreError: it is not.
    """
    made = home.store_dir / "replay" / config.name / time.strftime("%Y%m%dT%H%M%S")
    folder = made if output is None else output.expanduser().absolute()
    check_writable(folder)
    return folder


@contextmanager
def replay_run(
    config: RunConfig, policies: Sequence[Policy], home: Home, name: str
) -> Iterator[str]:
    """The MLflow run of a replay, in the experiment `<name>-replay`; yields its id."""
    settings = config.model_dump(mode="json", exclude={"tune", "benchmark", "schedule", "workers"})
    settings["policies"] = " ".join(policy.name for policy in policies)
    with opened_run(f"{config.name}-replay", settings, home, name) as run_id:
        yield run_id


@task(name="play", task_run_name="play {policy.name}", cache_policy=NO_CACHE)
def play_policy(policy: Policy, stage: Stage, config: RunConfig, run_id: str, home: Home) -> Played:
    """Play the stream once by one policy, with a nested MLflow run of its own."""
    total = len(stage.stream.cutoffs)
    with child_run(run_id, policy.name, {"policy": policy.name}, home) as own_id:
        with Progress(f"replay-{_as_key(policy.name)}", total) as progress:
            played = play(
                policy, stage.first, stage.stream, stage.scales, stage.models, config,
                lambda done: progress.advance(f"cutoff {done} of {total}", to=done),
            )  # fmt: skip
        _log(played, own_id, home)
    return played


def _as_key(name: str) -> str:
    """The name as a Prefect artifact's key may spell it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _log(played: Played, run_id: str, home: Home) -> None:
    """Errors by cutoff, whose times are those of the stream, and the means over all of it."""
    client, outcome = connect(home), vars(outcome_of(played))
    days = by_cutoff([played])
    days["retrained"] = days["cutoff"].isin([d.cutoff for d in played.retrainings]).astype("float")
    times = (days["cutoff"] - pd.Timestamp(0)) // pd.Timedelta("1ms")
    metrics = [
        Metric(f"{name}_by_cutoff", float(value), int(time_ms), step)
        for name in (*SHOWN, "retrained")
        for step, (value, time_ms) in enumerate(zip(days[name], times, strict=True))
        if not pd.isna(value)
    ]
    for i in range(0, len(metrics), 1000):  # as many as MLflow takes at once
        client.log_batch(run_id, metrics=metrics[i : i + 1000])
    numbers = {k: float(v) for k, v in outcome.items() if isinstance(v, int | float)}
    with resumed_run(run_id, home):
        mlflow.log_metrics(numbers)


@task(name="report", cache_policy=NO_CACHE)
def write_report(
    played: list[Played], stage: Stage, config: RunConfig, run_id: str, folder: Path, home: Home
) -> Replayed:
    """Tables, chart and recommendation, into the folder, MLflow and a Prefect artifact."""
    references = play_references(stage, config)
    every, stream = [*played, *references], stage.stream
    outcomes, others = [outcome_of(o) for o in played], [outcome_of(o) for o in references]
    found = recommend(played, stream, config.promote.level)
    title = f"{config.name}: replay from {stream.start} to {stream.end}"
    n_days = (stream.end - stream.cutoffs[0]) / pd.Timedelta(days=1)
    about = (
        f"{len(stream.cutoffs)} forecasts of {stream.n_ahead} steps by each policy, from "
        f"{stream.start} to {stream.end} ({n_days:.1f} days). Reason for the start: {stage.why}. "
        f"The first model took {stage.first_cost.cpu_seconds / 60:.1f} CPU minutes, which count "
        f"for no policy: {stage.verdict}. {stage.models.n_trained} models were trained in all. "
        "Policies that retrain at the same cutoff share one model, and its time counts for each "
        "of them."
    )
    days, months, retrained = by_cutoff(every), by_month(every), retrainings_of(every)
    names = [one.policy for one in played]
    names.sort(key=lambda name: name != NEVER)
    chart = replay_chart(days, retrained, names, title)
    text = markdown(outcomes, others, months, found.reason, about)
    tables = {
        "policies": pd.DataFrame([vars(o) for o in (*outcomes, *others)]),
        "cutoffs": days, "months": months, "retrainings": retrained,
    }  # fmt: skip
    for name, table in tables.items():
        with replaced(folder / f"{name}.csv") as draft:
            table.to_csv(draft, index=False, float_format="%.8g")
    with replaced(folder / "forecasts.parquet") as draft:
        pd.concat([o.forecasts.assign(policy=o.policy) for o in every]).to_parquet(draft)
    with replaced(folder / "replay.png") as draft:
        chart.savefig(draft, dpi=100)
    with replaced(folder / "report.md") as draft:
        draft.write_text(f"# {title}\n\n{text}\n\n![chart](replay.png)\n", encoding="utf-8")
    with resumed_run(run_id, home):
        log_figure(chart, "replay")
        mlflow.log_artifacts(str(folder), "replay")
        mlflow.set_tags({"recommended": found.policy or "none", "recommendation": found.reason})
        mlflow.log_metrics({f"mae_{o.name}": o.mae for o in (*outcomes, *others)})
    create_markdown_artifact(
        f"{text}\n\n![chart]({png_data_uri(chart)})", key="replay", description=title
    )
    return Replayed(
        run_id, stream.start, stream.end, stage.why, round(n_days, 2), len(stream.cutoffs),
        tuple(outcomes), tuple(others), stage.first_cost, found, folder,
    )  # fmt: skip
