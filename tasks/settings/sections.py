"""The sections of a configuration that are the pipeline's own; the others are the library's.

Each is frozen. The meaning of a field stands below it, and the forms of the Prefect UI show that
text.
"""

from __future__ import annotations

import re
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from informer.estimators import Baseline

__all__ = [
    "BaselineConfig", "BenchmarkConfig", "DataConfig", "Dimension", "EvaluateConfig",
    "ForecastConfig", "MonitorConfig", "PromoteConfig", "ScheduleConfig", "TuneConfig",
    "WorkersConfig", "duration",
]  # fmt: skip

Choice = bool | int | float | str
ADDRESS = r"[a-z]+://[^\s/]+:\d+"
CRON = r"^\S+( +\S+){4}$"  # five fields; Prefect reads the values


class Section(BaseModel):
    """Frozen; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataConfig(Section):
    """The data, and the contract that they must satisfy."""

    source: str
    """A data set known by name (`informer data list`), or the path of a CSV or Parquet file."""
    contract: str
    """The contract of the data: a file under conf/."""


class Dimension(Section):
    """One dimension of a search space: choices, or a range."""

    choices: tuple[Choice, ...] | None = None
    """The values to choose from."""
    low: int | float | None = None
    """Lower end of a range. Whole numbers at both ends make a range of whole numbers."""
    high: int | float | None = None
    """Upper end of a range, included."""
    log: bool = False
    """Whether the range is searched on a logarithmic scale."""

    def model_post_init(self, _context: object) -> None:
        """Refuse a dimension that is neither choices nor a range."""
        is_range = self.low is not None and self.high is not None and self.low < self.high
        if (self.choices is None) == (not is_range):
            raise ValueError("give either choices: [..], or low: and high: with low < high")
        if self.log and is_range and not float(self.low or 0) > 0:
            raise ValueError("a logarithmic range must begin above 0")


class TuneConfig(Section):
    """How the hyper-parameters are searched (Optuna: TPE and a median pruner)."""

    n_trials: int = Field(default=8, ge=0)
    """Number of finished trials in a study. Trials of earlier runs count. 0: no search."""
    epochs: int = Field(default=3, ge=1)
    """Epochs of one trial."""
    timeout_minutes: float | None = Field(default=None, gt=0)
    """Begin no further trial after this many minutes."""
    space: dict[str, Dimension] | str = "search/informer.yaml"
    """The search space: field to dimension, or a file under conf/ that holds it."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampler."""


class BaselineConfig(Section):
    """The forecasts that a model must beat."""

    models: tuple[Baseline, ...] = Field(
        default=("seasonal_naive", "linear", "naive"), min_length=1
    )
    """Baselines of every evaluation and promotion. After FALLBACK the best of them serves."""
    linear_look_back: int = Field(default=96, ge=1)
    """Steps of history that the closed-form linear model reads."""
    classical_rows: int = Field(default=336, ge=1)
    """Steps of history that a classical model is fitted on. Each forecast needs a new fit."""
    classical_stride: int = Field(default=25, ge=1)
    """A classical model forecasts only every n-th origin, because it is slow."""

    def model_post_init(self, _context: object) -> None:
        """Refuse a baseline that is named twice."""
        if len(set(self.models)) < len(self.models):
            raise ValueError(f"models names a baseline more than once: {', '.join(self.models)}")


class EvaluateConfig(Section):
    """How the test rows are forecast."""

    stride: int = Field(default=1, ge=1)
    """Steps from one rolling origin to the next."""


class PromoteConfig(Section):
    """What a challenger must show to become the champion."""

    metric: Literal["mse", "mae"] = "mse"
    """The error that is compared, in units of the train rows' standard deviation."""
    min_improvement: float = Field(default=0.0, ge=0, lt=1)
    """Share by which its error must be below the champion's and every baseline's."""
    test: Literal["bootstrap", "diebold_mariano", "none"] = "bootstrap"
    """The test whether a gain over the champion is chance. It compares the losses by origin."""
    level: float = Field(default=0.05, gt=0, lt=0.5)
    """Level of that test (one-sided), and false-discovery rate of all tests for harm."""
    max_harm: float = Field(default=0.1, ge=0)
    """Share by which a target's error may exceed the champion's. Each target is tested."""
    max_churn: float | None = Field(default=None, ge=0)
    """Share by which the churn of its forecasts may exceed the champion's. Empty: no limit."""
    spread_seeds: int = Field(default=2, ge=0)
    """Extra seeds, trained before a champion is replaced. The gain must exceed their spread."""
    on_new_schema: Literal["hold", "replace"] = "hold"
    """What becomes of a champion that cannot be compared, because it forecasts other targets, steps
    or series: hold keeps it, replace judges the new model as if there were no champion."""
    approval: bool = False
    """Whether a person must approve a promotion, in the Prefect UI."""
    approval_hours: float = Field(default=72, gt=0)
    """Hours that a run waits for an approval. After that the challenger is rejected."""


