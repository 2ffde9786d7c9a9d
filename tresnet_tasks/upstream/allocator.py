"""Freed memory stays with the process, for the next step to use.

glibc (seen in 2.36) gives the end of its heap back to the system as soon as it is free, and takes large
blocks from there each time. At the end of a training step on a CPU that is nearly all of its
memory; the next step gets it back page by page, each of which the system first clears. Of a step of
TResNet-M that was about a tenth of the time. Can go when torch keeps freed memory on the CPU as it does on
CUDA.
"""

from __future__ import annotations

import ctypes
import os
import sys

# Of malloc.h: how much free memory at the end of the heap is kept (-1: all of it), and from what
# size on a block has pages of its own, which go when it is freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 1 << 30
_LARGEST_OF_OLD = 32 << 20  # before glibc 2.35
_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Ask the C library to keep what this process frees, and that of processes forked from it.

    The process stays as large as it has been. Who has set one of glibc's variables for it
    (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_``, ``GLIBC_TUNABLES``) has decided
    otherwise, and nothing is changed.

    Returns:
        Whether it is so from now on: False where the C library is another one, as on macOS.
    """
    if sys.platform != "linux" or any(name in os.environ for name in _SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return False
    blocks = mallopt(_MMAP_THRESHOLD, _LARGEST) or mallopt(_MMAP_THRESHOLD, _LARGEST_OF_OLD)
    return bool(blocks and mallopt(_TRIM_THRESHOLD, -1))
