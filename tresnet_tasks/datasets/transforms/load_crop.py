"""From a file to a random crop, decoding no more than the crop needs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...registry import TRANSFORMS
from ...upstream.opencv import cv2
from ..image_io import decode_image, read_bytes
from ..jpeg_header import JpegHeader, read_jpeg_header
from ..jpeg_pixels import RGBImage, decode_jpeg, upright
from .load_image import checked_image

_ATTEMPTS = 10  # as torchvision's RandomResizedCrop


class _Box(NamedTuple):
    """A part of an image: its edges in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def stored(self, header: JpegHeader) -> _Box:
        """The same part of the image as it is stored, where this is one of the upright image."""
        orientation = header.orientation
        if orientation == 1:
            return self
        left, top, right, bottom = self
        height, width = header.size
        if orientation in (2, 3, 6, 7):
            left, right = width - right, width - left
        if orientation in (3, 4, 7, 8):
            top, bottom = height - bottom, height - top
        return _Box(left, top, right, bottom) if orientation < 5 else _Box(top, left, bottom, right)


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
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size={size!r}; expected one side in pixels, such as 224.")
        if not density > 0:
            raise ValueError(f"density={density}; expected a positive number.")
        for name, limits, largest in (("scale", scale, 1.0), ("ratio", ratio, math.inf)):
            pair = isinstance(limits, Sequence) and len(limits) == 2
            if not pair or not 0 < limits[0] <= limits[1] <= largest:
                raise ValueError(
                    f"{name}={limits!r}; expected (least, largest), such as "
                    f"{'(0.08, 1.0)' if name == 'scale' else '(0.75, 1.33)'}."
                )
        if not 0 <= flip <= 1:
            raise ValueError(f"flip={flip}; expected a probability in [0, 1].")
        self.size, self.scale, self.ratio, self.flip = size, scale, ratio, flip
        self.reduced, self.density = reduced, density
        self._log_ratio = (math.log(ratio[0]), math.log(ratio[1]))

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load the crop."""
        results["img"], results["ori_shape"] = self._load(results)
        results["img_shape"] = (self.size, self.size)
        return results

    def _load(self, results: dict[str, Any]) -> tuple[RGBImage, tuple[int, int]]:
        """The crop, and the full size of its image."""
        name = results.get("img_path", "<image>")
        source = results.get("img")
        if isinstance(source, np.ndarray):
            image = checked_image(source, name)
            return self._cut_upright(image), image.shape[:2]
        data = read_bytes(name) if source is None else bytes(source)
        header = read_jpeg_header(data)
        if header is not None:
            # What is not decoded is left out of the image as it is stored: there the box must fit.
            box, factor = self._snapped(self._draw(*header.size).stored(header))
            factor = factor if self.reduced else 1
            part = decode_jpeg(data, header, factor, rows=box.bottom, fast=self.reduced)
            if part is not None:
                return self._cut(part, box, factor, header.orientation), header.size
        image, size = decode_image(data, name=name)  # another format, or damaged
        return self._cut_upright(image), size

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
        return _Box(left, top, left + wide, top + tall)

    def _snapped(self, box: _Box) -> tuple[_Box, int]:
        """A box with edges that the image has at reduced size too, and at which fraction of it."""
        factor, shorter = 1, min(box.right - box.left, box.bottom - box.top)
        while factor < 8 and shorter >= 2 * factor * self.density * self.size:
            factor *= 2
        if factor > 1:
            box = _Box(*(round(edge / factor) * factor for edge in box))
        return box, factor

    def _cut_upright(self, image: RGBImage) -> RGBImage:
        """A crop of an image at its full size."""
        box, _ = self._snapped(self._draw(*image.shape[:2]))
        return self._cut(image, box)

    def _cut(self, image: RGBImage, box: _Box, factor: int = 1, orientation: int = 1) -> RGBImage:
        """The box of an image at 1 / ``factor``, resized and upright; flipped now and then."""
        left, top, right, bottom = (edge // factor for edge in box)
        crop = image[top:bottom, left:right]
        # Linear interpolation reads four pixels for one, which is few of a crop twice as large.
        large = min(crop.shape[:2]) >= 2 * self.size
        way = cv2.INTER_AREA if large else cv2.INTER_LINEAR
        out: RGBImage = cv2.resize(crop, (self.size, self.size), interpolation=way)
        if orientation != 1:
            out = upright(out, orientation)
        if random.random() < self.flip:
            cv2.flip(out, 1, dst=out)  # in place: in a third of the time
        return out

    def __repr__(self) -> str:
        return f"LoadRandomResizedCrop({self.size}, reduced={self.reduced})"
