"""The configuration of a run: YAML in, one validated and frozen `RunConfig` out.

`conf/base.yaml`, then the pipeline's own file, then `key=value` overrides; a wrong name or value
is reported with its path. The library's dataclasses nest here and keep their own checks.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from informer.baselines import Baseline
from informer.config import ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.data.split import Split, SplitConfig
from informer.errors import ConfigError

__all__ = [
    "BaselineConfig", "BenchmarkConfig", "DataConfig", "Dimension", "EvaluateConfig",
    "ForecastConfig", "PromoteConfig", "RunConfig", "TuneConfig", "load_config",
]  # fmt: skip

DERIVED = ("enc_in", "dec_in", "c_out", "freq", "quantiles")
Choice = bool | int | float | str


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataConfig(_Section):
    """What is read, and the contract that it is held to."""

    source: str
    """A data set known by name (`informer data list`), or the path of a CSV or Parquet file."""
    contract: str
    """The contract of the data: a file, looked for under conf/."""


class Dimension(_Section):
    """One dimension of a search space: choices, or a range."""

    choices: tuple[Choice, ...] | None = None
    """The values to choose from."""
    low: int | float | None = None
    """Lower end of a range; whole numbers at both ends make a range of whole numbers."""
    high: int | float | None = None
    """Upper end of a range, included."""
    log: bool = False
    """Whether the range is searched on a logarithmic scale."""

    def model_post_init(self, _context: object) -> None:
        """Refuse what is neither choices nor a range."""
        is_range = self.low is not None and self.high is not None and self.low < self.high
        if (self.choices is None) == (not is_range):
            raise ValueError("give either choices: [..], or low: and high: with low < high")
        if self.log and is_range and not float(self.low or 0) > 0:
            raise ValueError("a logarithmic range must begin above 0")


class TuneConfig(_Section):
    """How the hyper-parameters are searched (Optuna: TPE and a median pruner)."""

    n_trials: int = Field(default=8, ge=0)
    """Finished trials that a study has in the end, earlier ones counted; 0 skips the search."""
    epochs: int = Field(default=3, ge=1)
    """Epochs of one trial."""
    timeout_minutes: float | None = Field(default=None, gt=0)
    """Begin no further trial after so many minutes."""
    space: dict[str, Dimension] | str = "search/informer.yaml"
    """The search space: field to dimension, or the file that holds it, looked for under conf/."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampler."""


class BaselineConfig(_Section):
    """The forecasts that a model has to beat."""

    models: tuple[Baseline, ...] = Field(
        default=("seasonal_naive", "linear", "naive"), min_length=1
    )
    """Which of them every evaluation and promotion shows, and FALLBACK may serve."""
    season: int = Field(default=24, ge=1)
    """Steps in a season: what seasonal naive repeats and MASE divides by."""
    look_back: int = Field(default=96, ge=1)
    """Steps of history that the closed-form linear model reads."""
    classical_rows: int = Field(default=336, ge=1)
    """Steps of history that a classical model is fitted on, anew for each forecast."""
    classical_stride: int = Field(default=25, ge=1)
    """A classical model forecasts only every so-manieth of the origins that the others do."""

    def model_post_init(self, _context: object) -> None:
        """Refuse a baseline that is named twice."""
        if len(set(self.models)) < len(self.models):
            raise ValueError(f"models names one more than once: {', '.join(self.models)}")


class EvaluateConfig(_Section):
    """How the test rows are forecast."""

    stride: int = Field(default=1, ge=1)
    """Steps from one rolling origin to the next."""


class PromoteConfig(_Section):
    """What makes a challenger the champion."""

    metric: Literal["mse", "mae"] = "mse"
    """The error that is compared, in units of the train rows' standard deviation."""
    min_improvement: float = Field(default=0.0, ge=0, lt=1)
    """Share by which a challenger must undercut the champion and every baseline."""


class ForecastConfig(_Section):
    """Where forecasts go."""

    output: str | None = None
    """Folder for the forecast files; empty means mlruns/forecasts/<name>."""


class BenchmarkConfig(_Section):
    """What `informer benchmark` runs where the command does not say."""

    horizons: tuple[int, ...] = ()
    """Steps ahead, one row of the table each; none: model.pred_len alone."""
    seeds: int = Field(default=3, ge=1)
    """Seeds, counted up from train.seed, over which the Informer's errors are averaged."""
    from_horizon: dict[int, dict[str, Any]] = Field(default={})
    """Dotted fields that differ from a horizon on, until a longer horizon's entry sets them."""

    def model_post_init(self, _context: object) -> None:
        """Refuse horizons of no step."""
        if min((*self.horizons, *self.from_horizon), default=1) < 1:
            raise ValueError("a horizon is below 1; count steps ahead")

    def fields_at(self, horizon: int) -> dict[str, Any]:
        """The dotted fields that hold at a horizon."""
        found: dict[str, Any] = {}
        for start in sorted(start for start in self.from_horizon if start <= horizon):
            found |= self.from_horizon[start]
        return found


