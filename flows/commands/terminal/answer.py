"""The JSON object with which `--json` ends stdout."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tasks.settings import finite

__all__ = ["finish"]


def finish(args: argparse.Namespace, record: dict[str, Any]) -> None:
    """Print `record` as the last line of stdout where `--json` asks for it."""
    if args.json:
        print(json.dumps(finite(record)), flush=True)
