"""Weights of a training that diverged."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def not_finite(tensors: Mapping[str, Tensor]) -> str:
    """Name the tensors that hold NaN or an infinite value.

    Returns:
        The first three names and the number of the others; empty where all is finite.
    """
    names = [
        name
        for name, value in tensors.items()
        if value.is_floating_point() and not value.isfinite().all()
    ]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