class ForecastConfig(Section):
    """Where forecasts are written, and which cutoffs are forecast."""

    output: str | None = None
    """Folder for the forecast files. Empty: mlruns/forecasts/<name>."""
    every: str | None = None
    """Time between cutoffs, such as 1d. Missed cutoffs are forecast too. Empty: only the latest."""
    catch_up: int = Field(default=7, ge=0)
    """Maximum number of missed cutoffs that one run forecasts. It takes the latest ones."""
    max_age: str | None = None
    """Maximum age of the last row at the time of the run, such as 36h. Empty: any age."""
    chunk_series: int = Field(default=1000, ge=1)
    """Series in one chunk of a forecast. A smaller number needs less memory."""
    dask: int | str | None = None
    """Where the chunks are forecast. Empty: in this process, one after another. A whole number: on
    a Dask cluster of this many processes, which the run starts on its machine. An address such as
    tcp://host:8786: on the cluster of that Dask scheduler. Its workers must see our folders."""

    @field_validator("every", "max_age")
    @classmethod
    def _is_duration(cls, text: str | None) -> str | None:
        return _checked(text)

    @field_validator("dask", mode="before")
    @classmethod
    def _is_cluster(cls, value: object) -> object:
        if isinstance(value, str) and value.isdecimal():  # as a form in a browser gives a number
            value = int(value)
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        is_address = isinstance(value, str) and re.fullmatch(ADDRESS, value)
        if value is None or is_count or is_address:
            return value
        raise ValueError(
            f"{value!r} is not valid here. Write null for this process, a whole number from 1 on "
            "for a Dask cluster of that many processes on this machine, or the address of a Dask "
            "scheduler such as tcp://host:8786"
        )


class MonitorConfig(Section):
    """When past forecasts count as degraded, and when inputs count as drifted."""

    window: str = "30d"
    """Length of time before the last row in which forecasts and inputs are checked."""
    max_degradation: float = Field(default=0.25, ge=0)
    """Share by which the mean absolute error may exceed the backtest's."""
    coverage_tolerance: float = Field(default=0.15, gt=0, lt=1)
    """How much the coverage of the 80 % interval may differ from the backtest's."""
    min_forecasts: int = Field(default=5, ge=1)
    """Minimum number of cutoffs with actual values. With fewer there is no alarm about errors."""
    drift_test: Literal["psi", "ks", "kl"] = "psi"
    """How inputs are compared with the train rows: population stability, Kolmogorov-Smirnov, KL."""
    drift_limit: float = Field(default=0.25, gt=0)
    """The value of that statistic from which a channel has drifted."""
    min_drifted: float = Field(default=0.5, gt=0, le=1)
    """Share of the channels that must have drifted before the data count as drifted."""

    @field_validator("window")
    @classmethod
    def _is_duration(cls, text: str) -> str | None:
        return _checked(text)


class ScheduleConfig(Section):
    """When the deployments run (`prefect.yaml`), as cron expressions."""

    retrain: str | None = Field(default="0 3 * * 1", pattern=CRON)
    """The retraining. Empty: only on request."""
    forecast: str | None = Field(default="30 * * * *", pattern=CRON)
    """The batch forecast. Empty: only on request."""
    monitor: str | None = Field(default="0 6 * * *", pattern=CRON)
    """The comparison with actual values. Empty: only on request."""
    time_zone: str = "UTC"
    """The time zone of the expressions, such as Europe/Berlin."""

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, text: str) -> str:
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"{text!r} is not a time zone; write one such as Europe/Berlin"
            ) from error
        return text


class WorkersConfig(Section):
    """Where deployed runs work. `informer retrain CONF` uses only its own process."""

    pool: str = "cpu"
    """Work pool of the flows."""
    training_pool: str | None = "gpu"
    """Work pool for trials and training. Empty: they run in the process of the flow."""
    training_limit: str = "training"
    """Prefect concurrency limit. Each training takes one slot. Give it one slot for each GPU."""
    tuning_flows: int = Field(default=1, ge=1)
    """Flows that search at the same time. Each needs a worker of the training pool and a slot."""
    timeout_hours: float = Field(default=12, gt=0)
    """Time limit of a search and of a training."""


class BenchmarkConfig(Section):
    """Defaults of `informer benchmark`, if the command has no such option."""

    horizons: tuple[int, ...] = ()
    """Horizons in steps, one table for each. Empty: only model.pred_len."""
    seeds: int = Field(default=3, ge=1)
    """Number of seeds, from train.seed on, over which the Informer's errors are averaged."""
    from_horizon: dict[int, dict[str, Any]] = Field(default={})
    """Dotted fields that change from a horizon on. The entry of a longer horizon overrides them."""

    def model_post_init(self, _context: object) -> None:
        """Refuse horizons of no step."""
        if min((*self.horizons, *self.from_horizon), default=1) < 1:
            raise ValueError("a horizon is below 1; it is a number of steps, at least 1")

    def fields_at(self, horizon: int) -> dict[str, Any]:
        """The dotted fields that hold at a horizon."""
        found: dict[str, Any] = {}
        for start in sorted(start for start in self.from_horizon if start <= horizon):
            found |= self.from_horizon[start]
        return found


def duration(text: str) -> pd.Timedelta:
    """A duration as it is written in a configuration: 15min, 36h, 1d.

    Raises:
        ValueError: the text is not a duration, or it is not above zero.
    """
    try:
        found = pd.Timedelta(re.sub(r"(?<=[\d ])d\b", "D", text))  # pandas is about to drop d
        if found > pd.Timedelta(0):
            return found
    except ValueError:
        pass
    raise ValueError(f"{text!r} is not a duration; write one such as 15min, 36h or 1d")


def _checked(text: str | None) -> str | None:
    if text is not None:
        duration(text)
    return text
