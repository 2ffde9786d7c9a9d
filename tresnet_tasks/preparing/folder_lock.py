"""One process at a time in a folder."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = ".preparing"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold ``folder`` while the block runs, or until this process is gone, however it went.

    The system keeps the lock, not the file: one that a killed process leaves behind locks nothing,
    and any other is removed.

    Raises:
        ValueError: if another process holds it, naming that process and its machine.
    """
    path = folder / _NAME
    file = _locked(path)
    with file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.write(f", since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no open file
                path.unlink()


def _locked(path: Path) -> TextIO:
    while True:
        file = path.open("a+", encoding="utf-8")
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                return file  # of a file system without locks
            with file:
                file.seek(0)
                raise ValueError(
                    f"another process is preparing data in {path.parent}: "
                    f"{file.read() or 'it did not say which'}. Wait for it or end it; what it has "
                    "downloaded is kept."
                ) from None
        # Its last holder may have removed it between the opening and the lock.
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()
