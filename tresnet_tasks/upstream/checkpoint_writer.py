"""Writes files beside the training."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread


class CheckpointWriter:
    """Does one job at a time in a thread.

    The next job, and the end of the process, wait for the last. What a job raises is raised again
    by the next call of any method, once.
    """

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def start(self, job: Callable[[], object]) -> None:
        """Wait for the last job and begin this one."""
        self.wait()
        self._thread = Thread(target=self._do, args=(job,), name="checkpoint writer")
        self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is left to do."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def check(self) -> None:
        """Raise what the last job has raised so far, without waiting for it."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _do(self, job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:  # told where training can be stopped
            self._error = error
