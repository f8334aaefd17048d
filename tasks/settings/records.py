"""Numbers of records: as JSON holds them, and in what order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["by_size", "finite"]


def by_size(value: float) -> float:
    """A key by which errors are sorted: one that is no finite number comes last."""
    return value if math.isfinite(value) else math.inf


def finite(value: Any) -> Any:  # noqa: ANN401 -- whatever a record holds
    """A value with None in place of every number that JSON has no sign for: NaN and infinities."""
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
