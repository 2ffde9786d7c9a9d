from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tresnet_tasks.training.work_dir_lock import WorkDirLock, lock_work_dir

pytest.importorskip("fcntl", reason="the system has no such locks")


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[int]:
    """Another process that holds the lock of ``tmp_path`` and has a child, as a data worker is."""
    ready, told = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.setsid()
            lock = WorkDirLock(tmp_path)
            if os.fork():
                os.write(told, b"held")
            time.sleep(600)
            lock.release()
        finally:
            os._exit(1)
    os.close(told)
    assert os.read(ready, 4) == b"held"
    yield process
    os.killpg(process, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(process, 0)


def test_a_second_run_is_refused_and_told_who_holds_the_folder(
    holder: int, tmp_path: Path, tiny_config: Callable[..., Path], command: Any
) -> None:
    printed = command("train", tiny_config(), "--work-dir", tmp_path, status=1)
    assert f"another run is writing into the work dir {tmp_path}: process {holder} on" in printed
    assert "--work-dir of its own" in printed
    assert not (tmp_path / "run.json").exists()
    os.kill(holder, signal.SIGKILL)  # its child lives on
    os.waitpid(holder, 0)
    lock_work_dir(tmp_path)


def test_a_test_may_run_beside_a_training(
    tiny_run: Any, tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise AssertionError("locked")

    monkeypatch.setattr("tresnet_tasks.training.launch.lock_work_dir", refuse)
    command("test", tiny_run.config, tiny_run.best, "--work-dir", tmp_path)


def test_after_release_the_folder_is_free(tmp_path: Path) -> None:
    WorkDirLock(tmp_path).release()
    another = multiprocessing.get_context("fork").Process(target=WorkDirLock, args=(tmp_path,))
    another.start()
    another.join()
    assert another.exitcode == 0


def test_a_file_system_without_locks_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    WorkDirLock(tmp_path)
