"""What all policies of a replay share, and where the replay begins."""

from __future__ import annotations

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from informer.data import frame_times, until_last_target
from informer.estimators import Baseline
from informer.evaluation import Scales, Stream
from tasks.replay.engine import Played, play
from tasks.replay.models import Models
from tasks.replay.parts import default_start, moving_split
from tasks.replay.policies import Policy, cadence
from tasks.rows import Prepared, read_rows
from tasks.runs import Progress
from tasks.settings import RunConfig

__all__ = ["Stage", "play_references", "set_stage"]

REFERENCES: tuple[Baseline, ...] = ("seasonal_naive", "linear")


class Stage:
    """What all policies share: the stream, the first model, the units, the models trained so far.

    Attributes:
        stream: what is known when.
        scales: what errors are in units of.
        models: trained once, whichever policy asks.
        first: the model that serves at first.
        first_cost: of its training and judging, which no policy is charged for.
        why: why the stream begins where it does.
        verdict: the gate's sentence on the first model.
    """

    def __init__(self, stream: Stream, models: Models, config: RunConfig, why: str) -> None:
        self.stream, self.models, self.why = stream, models, why
        self.first, judged, self.first_cost = models.first()
        self.verdict = judged.ruling.reason
        self.scales: Scales = stream.scales(
            models.informer.deviations(stream.panel), config.frame.season
        )


@task(name="stage", cache_policy=NO_CACHE)
def set_stage(prepared: Prepared, config: RunConfig, start: pd.Timestamp | None) -> Stage:
    """Lay out the stream and train the model that is there when it begins.

    Raises:
        ConfigError: too few rows are known before the start, or none follows.
    """
    rows = until_last_target(read_rows(prepared), config.frame)
    last, why = frame_times(rows, config.frame).max(), "it was asked for"
    if start is None:
        start, why = default_start(prepared.split, last, config)
    stream = Stream.begin(rows, config.frame, start, cadence(config), config.model.pred_len)
    models = Models(stream, moving_split(prepared.split, last, config), config)
    with Progress("first-model", 1) as progress:
        stage = Stage(stream, models, config, why)
        progress.advance(stage.verdict)
    return stage


def play_references(stage: Stage, config: RunConfig) -> list[Played]:
    """The baselines that the policies are seen beside: fitted at the start, never again."""
    return [
        play(
            Policy(name), stage.models.reference(name), stage.stream, stage.scales, stage.models,
            config,
        )
        for name in REFERENCES
    ]  # fmt: skip
