"""From a file to pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...registry import TRANSFORMS
from ..image_io import decode_image, read_bytes
from ..jpeg_pixels import RGBImage


@TRANSFORMS.register_module()
class LoadImage:
    """Decode the image of a sample.

    Takes ``results['img']`` if it is there (the bytes of an image file, or an array), else reads
    ``results['img_path']``. Sets ``img``, (H, W, 3) uint8 RGB, upright, and ``ori_shape`` and
    ``img_shape``, (height, width), of the full and the decoded image.

    Args:
        scale: decode a larger JPEG at 1/2, 1/4 or 1/8 as long as its shorter side keeps so many
            pixels: much faster where a crop of about this size follows. None decodes at full size.

    Raises:
        ValueError: for an image that cannot be read, naming file and reason, or an array of another
            kind.
    """

    def __init__(self, scale: int | None = None) -> None:
        if scale is not None and scale < 1:
            raise ValueError(
                f"scale is {scale}; it must be a number of pixels of at least 1, or None."
            )
        self.scale = scale

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load the image."""
        name = results.get("img_path", "<image>")
        source = results.get("img")
        if isinstance(source, np.ndarray):
            image = checked_image(source, name)
            size: tuple[int, int] = image.shape[:2]
        else:
            data = read_bytes(name) if source is None else bytes(source)
            image, size = decode_image(data, name=name, min_side=self.scale)
        results["img"] = image
        results["ori_shape"] = size
        results["img_shape"] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f"LoadImage(scale={self.scale})"


def checked_image(array: np.ndarray[Any, Any], name: str) -> RGBImage:
    """Make an array of grey or RGB (H, W, 3); ``ValueError`` for anything else than such uint8."""
    if array.ndim == 2 and array.size and array.dtype == np.uint8:
        return np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3 or not array.size or array.dtype != np.uint8:
        raise ValueError(
            f"image {name} is an array {array.shape} {array.dtype}; expected (height, width, 3) "
            "uint8 RGB, "
            "or (height, width) uint8 grey."
        )
    return np.ascontiguousarray(array)
