"""The JSON object with which `--json` ends stdout."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

__all__ = ["finish"]


def finish(args: argparse.Namespace, record: dict[str, Any]) -> None:
    """Print `record` as the last line of stdout where `--json` asks for it."""
    if args.json:
        print(json.dumps(_plain(record)), flush=True)


def _plain(value: Any) -> Any:  # noqa: ANN401
    """The same with null where a number is none: JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
