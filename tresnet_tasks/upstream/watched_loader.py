"""torch's DataLoader, whose workers say which sample they are on.

torch (all versions seen, to 2.15) answers a dead worker with its process number and a hanging one
with silence or "timed out"; which image it was is not told. And every signal for the whole group of
processes, such as Ctrl-C or a scheduler's, ends the workers while the main process may still want
to finish its step. Can go when torch names the sample and leaves signals to the main process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import wait
from typing import Any
from weakref import ref

import torch
from torch import Tensor
from torch.utils.data import DataLoader

_IDLE = -1
_PATIENCE = 5.0  # seconds until a worker whose connection broke must be gone
# In a worker: where it notes the index of the sample that it is on; a tensor of one number.
_note: Tensor | None = None


class WatchedLoader(DataLoader[Any]):
    """A DataLoader that tells which sample its workers are on, if it gives batches of a map-style
    data set.

    Workers leave SIGINT, SIGTERM and SIGUSR1 to the main process.
    """

    def _get_iterator(self) -> Any:
        if self.num_workers == 0:
            return super()._get_iterator()
        self._notes = torch.full((self.num_workers,), _IDLE)
        self._notes.share_memory_()  # type: ignore[no-untyped-call]
        own = self.worker_init_fn
        self.worker_init_fn = partial(_begin_worker, self._notes, own)
        try:
            iterator = super()._get_iterator()
        finally:
            self.worker_init_fn = own
        self._started = ref(iterator)
        return iterator

    @property
    def _index_sampler(self) -> Any:
        sampler = super()._index_sampler
        return _NotedBatches(sampler) if self._auto_collation else sampler

    def explained(self, error: BaseException, name: str) -> OSError | None:
        """A better error in place of torch's.

        Args:
            error: what training, validation or a test ended with.
            name: of this loader in the config.

        Returns:
            A `ChildProcessError` or `TimeoutError` naming workers and samples, or None if ``error``
            is not of a worker of this loader that has died or hangs.
        """
        iterator = getattr(self, "_started", lambda: None)()
        if iterator is None or not isinstance(error, (RuntimeError, OSError, EOFError)):
            return None
        if str(error).startswith("DataLoader timed out"):
            busy = [self._work(i) for i in range(self.num_workers) if self._notes[i] != _IDLE]
            return TimeoutError(
                f"no batch came from the {self.num_workers} data workers of {name} in "
                f"{self.timeout:g} s. {'; '.join(busy) or 'None of them was on a sample'}. If it "
                f"hangs, look at that file and its disk; if it is only slow, set a longer {name}."
                "timeout (seconds; 0 waits for ever)."
            )
        workers = iterator._workers
        # A worker that dies while it hands a batch over breaks the connection first.
        if isinstance(error, (ConnectionError, EOFError)) or "DataLoader worker" in str(error):
            gone = wait([worker.sentinel for worker in workers], _PATIENCE)
            for worker in workers:
                if worker.sentinel in gone:
                    worker.join(_PATIENCE)  # its exit status comes a moment later
        dead = [i for i, worker in enumerate(workers) if worker.exitcode]
        if not dead:
            return None
        ends = "; ".join(f"{self._work(i)} ({_end(workers[i].exitcode)})" for i in dead)
        return ChildProcessError(
            f"{len(dead)} of the {self.num_workers} data workers of {name} died: {ends}. If memory "
            f"ran out (`dmesg` tells), use fewer {name}.num_workers, a smaller prefetch_factor or "
            "smaller images; otherwise look at that file."
        )

    def _work(self, worker: int) -> str:
        index = int(self._notes[worker])
        if index == _IDLE:
            return f"worker {worker} was not on a sample but waiting or putting a batch together"
        path = None
        with suppress(Exception):  # of a data set that does not tell, or not in this way
            path = self.dataset.get_data_info(index).get("img_path")  # type: ignore[attr-defined]
        return f"worker {worker} was on sample {index}{f', {path}' if path else ''}"


class _NotedBatches:
    """A batch sampler whose batches note, in a worker, which of their indices is in use."""

    def __init__(self, batches: Any) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        return map(_NotedBatch, self._batches)

    def __len__(self) -> int:
        return len(self._batches)


class _NotedBatch(list[int]):
    def __iter__(self) -> Iterator[int]:
        for index in super().__iter__():
            # A sampler for several data sets may give tuples.
            if _note is not None and isinstance(index, int):
                _note.fill_(index)
            yield index
        if _note is not None:
            _note.fill_(_IDLE)

    def __reduce__(self) -> tuple[type[_NotedBatch], tuple[list[int]]]:
        return _NotedBatch, (self[:],)


def _begin_worker(notes: Tensor, own: Callable[[int], object] | None, worker: int) -> None:
    global _note
    _note = notes[worker : worker + 1]
    for name in ("SIGINT", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_obey, args=(os.getppid(),), daemon=True).start()
    if own is not None:
        own(worker)


def _obey(parent: int) -> None:
    """End this worker at a SIGTERM of the main process, by which torch ends it; at no other's."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent:
        pass
    os._exit(0)


def _end(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


@contextmanager
def deaths_ignored() -> Iterator[None]:
    """Keep torch from raising an error, wherever the main thread is, because a worker has died."""
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "SIGCHLD"):
        yield
        return
    try:
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    except RuntimeError:  # the error of a death of this moment
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


def watched(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Turn a loader of torch's own class, which is what mmengine builds, into a `WatchedLoader`."""
    if type(loader) is DataLoader:
        loader.__class__ = WatchedLoader
    return loader


def explained(error: BaseException, loaders: Sequence[tuple[str, Any]]) -> OSError | None:
    """`WatchedLoader.explained` of the first of the named loaders that has an answer."""
    for name, loader in loaders:
        told = loader.explained(error, name) if isinstance(loader, WatchedLoader) else None
        if told is not None:
            return told
    return None
