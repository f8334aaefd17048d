"""What a benchmark is of: which data, how they are split, what is fitted at each horizon.

A configuration's own data keep its columns and its split. Other data in their place keep them too
where they have the same columns; else every numeric column is forecast, by shares of 0.7, 0.1, 0.2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd

from informer.config import FrameConfig
from informer.data import Panel, Split, frame_times, regular_frame, regular_panel
from informer.errors import ConfigError
from informer.estimators import CLASSICAL, Baseline, require_library
from tasks.benchmark.source import Foreign, name_of, read_foreign
from tasks.rows import (
    find_dataset,
    layout_of,
    missing_by_contract,
    read,
    read_contract,
    refuse_sentinels,
)
from tasks.settings import Home, RunConfig, load_config, with_relatives

__all__ = ["INFORMER", "PARTS", "Options", "Setting", "prepare"]

INFORMER = "informer"
PARTS = 100  # into which the progress of one fit, or of one search, is cut
ETT_CONF = "etth1"  # stands in for a known data set that has no configuration of its own
SHARES = {"split.train": 0.7, "split.val": 0.1, "split.test": 0.2}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command asks for; empty and None leave it to the configuration.

    Attributes:
        conf: a configuration, or a data set known by name.
        overrides: `key=value` pairs.
        data: a file or a data set in place of the configuration's.
        horizons: steps ahead.
        features: M, S or MS.
        n_seeds: over which the Informer's errors are averaged.
        models: `informer` and names of baselines.
        is_tuned: whether hyper-parameters are searched, on the validation rows.
    """

    conf: str
    overrides: tuple[str, ...] = ()
    data: str | None = None
    horizons: tuple[int, ...] = ()
    features: str | None = None
    n_seeds: int | None = None
    models: tuple[str, ...] = ()
    is_tuned: bool = False


@dataclass(frozen=True)
class Setting:
    """Everything that the rows of one table share.

    Attributes:
        conf: the configuration as it was named.
        data: what the data are called in the table.
        config: the configuration, at no horizon yet.
        overridden: dotted fields that the command has set, also by their retired names. No
            horizon changes them.
        rows: regular rows, NaN where nothing was measured.
        panel: the same rows, gaps filled.
        split: where validation and test begin and end.
        horizons: steps ahead.
        models: what is fitted and scored.
        n_seeds: over which the Informer's errors are averaged.
        is_tuned: whether hyper-parameters are searched.
        warnings: what a person should know of how the data were understood.
    """

    conf: str
    data: str
    config: RunConfig
    overridden: frozenset[str]
    rows: pd.DataFrame
    panel: Panel
    split: Split
    horizons: tuple[int, ...]
    models: tuple[str, ...]
    n_seeds: int
    is_tuned: bool
    warnings: tuple[str, ...]

    @property
    def known(self) -> pd.DataFrame:
        """Train and validation rows: everything that a training or a search may see."""
        return self.rows[frame_times(self.rows, self.config.frame) < self.split.test_start]

    def config_at(self, horizon: int) -> RunConfig:
        """The configuration at a horizon.

        Raises:
            ConfigError: a field that the configuration sets there cannot be.
        """
        fields = self.config.benchmark.fields_at(horizon)
        values = {name: value for name, value in fields.items() if name not in self.overridden}
        return self.config.with_values(values | {"model.pred_len": horizon})


def prepare(options: Options, home: Home) -> Setting:
    """Read the data and settle what is run, before anything is trained.

    Raises:
        ConfigError: an option or the configuration is impossible.
        SourceError: the data are not there, or cannot be read.
        FrameError: the data break the structural contract.
    """
    conf, source = _conf_and_source(options, home)
    asked = _overrides(options)
    config = load_config(conf, () if source else asked, conf_dir=home.conf_dir)
    warnings: tuple[str, ...] = ()
    contract = None
    if source is None:
        source = config.data.source
        contract = read_contract(home.conf_dir / config.data.contract)
        rows = read(source, home, layout_of(config.frame, contract))
        raw, _ = missing_by_contract(rows, contract, config.frame.id_column)
    else:
        foreign = read_foreign(source, config, _values(asked), home)
        config, warnings = _settle(conf, foreign, asked, home)
        raw = foreign.rows
    rows = regular_frame(raw, config.frame)
    refuse_sentinels(rows, config.frame, contract)
    panel = regular_panel(rows, config.frame)
    setting = Setting(
        conf=options.conf,
        data=name_of(source, home),
        config=config,
        overridden=with_relatives(_values(asked)),
        rows=rows,
        panel=panel,
        split=config.split.resolve(panel.grid[0], panel.grid[-1], config.frame),
        horizons=_horizons(options, config),
        models=_models(options, config),
        n_seeds=config.benchmark.seeds if options.n_seeds is None else options.n_seeds,
        is_tuned=options.is_tuned,
        warnings=(*warnings, *_gaps(rows, config.frame)),
    )
    _check(setting)
    return setting