class RunConfig(_Section):
    """Everything that a run depends on besides the data itself."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Name of the pipeline: its MLflow experiment and registered model; a-z, 0-9 and dashes."""
    ensemble: int = Field(default=1, ge=1)
    """Networks that are trained, with seeds from train.seed on; the forecast is their mean."""
    data: DataConfig
    frame: FrameConfig = FrameConfig()
    split: SplitConfig = SplitConfig()
    model: InformerConfig = InformerConfig()
    train: TrainingConfig = TrainingConfig()
    tune: TuneConfig = TuneConfig()
    baselines: BaselineConfig = BaselineConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    promote: PromoteConfig = PromoteConfig()
    forecast: ForecastConfig = ForecastConfig()
    benchmark: BenchmarkConfig = BenchmarkConfig()

    def model_post_init(self, _context: object) -> None:
        """Check across sections what no section can see alone."""
        self.forecaster("1970-01-01")
        if isinstance(self.tune.space, dict):
            for key in self.tune.space:
                _require_searchable(key)

    def forecaster(self, val_start: str) -> ForecasterConfig:
        """The library's configuration, validation rows beginning at `val_start`."""
        return ForecasterConfig(
            frame=self.frame,
            model=self.model,
            training=self.train,
            val=val_start,
            season=self.baselines.season,
            look_back=self.baselines.look_back,
            ensemble=self.ensemble,
            classical_rows=self.baselines.classical_rows,
        )

    def forecaster_for(self, split: Split) -> ForecasterConfig:
        """The library's configuration for a split of the data at hand."""
        return self.forecaster(split.val_start.isoformat())

    def with_values(self, values: Mapping[str, Any]) -> RunConfig:
        """A copy with dotted fields replaced, such as `{"model.d_model": 64}`, and checked anew."""
        raw = self.model_dump(mode="json")
        for key, value in values.items():
            _set_dotted(raw, key, value)
        return _build(raw, self.name)


def load_config(conf: str, overrides: Sequence[str] = (), *, conf_dir: Path) -> RunConfig:
    """Read a pipeline's configuration: base.yaml, what the file `extends`, the file, overrides.

    Args:
        conf: a file, or its name under `conf_dir` with or without `.yaml`.
        overrides: `key=value` pairs, the key dotted, the value as YAML.
        conf_dir: the folder with `base.yaml`; relative files that a configuration names lie there.

    Raises:
        ConfigError: the file is missing or no YAML, a field is unknown, a value is impossible.
    """
    path = _find_conf(conf, conf_dir)
    base = conf_dir / "base.yaml"
    raw = _merge(_read_yaml(base) if base.exists() else {}, _read_extended(path, conf_dir))
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise ConfigError(
                f"{override!r} is no override; write key=value, such as model.d_model=64."
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"the value of {override!r} is no YAML; quote it.") from error
        _set_dotted(raw, key, value)
    derived = sorted(set(raw.get("model") or {}) & set(DERIVED))
    if derived:
        raise ConfigError(
            f"model.{derived[0]} cannot be set in a pipeline: it follows from frame.columns, "
            "frame.features and frame.freq, or from train.loss. Remove it."
        )
    raw.setdefault("name", path.stem.lower())
    config = _build(raw, path.name)
    space = config.tune.space
    if isinstance(space, str):
        _set_dotted(raw, "tune.space", _read_yaml(conf_dir / space))
        config = _build(raw, f"{path.name} with {space}")
    return config


def _find_conf(conf: str, conf_dir: Path) -> Path:
    tried = [Path(conf), conf_dir / conf, conf_dir / f"{conf}.yaml"]
    for path in tried:
        if path.is_file():
            return path
    found = [*conf_dir.glob("*.yaml"), *conf_dir.glob("paper/*.yaml")]
    names = sorted(p.relative_to(conf_dir).with_suffix("").as_posix() for p in found)
    names = [name for name in names if name != "base"]
    raise ConfigError(
        f"there is no configuration {conf!r} in {conf_dir}; known are {', '.join(names) or 'none'}."
    )


def _read_extended(path: Path, conf_dir: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file over the one that it `extends`, and so on."""
    raw = _read_yaml(path)
    parent = raw.pop("extends", None)
    if parent is None:
        return raw
    chain = (*below, path.resolve())
    found = _find_conf(str(parent), conf_dir)
    if found.resolve() in chain:
        raise ConfigError(
            f"{path.name} extends {parent}, which extends it in turn. Take one `extends` out."
        )
    return _merge(_read_extended(found, conf_dir, chain), raw)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}. Name a file that exists."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is no YAML: {' '.join(str(error).split())}.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name} must hold `key: value` lines at its top, not a list.")
    return content


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _set_dotted(raw: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".")
    for section in sections:
        below = raw.setdefault(section, {})
        if not isinstance(below, dict):
            raise ConfigError(f"{key}: {section} is a value, not a section. Shorten the key.")
        raw = below
    raw[name] = value


def _require_searchable(key: str) -> None:
    section, _, name = key.partition(".")
    known = {"model": InformerConfig, "train": TrainingConfig}.get(section)
    names = {field.name for field in fields(known)} - set(DERIVED) if known else set()
    if name not in names:
        raise ConfigError(
            f"tune.space: {key} is no field that can be searched; use fields of model and train, "
            "such as model.d_model."
        )


def _build(raw: dict[str, Any], origin: str) -> RunConfig:
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise ConfigError(f"{origin}: {problems}") from error


def _explain(problem: ErrorDetails) -> str:
    path = [str(part) for part in problem["loc"]]
    where = ".".join(path) or "configuration"
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _known_fields(path[:-1])
        close = difflib.get_close_matches(path[-1], known, n=1)
        mend = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
        return f"{where} is an unknown field; {mend}"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}"
    if problem["type"] == "missing":
        return f"{where} is missing; add it."
    return f"{where}: {problem['msg']}, not {problem['input']!r}."


def _known_fields(path: list[str]) -> list[str]:
    names: list[str] = list(RunConfig.model_fields)
    if path and path[0] in RunConfig.model_fields:
        section = RunConfig.model_fields[path[0]].annotation
        inner = getattr(section, "model_fields", None) or getattr(
            section, "__dataclass_fields__", {}
        )
        names = list(inner)
    return names
