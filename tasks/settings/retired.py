"""Retired fields of a pipeline: what an old name means today, and the line that says so.

An old file, override, search space or stored parameter goes on working with its old meaning. Files
lie over one another and overrides over them: a later one may spell a value in the old way or in
the new way, and it wins. Within one of them the old and the new name together are refused.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from informer.errors import ConfigError
from informer.network import HIGHWAYS, LinearPart, highway_of

__all__ = ["Raw", "make_way", "names_in", "settle", "with_relatives"]

logger = logging.getLogger(__name__)
Raw = dict[str, Any]
Old = Mapping[str, Any]

_shown: set[str] = set()  # names that this process has spoken of
DERIVED = {
    "model.enc_in": 7, "model.dec_in": 7, "model.c_out": 7, "model.freq": "h",
    "model.quantiles": [],
}  # fmt: skip
"""Fields that runs stored whole by earlier versions have at these values; nothing read them."""


@dataclass(frozen=True)
class Retired:
    """Old names that gave way to one new name, or to none.

    Attributes:
        old: old dotted names to the defaults that they had.
        new: the dotted name that says the same; None where a pipeline has no use for it.
        now: the new value for values of all old names; raises `ConfigError` where there is none.
        before: the old values for a new value.
        why: why a name has no successor.
    """

    old: Old
    new: str | None
    now: Callable[[Old], Any]
    before: Callable[[Any], Raw]
    why: str = ""


def _same(old: str, new: str, default: object) -> Retired:
    return Retired({old: default}, new, lambda values: values[old], lambda value: {old: value})


def _no_use(old: str, default: object, why: str) -> Retired:
    def now(values: Old) -> None:
        if values[old] != default:
            raise ConfigError(f"{old} is {values[old]!r}, but {why} Remove it.")

    return Retired({old: default}, None, now, lambda _value: {}, why)


def _highway(old: Old) -> str:
    is_linear = _flag(old, "model.linear_highway")
    is_checked = _flag(old, "train.shrink")
    fit = _one_of(old, "train.highway", ("ridge", "blend"))
    is_seen = _one_of(old, "model.decoder_input", ("zeros", "highway")) == "highway"
    if not is_linear:
        idle = [
            name
            for name, default in HIGHWAY_BEFORE.items()
            if name != "model.linear_highway" and old[name] != default
        ]
        if idle:
            raise ConfigError(
                f"{_listed(idle)} would not be read: there is no highway. Write "
                f"model.highway={fit}_{'checked' if is_checked else 'seen'}, or leave them out."
            )
        return "none"
    found = highway_of(LinearPart(fit, is_seen, is_checked))  # type: ignore[arg-type]
    if found is None:
        raise ConfigError(
            "train.shrink without model.decoder_input=highway is no longer possible. The nearest "
            f"are model.highway={fit}_checked (the decoder reads the linear forecast too) and "
            f"model.highway={fit} (nothing is shrunk). Write one of them."
        )
    return found


def _highway_before(value: object) -> Raw:
    if value not in list(HIGHWAYS):
        raise ConfigError(f"model.highway is {value!r}; use one of {', '.join(HIGHWAYS)}.")
    part = HIGHWAYS[value]
    return {
        "model.linear_highway": part.fit is not None,
        "model.decoder_input": "highway" if part.is_seen else "zeros",
        "train.highway": part.fit or "ridge",
        "train.shrink": part.is_checked,
    }


def _dask(old: Old) -> object:
    engine = _one_of(old, "forecast.engine", ("sequential", "dask"))
    n_workers, address = old["forecast.n_workers"], old["forecast.dask_address"]
    if not isinstance(n_workers, int) or n_workers < 1:
        raise ConfigError(f"forecast.n_workers is {n_workers!r}; write forecast.dask=2.")
    if engine == "dask":
        return n_workers if address is None else address
    if address is not None:
        raise ConfigError(
            f"forecast.dask_address is set, but forecast.engine is not dask. Write forecast.dask="
            f"{address} for that cluster, or forecast.dask=null for this process."
        )
    return None


def _dask_before(value: object) -> Raw:
    if value is None:
        return {"forecast.engine": "sequential"}
    name = "forecast.dask_address" if isinstance(value, str) else "forecast.n_workers"
    return {"forecast.engine": "dask", name: value}


HIGHWAY_BEFORE: Old = {
    "model.linear_highway": False,
    "model.decoder_input": "zeros",
    "train.highway": "ridge",
    "train.shrink": False,
}
DASK_BEFORE: Old = {
    "forecast.engine": "sequential", "forecast.n_workers": 2, "forecast.dask_address": None,
}  # fmt: skip
RETIRED = (
    _no_use(
        "model.output_attention", False,
        "a pipeline does not use attention maps. In the library "
        "InformerConfig(output_attention=True) returns them.",
    ),
    _no_use(
        "model.backend", "fast",
        "a pipeline always computes attention the fast way, with the same result. In the library "
        'InformerConfig(backend="reference") computes it as the paper reads.',
    ),
    Retired(DASK_BEFORE, "forecast.dask", _dask, _dask_before),
    Retired(HIGHWAY_BEFORE, "model.highway", _highway, _highway_before),
    _same("baselines.season", "frame.season", 24),
    _same("baselines.look_back", "baselines.linear_look_back", 96),
)  # fmt: skip
"""Every retired field."""


def names_in(layer: Mapping[str, Any]) -> set[str]:
    """The dotted names of the fields that a configuration, or a part of one, sets."""
    return {
        f"{section}.{name}"
        for section, values in layer.items()
        if isinstance(values, dict)
        for name in values
    }


def with_relatives(names: Iterable[str]) -> frozenset[str]:
    """The names, and every old or new name that says the same as one of them."""
    found = set(names)
    for row in RETIRED:
        group = {*row.old, row.new} - {None}
        if found & group:
            found |= {name for name in group if name is not None}
    return frozenset(found)


def make_way(raw: Raw, names: set[str]) -> set[str]:
    """Bring `raw` into the spelling of what is about to be laid over it.

    Args:
        raw: a configuration; changed in place.
        names: dotted names of the fields that will be set next.

    Returns:
        Those of the names that are retired.

    Raises:
        ConfigError: an old name and its successor are both among them.
    """
    said: set[str] = set()
    for row in RETIRED:
        old = names & set(row.old)
        said |= old
        if old and row.new in names:
            _refuse_both(old, row.new)
        if old and row.new is not None and _has(raw, row.new):
            for name, value in row.before(_taken(raw, row.new)).items():
                _put(raw, name, value)
        elif row.new in names:
            for name in row.old:
                if _has(raw, name):
                    _taken(raw, name)
    return said


def settle(raw: Mapping[str, Any], said: set[str] | None = None) -> Raw:
    """A copy of a configuration in which every retired field has become its successor.

    Args:
        raw: a configuration, as YAML or JSON has it.
        said: the retired names that a person wrote, which are spoken of; None: all that are there.

    Raises:
        ConfigError: there is no successor for a value, or it is set beside the old name.
    """
    found = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    for name, default in DERIVED.items():
        if _has(found, name) and found["model"][name.partition(".")[2]] in (default, ()):
            _taken(found, name)
    for row in RETIRED:
        given = {name: _taken(found, name) for name in row.old if _has(found, name)}
        if not given:
            continue
        if row.new is not None and _has(found, row.new):
            _refuse_both(set(given), row.new)
        value = row.now({**row.old, **given})
        if row.new is not None:
            _put(found, row.new, value)
        _say(set(given) if said is None else said & set(given), row, value)
    space = found["tune"].get("space") if isinstance(found.get("tune"), dict) else None
    if isinstance(space, dict):
        found["tune"]["space"] = _settled_space(space, found)
    return found


def _settled_space(space: Raw, found: Raw) -> Raw:
    """A search space in which dimensions of retired fields have become their successor's."""
    for row in RETIRED:
        dims = [name for name in row.old if name in space and _is_searchable(name)]
        if not dims:
            continue
        if row.new in space:
            _refuse_both(set(dims), row.new, "tune.space: ")
        base = {**row.old}
        if row.new is not None and _has(found, row.new):
            base |= row.before(found[row.new.split(".")[0]][row.new.split(".")[1]])
        tried = itertools.product(*(_choices(name, space[name]) for name in dims))
        values = [row.now({**base, **dict(zip(dims, one, strict=True))}) for one in tried]
        made = {row.new: {"choices": list(dict.fromkeys(values))}} if row.new is not None else {}
        kept: Raw = {}
        for name, dimension in space.items():
            kept |= made if name == dims[0] else {} if name in dims else {name: dimension}
        space = kept
        if row.new is None:
            _log(set(dims), f": {row.why} Remove it.", row, "tune.space: ")
        else:
            spelled = json.dumps(made[row.new]).replace('"', "")
            _log(set(dims), f"; write {row.new}: {spelled} there.", row, "tune.space: ")
    return space


