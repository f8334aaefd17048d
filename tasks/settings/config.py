"""The configuration of a run: YAML in, one validated and frozen `RunConfig` out.

`conf/base.yaml`, then the pipeline's own file, then `key=value` overrides; a wrong name or value
is reported with its path. The library's dataclasses nest here and keep their own checks. Names of
earlier versions are read too, see `retired.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from informer.config import ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.data import Split, SplitConfig, border_text
from informer.errors import ConfigError
from informer.network import NetworkConfig
from tasks.settings import retired
from tasks.settings.sections import (
    BaselineConfig,
    BenchmarkConfig,
    DataConfig,
    EvaluateConfig,
    ForecastConfig,
    MonitorConfig,
    PromoteConfig,
    ScheduleConfig,
    Section,
    TuneConfig,
    WorkersConfig,
)

__all__ = ["RunConfig", "load_config"]

DERIVED = tuple(name.partition(".")[2] for name in retired.DERIVED)


class RunConfig(Section):
    """Everything that a run depends on besides the data itself."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Name of the pipeline, its MLflow experiment and its model. Only a-z, 0-9 and dashes."""
    ensemble: int = Field(default=1, ge=1)
    """Number of networks, with seeds from train.seed on. The forecast is their mean."""
    data: DataConfig
    """The data, and the contract that they must satisfy."""
    frame: FrameConfig = FrameConfig()
    """The columns of the data and their roles."""
    split: SplitConfig = SplitConfig()
    """Which rows train, which stop the training, and which judge models."""
    model: NetworkConfig = NetworkConfig()
    """The network."""
    train: TrainingConfig = TrainingConfig()
    """How the network is fitted."""
    tune: TuneConfig = TuneConfig()
    """How the hyper-parameters are searched."""
    baselines: BaselineConfig = BaselineConfig()
    """The forecasts that a model must beat."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """How the test rows are forecast."""
    promote: PromoteConfig = PromoteConfig()
    """What a challenger must show to become the champion."""
    forecast: ForecastConfig = ForecastConfig()
    """Where forecasts are written, and which cutoffs are forecast."""
    monitor: MonitorConfig = MonitorConfig()
    """When past forecasts count as degraded, and when inputs count as drifted."""
    schedule: ScheduleConfig = ScheduleConfig()
    """When the deployments run."""
    workers: WorkersConfig = WorkersConfig()
    """Where deployed runs work."""
    benchmark: BenchmarkConfig = BenchmarkConfig()
    """Defaults of `informer benchmark`, if the command has no such option."""

    @model_validator(mode="before")
    @classmethod
    def _read_retired(cls, raw: object) -> object:
        """Read what a server keeps of deployments and runs that an earlier version made."""
        return retired.settle(raw) if isinstance(raw, dict) else raw

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
            model=InformerConfig(**vars(self.model)),
            training=self.train,
            val=val_start,
            linear_look_back=self.baselines.linear_look_back,
            ensemble=self.ensemble,
            classical_rows=self.baselines.classical_rows,
        )

    def forecaster_for(self, split: Split) -> ForecasterConfig:
        """The library's configuration for a split of the data at hand."""
        return self.forecaster(border_text(split.val_start, self.frame))

    def parts(self, *names: str) -> dict[str, Any]:
        """Sections as plain values, such as a key of what depends on them is made of."""
        return self.model_dump(mode="json", include=set(names))

    def with_space(self, conf_dir: Path) -> RunConfig:
        """A copy whose search space has been read, where it names a file under `conf_dir`.

        Raises:
            ConfigError: the file is missing, or no search space.
        """
        space = self.tune.space
        if not isinstance(space, str):
            return self
        raw = self.model_dump(mode="json")
        _set_dotted(raw, "tune.space", _read_yaml(conf_dir / space))
        return _build(raw, f"{self.name} with {space}")

    def with_values(self, values: Mapping[str, Any]) -> RunConfig:
        """A copy with dotted fields replaced, such as `{"model.d_model": 64}`, and checked anew."""
        raw = self.model_dump(mode="json")
        said = retired.make_way(raw, set(values))
        for key, value in values.items():
            _set_dotted(raw, key, value)
        return _build(raw, self.name, said)


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
    raw: dict[str, Any] = {}
    said: set[str] = set()
    for file in [*([base] if base.exists() else []), *_extended(path, conf_dir)]:
        raw = _laid(raw, file, said)
    values = dict(_override(text) for text in overrides)
    said |= retired.make_way(raw, _named(values))
    for key, value in values.items():
        _set_dotted(raw, key, value)
    derived = sorted(set(raw.get("model") or {}) & set(DERIVED))
    if derived:
        raise ConfigError(
            f"model.{derived[0]} cannot be set in a pipeline: it follows from frame.columns, "
            "frame.features and frame.freq, or from train.loss. Remove it."
        )
    raw.setdefault("name", path.stem.lower())
    return _build(raw, path.name, said).with_space(conf_dir)


def _override(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ConfigError(
            f"{text!r} is not an override; write key=value, such as model.d_model=64."
        )
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of {text!r} is not valid YAML; quote it.") from error


def _named(values: Mapping[str, Any]) -> set[str]:
    """The dotted names that overrides set; one may set a whole section."""
    sections = {key: value for key, value in values.items() if isinstance(value, dict)}
    return set(values) | retired.names_in(sections)


def _find_conf(conf: str, conf_dir: Path) -> Path:
    tried = [Path(conf), conf_dir / conf, conf_dir / f"{conf}.yaml"]
    for path in tried:
        if path.is_file():
            return path
    found = [*conf_dir.glob("*.yaml"), *conf_dir.glob("paper/*.yaml")]
    names = sorted(p.relative_to(conf_dir).with_suffix("").as_posix() for p in found)
    names = [name for name in names if name != "base"]
    raise ConfigError(
        f"there is no configuration {conf!r} in {conf_dir}; there are: "
        f"{', '.join(names) or 'none'}."
    )


def _extended(path: Path, conf_dir: Path, below: tuple[Path, ...] = ()) -> list[Path]:
    """The file that a file `extends`, the one that that one extends and so on, and last itself."""
    parent = _read_yaml(path).get("extends")
    if parent is None:
        return [path]
    chain = (*below, path.resolve())
    found = _find_conf(str(parent), conf_dir)
    if found.resolve() in chain:
        raise ConfigError(
            f"{path.name} extends {parent}, which extends {path.name} again. Remove one `extends`."
        )
    return [*_extended(found, conf_dir, chain), path]


def _laid(under: dict[str, Any], file: Path, said: set[str]) -> dict[str, Any]:
    """A file over what lies below it; the retired names in it are added to `said`."""
    over = _read_yaml(file)
    over.pop("extends", None)
    try:
        said |= retired.make_way(under, retired.names_in(over))
    except ConfigError as error:
        raise ConfigError(f"{file.name}: {error}") from error
    return _merge(under, over)


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
        raise ConfigError(f"{path.name} must hold `key: value` lines, not a list.")
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
    known = {"model": NetworkConfig, "train": TrainingConfig}.get(section)
    names = {field.name for field in fields(known)} if known else set()
    if name not in names:
        raise ConfigError(
            f"tune.space: {key} cannot be searched; use fields of model and train, such as "
            "model.d_model."
        )


def _build(raw: dict[str, Any], origin: str, said: set[str] | None = None) -> RunConfig:
    try:
        return RunConfig.model_validate(retired.settle(raw, said))
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
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
