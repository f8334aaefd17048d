"""An argument parser that tells a mistake as the project does."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn, TypeAlias

__all__ = ["MISUSED", "Parser"]

MISUSED = 2


class Parser(argparse.ArgumentParser):
    """One `error:` line on stderr, and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave."""
        print(f"error: {message}. See: {self.prog} --help", file=sys.stderr)
        raise SystemExit(MISUSED)


if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[Parser]
