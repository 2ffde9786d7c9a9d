"""GridMask (https://arxiv.org/abs/2001.04086)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...registry import TRANSFORMS
from .fill_colour import IMAGENET_MEAN, checked_colour


@TRANSFORMS.register_module()
class GridMask:
    """Cover the squares of a grid that lies over the whole image.

    The grid's unit d and its offset are drawn for each image; a square of side (1 - keep) * d is
    covered in each unit, a share (1 - keep)^2 of the image. The defaults are the paper's for
    ImageNet: keep 0.6, d from 96 to 224 of 224 pixels. Its code also turns the grid and covers more
    images as training goes on; here it is upright, and ``prob`` is the same in every epoch.

    Args:
        keep: the side of a unit that is kept, as a share of it, in (0, 1); the paper's r.
        unit: smallest and largest d, as shares of the image's shorter side.
        prob: of covering an image at all.
        fill: RGB of what is covered; by default ImageNet's mean, which is 0 where images are
            normalised, as in the paper.

    Raises:
        ValueError: for an argument out of its range.
    """

    def __init__(
        self,
        keep: float = 0.6,
        unit: tuple[float, float] = (96 / 224, 1.0),
        prob: float = 0.8,
        fill: Sequence[int] = IMAGENET_MEAN,
    ) -> None:
        if not 0 < keep < 1 or not 0 <= prob <= 1:
            raise ValueError(
                f"keep={keep}, prob={prob}; expected keep between 0 and 1, and a probability."
            )
        if not 0 < unit[0] <= unit[1]:
            raise ValueError(
                f"unit={unit}; expected (smallest, largest), positive shares of the shorter side."
            )
        self.keep, self.unit, self.prob = keep, tuple(unit), prob
        self.fill = checked_colour(fill)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Cover squares in a copy of ``results['img']``."""
        if random.random() >= self.prob:
            return results
        image = results["img"].copy()
        height, width = image.shape[:2]
        unit = random.uniform(*self.unit) * min(height, width)
        side = (1 - self.keep) * unit
        # A pixel's centre decides, so that the share is right for units of any length.
        rows, columns = (
            (np.arange(length) + 0.5 + random.uniform(0, unit)) % unit < side
            for length in (height, width)
        )
        image[np.ix_(rows, columns)] = self.fill
        results["img"] = image
        return results

    def __repr__(self) -> str:
        return f"GridMask(keep={self.keep}, unit={self.unit}, prob={self.prob})"
