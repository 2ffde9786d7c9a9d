"""The most memory that a training step takes, parameters and all."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from tresnet_tasks.upstream.allocator import keep_freed_memory

from .contestants import build
from .options import Setting

_TOO_MUCH = "too much"


def peak_bytes(name: str, arch: str, batch_size: int, size: int, setting: Setting) -> int:
    """Peak of one training step above what the process had before the network was built.

    On CUDA it is the allocator's, on the CPU the process's, which also holds what the allocator
    keeps to itself. Each is measured in a process of its own.

    Raises:
        MemoryError: if the step did not fit.
        ValueError: if it failed otherwise.
    """
    # A forked process would begin with the memory of this one.
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    arguments = (sending, name, arch, batch_size, size, setting, torch.get_num_threads())
    process = context.Process(target=_measure, args=arguments)
    process.start()
    sending.close()
    try:
        found: int | str = receiving.recv()
    except EOFError:
        found = ""
    process.join()
    if isinstance(found, int):
        return found
    # The system ends a process that takes too much.
    if found == _TOO_MUCH or (process.exitcode or 0) < 0:
        raise MemoryError(f"{name} at batch {batch_size}, {size} px did not fit")
    raise ValueError(f"{name} at batch {batch_size}, {size} px failed: {found or 'see above'}")


def _measure(
    sending: Connection,
    name: str,
    arch: str,
    batch_size: int,
    size: int,
    setting: Setting,
    threads: int,
) -> None:
    torch.set_num_threads(threads)
    keep_freed_memory()
    try:
        _load_torch(setting)
        before = _in_use(setting)
        _step(name, arch, batch_size, size, setting)
        sending.send(_peak(setting) - before)
    except (torch.cuda.OutOfMemoryError, MemoryError):
        sending.send(_TOO_MUCH)
    except RuntimeError as error:
        # torch's allocator of the CPU has no error of its own.
        sending.send(_TOO_MUCH if "can't allocate memory" in str(error) else str(error))


def _step(name: str, arch: str, batch_size: int, size: int, setting: Setting) -> None:
    model = setting.place(build(name, arch)).train()
    images = setting.images(batch_size, size)
    with setting.autocast():
        logits = model(images)
    F.cross_entropy(logits.float(), torch.zeros_like(logits[:, 0], dtype=torch.int64)).backward()


def _load_torch(setting: Setting) -> None:
    """A step of next to nothing: what torch loads with the first one is no network's."""
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.LazyLinear(2))
    with setting.autocast():
        layers.to(setting.device)(setting.images(2, 8)).float().sum().backward()


def _in_use(setting: Setting) -> int:
    """Bytes in use now; from here on the peak counts."""
    if setting.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(setting.device)
    elif sys.platform == "linux":
        with suppress(OSError):  # a kernel that is locked down: then what went before counts too
            Path("/proc/self/clear_refs").write_text("5", "utf-8")
    return _peak(setting)


def _peak(setting: Setting) -> int:
    if setting.device.type == "cuda":
        return torch.cuda.max_memory_allocated(setting.device)
    if sys.platform == "linux":
        # Not ru_maxrss, which on Linux begins with the peak of the process that started this one.
        status = Path("/proc/self/status").read_text("utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
