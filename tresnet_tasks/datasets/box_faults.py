"""Boxes that cannot be: what is wrong with them, and how that is told."""

from __future__ import annotations

import math
from collections.abc import Sequence


def box_fault(box: Sequence[float], height: int, width: int) -> str | None:
    """Say what is wrong with a box.

    Args:
        box: x1, y1, x2, y2 in pixels.
        height, width: of its image.

    Returns:
        None for a box with some area inside the image, else a few words.
    """
    x1, y1, x2, y2 = box
    if not all(map(math.isfinite, box)):
        return "not finite"
    if x2 < x1 or y2 < y1:
        return "inverted"
    if x2 == x1 or y2 == y1:
        return "without area"
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        return "outside the image"
    return None


def clipped_box(box: Sequence[float], height: int, width: int) -> tuple[float, float, float, float]:
    """The part of a box that lies in its image."""
    x1, y1, x2, y2 = box
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))


class BoxFaults:
    """Collects the faulty boxes of a data set and tells of them in one line."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, fault: str, box: Sequence[float], img_path: str) -> None:
        """Note a faulty box of an image."""
        numbers = ", ".join(f"{number:g}" for number in box)
        self._found.setdefault(fault, []).append(f"[{numbers}] of {img_path}")

    def __len__(self) -> int:
        return sum(map(len, self._found.values()))

    def __str__(self) -> str:
        """``2 without area ([504, 337, 504, 337] of a.jpg; ...); 1 inverted (...)``."""
        return "; ".join(
            f"{len(boxes)} {fault} ({'; '.join(boxes[:3])}{'; ...' if len(boxes) > 3 else ''})"
            for fault, boxes in self._found.items()
        )
