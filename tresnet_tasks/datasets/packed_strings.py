"""Many strings in one block of memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np


class PackedStrings(Sequence[str]):
    """A read-only list of strings kept as one byte buffer and its offsets.

    A worker that merely reads a Python string writes its reference count, so that every worker ends
    up with its own copy of a million paths. Two NumPy arrays stay shared between the processes.

    Args:
        strings: the strings, read once; file names that are not valid UTF-8 survive.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        buffer = bytearray()
        ends = [0]
        for string in strings:
            buffer += os.fsencode(string)
            ends.append(len(buffer))
        self._bytes = np.frombuffer(bytes(buffer), dtype=np.uint8)
        self._ends = np.asarray(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return one string, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} strings")
        index %= len(self)
        return os.fsdecode(self._bytes[self._ends[index] : self._ends[index + 1]].tobytes())
