"""One process at a time in a folder."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = ".preparing"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold ``folder`` while the block runs, or until this process is gone, however it went.

    The system keeps the lock, not the file: one that a killed process leaves behind locks nothing.

    Raises:
        ValueError: if another process holds it, naming that process and its machine.
    """
    with (folder / _NAME).open("a+", encoding="utf-8") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    file.seek(0)
                    raise ValueError(
                        f"another process is preparing data in {folder}: "
                        f"{file.read() or 'it did not say which'}. Wait for it or end it; what it "
                        "has downloaded is kept."
                    ) from None
                # else a file system without locks
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.write(f", since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield
