"""The colour of what an augmentation covers."""

from __future__ import annotations

from collections.abc import Sequence

IMAGENET_MEAN = (124, 116, 104)  # RGB


def checked_colour(fill: Sequence[int]) -> tuple[int, int, int]:
    """Check a colour that a config gives.

    Raises:
        ValueError: unless it is three whole numbers from 0 to 255.
    """
    colour = tuple(fill) if isinstance(fill, Sequence) else (fill,)
    if len(colour) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in colour):
        raise ValueError(f"fill={fill!r}; expected (red, green, blue), each from 0 to 255.")
    return colour[0], colour[1], colour[2]
