"""How far a long step is, for the person who waits for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Tells on stderr what is being done: a bar for each step on a terminal, else a line."""

    def tell(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def step(self, text: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Give a function that is to be told how many more bytes are done.

        Args:
            text: what is being done.
            total: bytes of it all; None if nobody knows.
        """
        if not sys.stderr.isatty():
            self.tell(text if total is None else f"{text} ({told_bytes(total)})")
            yield lambda count: None
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
        after = (TransferSpeedColumn(), TimeRemainingColumn())
        with Bars(*columns, *after, console=Console(stderr=True)) as bars:
            task = bars.add_task(text, total=total)
            yield lambda count: bars.advance(task, count)
            bars.update(task, completed=total)  # what an archive says of itself was not counted


def told_bytes(count: float) -> str:
    """``13.5 GB``; units of a thousand, as the pages of the data sets have them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
