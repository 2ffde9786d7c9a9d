"""Files of the same bytes in two data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path

_TAIL = 4096  # bytes; the heads of images from one camera are alike, the ends are not


def same_files(ones: Iterable[str], others: Iterable[str]) -> list[tuple[str, str]]:
    """Find files that are byte for byte in both lists.

    Of files of equal size the ends are compared first, and of those that agree the whole: hardly
    any file is read whole that is not a finding.

    Args:
        ones: paths. What is no file that can be read (an image inside an archive) is left out.
        others: likewise.

    Returns:
        For each file of ``others`` that is among ``ones``, the first such one and itself, in the
        order of ``others``.
    """
    keys: list[dict[str, tuple[object, ...]]] = [dict.fromkeys(ones, ()), dict.fromkeys(others, ())]
    steps: tuple[Callable[[str], object], ...] = (_size, _tail, _digest)
    for step in steps:
        keys = [{path: (*key, step(path)) for path, key in side.items()} for side in keys]
        common = set(keys[0].values()) & set(keys[1].values())
        keys = [
            {path: key for path, key in side.items() if key in common and None not in key}
            for side in keys
        ]
    first: dict[tuple[object, ...], str] = {}
    for path, key in keys[0].items():
        first.setdefault(key, path)
    return [(first[key], path) for path, key in keys[1].items()]


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a million times
    except OSError:
        return None


def _tail(path: str) -> bytes | None:
    try:
        with Path(path).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(-min(_TAIL, file.tell()), os.SEEK_END)
            return blake2b(file.read(), digest_size=16).digest()
    except OSError:
        return None


def _digest(path: str) -> bytes | None:
    try:
        return blake2b(Path(path).read_bytes()).digest()
    except OSError:
        return None
