"""mmdet's losses without the exchange between processes.

They divide by the mean number of objects of all processes, so each loss is a meeting of them all.
In validation the processes may have different numbers of batches, and would wait for each other for
ever. Needed with mmdet up to 3.3; can go when its losses can be told to count their own objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace


@contextmanager
def own_objects_only() -> Iterator[None]:
    """Let mmdet's losses count the objects of this process alone, while the context lasts."""
    from mmdet.utils import dist_utils

    distributed = dist_utils.dist
    dist_utils.dist = SimpleNamespace(is_available=lambda: False)
    try:
        yield
    finally:
        dist_utils.dist = distributed
