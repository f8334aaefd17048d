"""Progress that a person sees: a bar in the terminal and an artifact in the Prefect UI."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.runs.bar import Bar

__all__ = ["Progress"]

UPDATE_EVERY_S = 2.0


class Progress:
    """Counts `total` steps of the running task; leave it by `with`."""

    def __init__(self, title: str, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._told = time.monotonic()
        self._bar = Bar(title, self._total)
        self._artifact = create_progress_artifact(0.0, key=f"{title}-progress", description=title)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is None:
            self._tell(100.0)
        self._bar.__exit__(error_type, error, traceback)

    def advance(self, note: str, to: int | None = None) -> None:
        """One step further, or to step `to`, with a few words beside the bar."""
        self._done = min(self._total, self._done + 1 if to is None else to)
        self._bar.move(self._done, note)
        if time.monotonic() - self._told >= UPDATE_EVERY_S:
            self._tell(100.0 * self._done / self._total)

    def _tell(self, percent: float) -> None:
        self._told = time.monotonic()
        update_progress_artifact(self._artifact, percent)  # type: ignore[arg-type]
