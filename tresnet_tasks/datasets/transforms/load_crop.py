"""From a file to a random crop, decoding no more than the crop needs."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from ...registry import TRANSFORMS
from ...upstream.opencv import cv2
from ..image_io import decode_image, read_bytes
from ..jpeg_header import read_jpeg_header

_ATTEMPTS = 10  # as torchvision's RandomResizedCrop


@TRANSFORMS.register_module()
class LoadRandomResizedCrop:
    """Load the image of a sample and take a random crop of it, resized: for training alone.

    ``LoadImage`` and a random resized crop in one. The crop is drawn first, from the size in the
    file's head; where it is large, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size, in a fraction
    of the time. The crop covers the same part of the photo either way, to a fraction of a pixel.

    Takes ``results['img']`` if it is there (the bytes of an image file), else reads
    ``results['img_path']``. Sets ``img``, (size, size, 3) uint8 RGB, and ``ori_shape``, the full
    (height, width).

    Args:
        size: side of the result in pixels.
        scale: least and largest area of the crop, a share of the image's.
        ratio: least and largest width / height of the crop.
        flip: probability of a horizontal flip, which costs nothing here.
        reduced: whether to decode at reduced size where the crop allows.
        density: least number of decoded pixels for a pixel of the result, along a side; below 1
            more is decoded at reduced size, and a little sharpness lost.

    Raises:
        ValueError: for an image that cannot be read, naming file and reason, or an argument out of
            its range.
    """

    def __init__(
        self,
        size: int = 224,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        flip: float = 0.0,
        reduced: bool = True,
        density: float = 1.0,
    ) -> None:
        if size < 1 or not density > 0:
            raise ValueError(f"size={size}, density={density}; expected positive numbers.")
        if not 0 < scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(
                f"scale={scale}, ratio={ratio}; expected (least, largest), the scale within (0, 1]."
            )
        if not 0 <= flip <= 1:
            raise ValueError(f"flip={flip}; expected a probability in [0, 1].")
        self.size, self.scale, self.ratio, self.flip = size, scale, ratio, flip
        self.reduced, self.density = reduced, density

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load the crop."""
        name = results.get("img_path", "<image>")
        source = results.get("img")
        data = read_bytes(name) if source is None else bytes(source)
        header = read_jpeg_header(data)
        if header is None:
            image, (height, width) = decode_image(data, name=name)
            box = self._draw(height, width)
        else:  # orientations from 5 on lie on their side
            height, width = sorted((header.height, header.width))
            if (header.height > header.width) == (header.orientation < 5):
                height, width = width, height
            box = self._draw(height, width)
            shorter = min(height, width) // self._factor(box)
            image, (height, width) = decode_image(data, name=name, min_side=shorter)
        results["img"] = self._cut(image, box, height, width)
        results["ori_shape"] = (height, width)
        results["img_shape"] = (self.size, self.size)
        return results

    def _draw(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Left, top, width and height of a crop, drawn as torchvision draws it."""
        low, high = (math.log(limit) for limit in self.ratio)
        for _ in range(_ATTEMPTS):
            area = height * width * random.uniform(*self.scale)
            ratio = math.exp(random.uniform(low, high))
            wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < wide <= width and 0 < tall <= height:
                return random.randint(0, width - wide), random.randint(0, height - tall), wide, tall
        # None fits: the largest of an allowed ratio, from the centre.
        widest = min(width, height * self.ratio[1])
        tallest = min(height, width / self.ratio[0])
        return (width - widest) / 2, (height - tallest) / 2, widest, tallest

    def _factor(self, box: tuple[float, float, float, float]) -> int:
        factor = 1
        if self.reduced:
            while factor < 8 and min(box[2:]) >= 2 * factor * self.density * self.size:
                factor *= 2
        return factor

    def _cut(
        self,
        image: np.ndarray[Any, np.dtype[np.uint8]],
        box: tuple[float, float, float, float],
        height: int,
        width: int,
    ) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The box, given in pixels of the full size, resized; flipped now and then."""
        left, top, wide, tall = box
        # What a reduced JPEG has at its edge may stand for less than a whole pixel.
        factor = max(round(width / image.shape[1]), 1)
        step_x, step_y = wide / self.size / factor, tall / self.size / factor
        # Pixel i of a row has its centre at i + 1/2.
        first_x, first_y = left / factor + step_x / 2 - 0.5, top / factor + step_y / 2 - 0.5
        if random.random() < self.flip:
            first_x, step_x = first_x + (self.size - 1) * step_x, -step_x
        cut: np.ndarray[Any, np.dtype[np.uint8]] = cv2.warpAffine(
            image,
            np.array([[step_x, 0, first_x], [0, step_y, first_y]]),
            (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return cut

    def __repr__(self) -> str:
        return f"LoadRandomResizedCrop({self.size}, reduced={self.reduced})"
