"""Progress that a person sees: a bar in the terminal and an artifact in the Prefect UI."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

__all__ = ["Progress"]

UPDATE_EVERY_S = 2.0


class Progress:
    """Counts `total` steps of the running task; leave it by `with`."""

    def __init__(self, title: str, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._told = time.monotonic()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._line = self._bar.add_task(title, total=self._total)
        self._title = title
        self._artifact = create_progress_artifact(0.0, key=f"{title}-progress", description=title)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is None:
            self._bar.update(self._line, completed=self._total)
            self._tell(100.0)
        self._bar.stop()

    def advance(self, note: str, to: int | None = None) -> None:
        """One step further, or to step `to`, with a few words beside the bar."""
        self._done = min(self._total, self._done + 1 if to is None else to)
        self._bar.update(self._line, completed=self._done, description=f"{self._title}: {note}")
        if time.monotonic() - self._told >= UPDATE_EVERY_S:
            self._tell(100.0 * self._done / self._total)

    def _tell(self, percent: float) -> None:
        self._told = time.monotonic()
        update_progress_artifact(self._artifact, percent)  # type: ignore[arg-type]
