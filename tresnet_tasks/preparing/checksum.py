"""Checksums of large files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

_CHUNK = 1 << 20  # bytes


def md5_of(path: Path, advance: Callable[[int], None] = lambda count: None) -> str:
    """The MD5 of a file in hexadecimal digits.

    Args:
        path: the file.
        advance: told how many bytes were read, each time.
    """
    digest = hashlib.md5(usedforsecurity=False)  # what the sources publish
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            advance(len(chunk))
    return digest.hexdigest()
