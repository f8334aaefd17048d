"""Errors that others have published in the same protocol, from one file under conf/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from informer.errors import ConfigError

__all__ = ["Published", "read_published"]

FILE = Path("published") / "ett.yaml"


class _Errors(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    mse: float
    mae: float | None = None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    features: str
    model: str
    source: str
    note: str = ""
    rows: dict[int, _Errors]


@dataclass(frozen=True)
class Published:
    """One published row.

    Attributes:
        data, features, horizon: of what.
        model: whose.
        mse: scaled by the train rows.
        mae: the same; None where it is not kept.
        source: where it stands.
        note: how it differs from the protocol here.
    """

    data: str
    features: str
    horizon: int
    model: str
    mse: float
    mae: float | None
    source: str
    note: str


def read_published(conf_dir: Path) -> list[Published]:
    """Every row of `conf/published/ett.yaml`; none where that file is not there.

    Raises:
        ConfigError: the file is not as it must be.
    """
    path = conf_dir / FILE
    if not path.is_file():
        return []
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        models = TypeAdapter(list[_Model]).validate_python(content)
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(
            f"{path} must be a list of data, features, model, source, rows: "
            f"{' '.join(str(error).split())}. Correct it, or remove the file."
        ) from error
    return [
        Published(m.data, m.features, horizon, m.model, row.mse, row.mae, m.source, m.note)
        for m in models
        for horizon, row in m.rows.items()
    ]
