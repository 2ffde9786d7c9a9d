"""Progress bars on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


class ProgressBars:
    """Named bars that vanish when they are done; lines printed meanwhile appear above them."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def start(self, name: str, text: str, total: int) -> None:
        """Show a bar under ``name``, after ``text``, for ``total`` batches."""
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[status]}", markup=False),
                TimeElapsedColumn(),
                console=Console(),
                refresh_per_second=4,
                transient=True,
            )
            self._progress.start()
        self.stop(name, close=False)
        self._tasks[name] = self._progress.add_task(text, total=total, status="")

    def update(self, name: str, done: int, status: str | None = None) -> None:
        """Move a bar to ``done`` batches; ``status`` None leaves the text behind it as it is."""
        if self._progress is not None and name in self._tasks:
            self._progress.update(self._tasks[name], completed=done)
            if status is not None:
                self._progress.update(self._tasks[name], status=status)

    def stop(self, name: str, close: bool = True) -> None:
        """Take a bar away, and the display with the last one."""
        task = self._tasks.pop(name, None)
        if self._progress is not None and task is not None:
            self._progress.remove_task(task)
        if close and not self._tasks:
            self.close()

    def close(self) -> None:
        """Take all bars away and give the terminal back."""
        self._tasks.clear()
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
