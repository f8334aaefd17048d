"""A progress bar in the terminal, on stderr: the one look of every long command."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

__all__ = ["Bar"]


class Bar:
    """Shows how far `title` has come; leave it by `with`, which fills it where nothing failed."""

    def __init__(self, title: str, total: int = 1) -> None:
        self._title, self._total = title, max(total, 1)
        self._rich = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._line = self._rich.add_task(title, total=self._total)

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is None:
            self._rich.update(self._line, completed=self._total)
        self._rich.stop()

    def move(self, done: int, note: str = "", total: int | None = None) -> None:
        """Show `done` steps, of `total` where that is known only now, with a few words beside."""
        self._total = self._total if total is None else total
        description = f"{self._title}: {note}" if note else self._title
        self._rich.update(self._line, completed=done, total=self._total, description=description)
