"""The most memory that a training step takes, parameters and all."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from multiprocessing.connection import Connection

import torch
from torch.nn import functional as F

from .contestants import build
from .options import Setting


def peak_bytes(name: str, arch: str, batch_size: int, size: int, setting: Setting) -> int:
    """Peak of one training step above what the process had before the network was built.

    On CUDA it is the allocator's, on the CPU the process's, which also holds what the allocator
    keeps to itself. Each is measured in a process of its own.

    Raises:
        MemoryError: if the step did not fit.
    """
    # A forked process would inherit the peak of this one.
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    arguments = (sending, name, arch, batch_size, size, setting, torch.get_num_threads())
    process = context.Process(target=_measure, args=arguments)
    process.start()
    sending.close()
    try:
        peak: int = receiving.recv()
    except EOFError:
        peak = -1
    process.join()
    if peak < 0:
        raise MemoryError(f"{name} at batch {batch_size}, {size} px did not fit")
    return peak


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
    try:
        _step("resnet50", arch, 1, 64, setting)  # what torch loads with the first step
        before = _peak(setting)
        _step(name, arch, batch_size, size, setting)
        sending.send(_peak(setting) - before)
    except (torch.cuda.OutOfMemoryError, MemoryError):
        sending.send(-1)


def _step(name: str, arch: str, batch_size: int, size: int, setting: Setting) -> None:
    model = setting.place(build(name, arch)).train()
    images = setting.images(batch_size, size)
    with setting.autocast():
        logits = model(images)
    F.cross_entropy(logits.float(), torch.zeros_like(logits[:, 0], dtype=torch.int64)).backward()


def _peak(setting: Setting) -> int:
    if setting.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(setting.device)
        torch.cuda.reset_peak_memory_stats(setting.device)
        return peak
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
