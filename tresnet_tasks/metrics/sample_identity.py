"""What tells images apart when several ranks' results meet."""

from __future__ import annotations

from typing import Any
from zlib import crc32


def sample_identity(sample: Any) -> int:
    """A number that tells images apart, the same on every rank.

    Args:
        sample: a data sample or its dict.

    Returns:
        A 64-bit number of ``sample_idx`` and ``img_path``; -1 where there is no index.
    """
    index = sample.get("sample_idx")
    if index is None:
        return -1
    # With the path, as the parts of a concatenated data set each count from 0.
    path = str(sample.get("img_path", "")).encode("utf-8", "surrogateescape")
    return int(index) << 32 | crc32(path)
