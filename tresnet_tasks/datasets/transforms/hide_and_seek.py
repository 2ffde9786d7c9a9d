"""Hide-and-seek (https://arxiv.org/abs/1811.02545)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...registry import TRANSFORMS
from .fill_colour import IMAGENET_MEAN, checked_colour


@TRANSFORMS.register_module()
class HideAndSeek:
    """Divide the image into square patches and hide each with some probability.

    The defaults are the paper's for ImageNet: patches of 56, 44, 32 or 16 of 224 pixels, or none at
    all, each as likely, of which half is hidden.

    Args:
        cells: numbers of patches along the shorter side, one of which is drawn for each image. Where
            the longer side does not divide, its last patches are cut off.
        hide: probability of hiding a patch, in (0, 1].
        prob: of hiding anything in an image.
        fill: RGB of what is hidden; by default ImageNet's mean, as the paper hides patches behind
            the mean of the training images.

    Raises:
        ValueError: for an argument out of its range.
    """

    def __init__(
        self,
        cells: Sequence[int] = (4, 5, 7, 14),
        hide: float = 0.5,
        prob: float = 0.8,
        fill: Sequence[int] = IMAGENET_MEAN,
    ) -> None:
        if not cells or min(cells) < 1:
            raise ValueError(f"cells={cells}; expected a list of whole numbers of at least 1.")
        if not 0 < hide <= 1 or not 0 <= prob <= 1:
            raise ValueError(f"hide={hide}, prob={prob}; expected probabilities, hide above 0.")
        self.cells, self.hide, self.prob = tuple(cells), hide, prob
        self.fill = checked_colour(fill)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Hide patches in a copy of ``results['img']``."""
        if random.random() >= self.prob:
            return results
        image = results["img"].copy()
        height, width = image.shape[:2]
        cells, shorter = random.choice(self.cells), min(height, width)
        rows, columns = (np.arange(length) * cells // shorter for length in (height, width))
        hidden = np.random.rand(rows[-1] + 1, columns[-1] + 1) < self.hide
        image[hidden[np.ix_(rows, columns)]] = self.fill
        results["img"] = image
        return results

    def __repr__(self) -> str:
        return f"HideAndSeek(cells={self.cells}, hide={self.hide}, prob={self.prob})"