def _is_searchable(name: str) -> bool:
    return name.startswith(("model.", "train."))


def _choices(name: str, dimension: object) -> list[Any]:
    choices = dimension.get("choices") if isinstance(dimension, dict) else None
    if not isinstance(choices, list | tuple) or not choices:
        raise ConfigError(f"tune.space: {name} takes choices: [..], not {dimension!r}.")
    return list(choices)


def _flag(old: Old, name: str) -> bool:
    value = old[name]
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}; use true or false.")
    return value


def _one_of(old: Old, name: str, choices: tuple[str, ...]) -> str:
    value = old[name]
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}; use one of {', '.join(choices)}.")
    return str(value)


def _refuse_both(old: set[str], new: str | None, where: str = "") -> None:
    names, verb = _listed(sorted(old)), "is" if len(old) == 1 else "are"
    raise ConfigError(
        f"{where}{names} and {new} mean the same. Remove {names}, which {verb} retired, and keep "
        f"{new}."
    )


def _say(names: set[str], row: Retired, value: object) -> None:
    """Write one line for names that have not been spoken of."""
    if row.new is None:
        _log(names, f": {row.why} Remove it.", row)
        return
    section, _, name = row.new.partition(".")
    text = value if isinstance(value, str) else json.dumps(value)
    mend = f"{name}: {text} under {section}, or {row.new}={text} on the command line"
    _log(names, f"; write {mend}.", row)


def _log(names: set[str], mend: str, row: Retired, where: str = "") -> None:
    new = [name for name in row.old if name in names and where + name not in _shown]
    _shown.update(where + name for name in new)
    if new:
        verb = "is" if len(new) == 1 else "are"
        logger.warning("%s%s %s retired%s", where, _listed(new), verb, mend)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _has(raw: Mapping[str, Any], name: str) -> bool:
    section, _, field = name.partition(".")
    values = raw.get(section)
    return isinstance(values, dict) and field in values


def _taken(raw: Raw, name: str) -> Any:  # noqa: ANN401 - whatever the file says
    section, _, field = name.partition(".")
    value = raw[section].pop(field)
    if not raw[section]:
        del raw[section]  # a section of retired fields alone may be none any more
    return value


def _put(raw: Raw, name: str, value: object) -> None:
    section, _, field = name.partition(".")
    values = raw.setdefault(section, {})
    if not isinstance(values, dict):
        raise ConfigError(f"{section} is a value, not a section. Write {name} in it.")
    values[field] = value