def _conf_and_source(options: Options, home: Home) -> tuple[str, str | None]:
    """The configuration to read, and the data in its own data's place, if any."""
    known = find_dataset(options.conf)
    if known is None or (home.conf_dir / f"{options.conf}.yaml").is_file():
        return options.conf, options.data
    return ETT_CONF, options.data or known.name


def _overrides(options: Options) -> tuple[str, ...]:
    features = () if options.features is None else (f"frame.features={options.features}",)
    return (*options.overrides, *features)


def _values(overrides: tuple[str, ...]) -> dict[str, str]:
    return {key: value for key, _, value in (text.partition("=") for text in overrides)}


def _settle(
    conf: str, foreign: Foreign, asked: tuple[str, ...], home: Home
) -> tuple[RunConfig, tuple[str, ...]]:
    """The configuration for other data than its own; what was asked for comes last.

    Shares replace a split that does not fit these data.
    """
    said = with_relatives(_values(asked))
    is_split_asked = any(key.startswith("split.") for key in said)

    def load(values: Mapping[str, Any]) -> RunConfig:
        implied = [
            f"{key}={json.dumps(value)}"
            for key, value in values.items()
            if key not in said and not (is_split_asked and key.startswith("split."))
        ]
        return load_config(conf, (*implied, *asked), conf_dir=home.conf_dir)

    if not foreign.has_same_columns:
        return load(SHARES | foreign.values), foreign.warnings
    config = load(foreign.values)
    times = pd.DatetimeIndex(frame_times(foreign.rows, config.frame))
    try:
        config.split.resolve(times.min(), times.max(), config.frame)
    except ConfigError as error:
        if is_split_asked:
            raise
        told = f"the shares 0.7, 0.1 and 0.2 replace the split of {conf}: {error}"
        return load(foreign.values | SHARES), (*foreign.warnings, told)
    return config, foreign.warnings


def _horizons(options: Options, config: RunConfig) -> tuple[int, ...]:
    horizons = options.horizons or config.benchmark.horizons or (config.model.pred_len,)
    return tuple(dict.fromkeys(horizons))


def _models(options: Options, config: RunConfig) -> tuple[str, ...]:
    known = (INFORMER, *get_args(Baseline))
    models = options.models or (INFORMER, *config.baselines.models)
    for name in models:
        if name not in known:
            raise ConfigError(f"--models {name} is unknown; use one of {', '.join(known)}.")
        if name in CLASSICAL:
            require_library(name)
    return tuple(dict.fromkeys(models))


def _gaps(rows: pd.DataFrame, frame: FrameConfig) -> tuple[str, ...]:
    missing = rows[list(frame.channels)].isna().sum()
    return tuple(
        f"{name!r} lacks {count} of {len(rows)} values: each is filled with the value before it, "
        "and is not scored"
        for name, count in missing.items()
        if count
    )


def _check(setting: Setting) -> None:
    """Refuse what would fail only after hours: every horizon's configuration, and the seeds."""
    if min(setting.horizons) < 1:
        raise ConfigError(f"--horizon is {min(setting.horizons)}; it must be at least 1.")
    if setting.n_seeds < 1:
        raise ConfigError(f"--seeds is {setting.n_seeds}; it must be at least 1.")
    for horizon in setting.horizons:
        setting.config_at(horizon)
    if setting.is_tuned and setting.config.tune.n_trials == 0:
        raise ConfigError("--tune has no trials to run with tune.n_trials=0; add tune.n_trials=8.")
