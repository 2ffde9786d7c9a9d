"""One run at a time in a work dir."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from mmengine.dist import broadcast_object_list, is_main_process

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = ".running"


class WorkDirLock:
    """Holds a work dir until `release`, or until this process is gone, however it went.

    The system keeps the lock, not the file: one that a killed run leaves behind locks nothing. On
    network storage it holds for all machines, as far as the storage has locks. Not between two runs
    of one process.

    Args:
        work_dir: a folder; made if missing.

    Raises:
        ValueError: if another process holds it, naming that process and its machine.
    """

    def __init__(self, work_dir: str | Path) -> None:
        folder = Path(work_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / _NAME).open("a+", encoding="utf-8")
        if fcntl is None:
            return
        try:
            # Not flock: data workers would inherit that lock, and outlive a killed run by seconds.
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                return  # a file system without locks
            holder = _told(self._file.name)
            self._file.close()
            raise ValueError(
                f"another run is writing into the work dir {folder}: {holder}. Wait for it or end "
                "it, or give this run a --work-dir of its own."
            ) from None
        self._file.truncate(0)
        mine = {"pid": os.getpid(), "host": socket.gethostname()}
        mine["since"] = time.strftime("%Y-%m-%d %H:%M:%S")
        self._file.write(json.dumps(mine))
        self._file.flush()

    def release(self) -> None:
        """Let others in."""
        self._file.close()


def lock_work_dir(work_dir: str | Path) -> WorkDirLock | None:
    """Lock a work dir for all ranks of a run; the first one holds the lock.

    Raises:
        ValueError: on every rank, if another run holds it.
    """
    lock, refusal = None, [""]
    if is_main_process():
        try:
            # A folder that cannot be written is told by the runner.
            with suppress(OSError):
                lock = WorkDirLock(work_dir)
        except ValueError as error:
            refusal = [str(error)]
    broadcast_object_list(refusal)
    if refusal[0]:
        raise ValueError(refusal[0])
    return lock


def _told(path: str) -> str:
    """Who holds the lock, by the file's own words."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        holder = json.loads(Path(path).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    return "its process did not say which it is"
