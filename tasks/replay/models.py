"""The models of a replay: each is trained once, whichever policies ask for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from informer.data import Split, SplitConfig, frame_times
from informer.errors import EvidenceError
from informer.estimators import Baseline
from informer.evaluation import Stream
from informer.forecaster import Forecaster
from tasks.judging import CHAMPION_NAME, further_seeds
from tasks.monitoring import Promised
from tasks.replay.gate import Judgement, judge_challenger
from tasks.replay.parts import split_of
from tasks.settings import RunConfig

__all__ = ["Cost", "Models", "Served"]


@dataclass(frozen=True)
class Cost:
    """What something took: seconds of processor time over all threads, and of the clock."""

    cpu_seconds: float
    wall_seconds: float

    def __add__(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(self.cpu_seconds + other.cpu_seconds, self.wall_seconds + other.wall_seconds)


@dataclass(frozen=True)
class Served:
    """A model that serves.

    Attributes:
        forecaster: the model.
        k: the number of the cutoff at which it was trained.
        name: `informer`, or the baseline that serves in its place.
        train_end: the time at which its train rows end.
        promised: what its test rows said of it.
    """

    forecaster: Forecaster
    k: int
    name: str
    train_end: pd.Timestamp
    promised: Promised


@dataclass(frozen=True)
class _Trained:
    informer: Forecaster
    baselines: dict[str, Forecaster]
    split: Split
    cost: Cost


class Models:
    """Trains at a cutoff, from the rows known then, and judges; repeats neither.

    Args:
        stream: what is known when.
        parts: the split of the rows known, see `moving_split`.
        config: of the pipeline; its own values train, no search is made.
    """

    def __init__(self, stream: Stream, parts: SplitConfig, config: RunConfig) -> None:
        self._stream, self._parts, self._config = stream, parts, config
        self._trained: dict[int, _Trained] = {}
        self._further: dict[int, tuple[dict[str, Forecaster], Cost]] = {}
        self._judged: dict[tuple[int, tuple[int, str] | None], tuple[Judgement, Cost]] = {}

    def first(self) -> tuple[Served, Judgement, Cost]:
        """The model of the first cutoff, as it goes through the gate: no champion is there yet.

        Raises:
            EvidenceError: the gate finds none that can serve.
        """
        judged, cost = self.judge(0, None)
        if judged.serves == CHAMPION_NAME:
            raise EvidenceError(f"no model can serve the first cutoff: {judged.ruling.reason}.")
        return self.winner(0, judged, None), judged, cost

    def challenge(self, k: int, champion: Served) -> tuple[Served, Judgement, Cost]:
        """Train at cutoff number `k`, judge against the champion; who serves, why, at what cost."""
        judged, cost = self.judge(k, champion)
        return self.winner(k, judged, champion), judged, cost

    def judge(self, k: int, champion: Served | None) -> tuple[Judgement, Cost]:
        """The gate's word on the model of cutoff `k`; the cost of its training and judging."""
        trained = self._train(k)
        key = (k, None if champion is None else (champion.k, champion.name))
        if key not in self._judged:
            before: list[Cost] = []  # of seeds that another judgement trained
            started = _now()
            judged = judge_challenger(
                trained.informer,
                None if champion is None else champion.forecaster,
                trained.baselines,
                partial(self._seeds, k, before),
                self._stream.known(k),
                trained.split,
                self._config,
            )
            self._judged[key] = (judged, sum(before, trained.cost + _since(started)))
        return self._judged[key]

    def winner(self, k: int, judged: Judgement, champion: Served | None) -> Served:
        """Who serves after a judgement."""
        if judged.serves == CHAMPION_NAME:
            assert champion is not None
            return champion
        trained, name = self._train(k), judged.serves
        errors = judged.metrics[name]
        promised = Promised(
            f"{name} of {self._stream.cutoffs[k]}",
            errors["mae"], errors["mase"], errors["coverage"],
        )  # fmt: skip
        model = trained.baselines.get(name, trained.informer)
        return Served(model, k, name, trained.split.val_start, promised)

    def reference(self, name: Baseline) -> Served:
        """A baseline of the first cutoff, for orientation; it is never fitted again."""
        trained = self._train(0)
        model = Forecaster.fit(
            _history(self._stream.known(0), trained.split, self._config),
            trained.informer.config,
            estimator=name,
            check_values=False,  # the contract has had its word
        )
        return Served(model, 0, name, trained.split.val_start, Promised(name))

    @property
    def n_trained(self) -> int:
        """Cutoffs at which a model was trained, the first one's included."""
        return len(self._trained)

    @property
    def informer(self) -> Forecaster:
        """The first Informer, whose train deviations are the unit of all errors."""
        return self._train(0).informer

    def _train(self, k: int) -> _Trained:
        if k not in self._trained:
            started = _now()
            known = self._stream.known(k)
            split = split_of(known, self._parts, self._config)
            past = _history(known, split, self._config)
            settings = self._config.forecaster_for(split)
            informer = Forecaster.fit(past, settings, check_values=False)
            baselines: dict[str, Forecaster] = {
                name: Forecaster.fit(past, settings, estimator=name, check_values=False)
                for name in self._config.baselines.models
            }
            self._trained[k] = _Trained(informer, baselines, split, _since(started))
        return self._trained[k]

    def _seeds(self, k: int, before: list[Cost]) -> dict[str, Forecaster]:
        """The model of cutoff `k` with further seeds; adds the cost of an earlier training."""
        if k in self._further:
            before.append(self._further[k][1])
        else:
            trained, started = self._train(k), _now()
            past = _history(self._stream.known(k), trained.split, self._config)
            config = trained.informer.config
            models = {
                f"seed {seed}": Forecaster.fit(
                    past,
                    replace(config, training=replace(config.training, seed=seed)),
                    check_values=False,
                )
                for seed in further_seeds(self._config)
            }
            self._further[k] = (models, _since(started))
        return self._further[k][0]


def _history(known: pd.DataFrame, split: Split, config: RunConfig) -> pd.DataFrame:
    return known[frame_times(known, config.frame) < split.test_start]


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _since(started: tuple[float, float]) -> Cost:
    cpu, wall = _now()
    return Cost(cpu - started[0], wall - started[1])
