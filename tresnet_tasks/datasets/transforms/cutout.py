"""Cutout (https://arxiv.org/abs/1708.04552) with a coloured rectangle."""

from __future__ import annotations

import random
from typing import Any

from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class Cutout:
    """Cover part of every image by one rectangle of a random colour, as the training code of ASL
    does.

    Its centre is uniform over the image, so that it may be cut off by a border; its colour is
    uniform over RGB.

    Args:
        factor: height and width of the rectangle, as a share of the image's, in (0, 1].

    Raises:
        ValueError: for a factor outside (0, 1].
    """

    def __init__(self, factor: float = 0.5) -> None:
        if not 0 < factor <= 1:
            raise ValueError(
                f"factor is {factor}; it must be above 0 and at most 1, a share of the image's "
                "sides."
            )
        self.factor = factor

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw the rectangle into a copy of ``results['img']``."""
        image = results["img"].copy()
        height, width = image.shape[:2]
        tall, wide = int(self.factor * height + 0.5), int(self.factor * width + 0.5)
        top = random.randrange(height) - tall // 2
        left = random.randrange(width) - wide // 2
        colour = random.randrange(256), random.randrange(256), random.randrange(256)
        image[max(top, 0) : top + tall, max(left, 0) : left + wide] = colour
        results["img"] = image
        return results

    def __repr__(self) -> str:
        return f"Cutout(factor={self.factor})"
