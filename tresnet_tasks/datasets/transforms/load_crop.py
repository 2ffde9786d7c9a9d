"""From a file to a random crop, decoding no more than the crop needs."""

from __future__ import annotations

import math
import random
from typing import Any, NamedTuple

import numpy as np

from ...registry import TRANSFORMS
from ...upstream.opencv import cv2
from ..image_io import decode_image, read_bytes
from ..jpeg_header import read_jpeg_header
from ..jpeg_pixels import RGBImage, decode_jpeg
from .load_image import checked_image

_ATTEMPTS = 10  # as torchvision's RandomResizedCrop


class _Box(NamedTuple):
    """A crop: its edges in pixels of the full size, and the fraction of that to decode it at."""

    left: int
    top: int
    right: int
    bottom: int
    factor: int


@TRANSFORMS.register_module()
class LoadRandomResizedCrop:
    """Load the image of a sample and take a random crop of it, resized: for training alone.

    ``LoadImage`` and a random resized crop in one. The crop is drawn first, from the size in the
    file's head. A JPEG is decoded down to the end of the crop alone; where the crop is large, at
    1/2, 1/4 or 1/8 of its size. It covers the same part of the photo either way.

    Takes ``results['img']`` if it is there (the bytes of an image file, or an array), else reads
    ``results['img_path']``. Sets ``img``, (size, size, 3) uint8 RGB, and ``ori_shape``, the full
    (height, width).

    Args:
        size: side of the result in pixels.
        scale: least and largest area of the crop, a share of the image's.
        ratio: least and largest width / height of the crop.
        flip: probability of a horizontal flip, which costs nothing here.
        reduced: whether to decode at reduced size where the crop allows, by less exact arithmetic:
            the crops are 1 to 2 of 255 off on average (``tools/benchmark.py data``).
        density: least number of decoded pixels for a pixel of the result, along a side. With 1 less
            is decoded at reduced size, and none of a crop's sharpness lost.

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
        density: float = 0.75,
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
        self._log_ratio = (math.log(ratio[0]), math.log(ratio[1]))

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load the crop."""
        image, size, box, factor = self._load(results)
        results["img"] = self._cut(image, box, factor)
        results["ori_shape"] = size
        results["img_shape"] = (self.size, self.size)
        return results

    def _load(self, results: dict[str, Any]) -> tuple[RGBImage, tuple[int, int], _Box, int]:
        """An image or a part of it, its full size, the crop, and at what fraction it is."""
        name = results.get("img_path", "<image>")
        source = results.get("img")
        if isinstance(source, np.ndarray):
            image = checked_image(source, name)
            return image, image.shape[:2], self._draw(*image.shape[:2]), 1
        data = read_bytes(name) if source is None else bytes(source)
        header = read_jpeg_header(data)
        if header is not None:
            box = self._draw(*header.size)
            factor = box.factor if self.reduced else 1
            part = decode_jpeg(data, header, factor, rows=box.bottom, fast=self.reduced)
            if part is not None:
                return part, header.size, box, factor
        image, size = decode_image(data, name=name)  # another format, or damaged
        return image, size, self._draw(*size), 1

    def _draw(self, height: int, width: int) -> _Box:
        """A crop, drawn as torchvision draws it."""
        for _ in range(_ATTEMPTS):
            area = height * width * random.uniform(*self.scale)
            ratio = math.exp(random.uniform(*self._log_ratio))
            wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < wide <= width and 0 < tall <= height:
                # As randint, which takes three times as long.
                left = int(random.random() * (width - wide + 1))
                top = int(random.random() * (height - tall + 1))
                break
        else:  # None fits: the largest of an allowed ratio, from the centre.
            wide = min(width, max(round(height * self.ratio[1]), 1))
            tall = min(height, max(round(width / self.ratio[0]), 1))
            left, top = (width - wide) // 2, (height - tall) // 2
        factor = 1
        while factor < 8 and min(wide, tall) >= 2 * factor * self.density * self.size:
            factor *= 2
        right, bottom = left + wide, top + tall
        if factor > 1:  # Edges that an image of reduced size has too.
            edges = (left, top, right, bottom)
            left, top, right, bottom = (round(edge / factor) * factor for edge in edges)
        return _Box(left, top, right, bottom, factor)

    def _cut(self, image: RGBImage, box: _Box, factor: int) -> RGBImage:
        """The box of an image decoded at 1 / ``factor``, resized; flipped now and then."""
        left, top, right, bottom = (edge // factor for edge in box[:4])
        crop = image[top:bottom, left:right]
        # Linear interpolation reads four pixels for one, which is few of a crop twice as large.
        large = min(crop.shape[:2]) >= 2 * self.size
        way = cv2.INTER_AREA if large else cv2.INTER_LINEAR
        out: RGBImage = cv2.resize(crop, (self.size, self.size), interpolation=way)
        if random.random() < self.flip:
            cv2.flip(out, 1, dst=out)  # in place: in a third of the time
        return out

    def __repr__(self) -> str:
        return f"LoadRandomResizedCrop({self.size}, reduced={self.reduced})"
