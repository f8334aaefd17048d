"""The file of `--output`: rows as JSON, written whole after each horizon."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from informer.errors import ConfigError
from tasks.benchmark.run import Row
from tasks.settings import finite, replaced

__all__ = ["read_rows", "write_rows"]

KEY = ("conf", "data", "features", "horizon", "model")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of an earlier benchmark; none where the file is not there.

    Raises:
        ConfigError: the file is something else, and is not overwritten.
    """
    if not path.is_file():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        return [dict(row) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"--output {path} exists, but it has no benchmark results. Name another file."
        ) from error


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Add rows to the file, in the place of older ones of the same model, data and horizon.

    Raises:
        ConfigError: the file is something else.
        StoreError: it cannot be written.
    """
    made = [row.record() for row in rows]
    new = {tuple(row[name] for name in KEY) for row in made}
    kept = [row for row in read_rows(path) if tuple(row.get(name) for name in KEY) not in new]
    text = json.dumps(finite({"rows": [*kept, *made]}), indent=1) + "\n"
    with replaced(path) as draft:
        draft.write_text(text, encoding="utf-8")
