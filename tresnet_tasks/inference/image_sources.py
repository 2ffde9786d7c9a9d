"""What a user may hand over as images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from ..datasets.image_io import UnreadableImageError, _rgb_array
from ..datasets.image_names import IMAGE_EXTENSIONS, find_images

ImageSource: TypeAlias = "str | np.ndarray[Any, np.dtype[np.uint8]] | Image.Image"
"""One image: the path of a file, (H, W, 3) uint8 RGB, or a PIL image."""

Images: TypeAlias = "ImageSource | os.PathLike[str] | Iterable[ImageSource | os.PathLike[str]]"
"""One image or folder, or any number of them."""


def list_images(images: Images) -> list[ImageSource]:
    """List the single images of what a user gave, in its order.

    Args:
        images: the path of an image or of a folder, an array (H, W, 3) uint8 RGB, a PIL image, or
            several of these. A folder stands for all images in it and in its folders, sorted by
            path, hidden files left out. A file that is named itself may have any name.

    Returns:
        One entry an image: a path as str, an array or a PIL image. No file has been opened yet.

    Raises:
        FileNotFoundError: if a path does not exist, or a folder holds no images.
        ValueError: for an array of another shape or dtype, or anything that is no image.
    """
    if isinstance(images, str | os.PathLike | np.ndarray | Image.Image) or not isinstance(
        images, Iterable
    ):
        return _expanded(images)
    return [source for item in images for source in _expanded(item)]


def rgb_array(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The pixels of a PIL image as a file of it would give them: upright, transparency on white.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UnreadableImageError: if its file is damaged, or its samples have no agreed range.
    """
    name = str(getattr(image, "filename", "") or f"<PIL image {image.width}x{image.height}>")
    try:
        image = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError) as error:
        raise UnreadableImageError(f"cannot read image {name}: {error}.") from error
    return _rgb_array(image, name)


def _expanded(item: Any) -> list[ImageSource]:
    if isinstance(item, np.ndarray):
        return [_checked_array(item)]
    if isinstance(item, Image.Image):
        return [item]
    if isinstance(item, str | os.PathLike):
        return _files(Path(item).expanduser())
    raise ValueError(
        f"got a {type(item).__module__}.{type(item).__qualname__} as image; expected a path, a "
        "folder, a NumPy array (H, W, 3) uint8 RGB, a PIL image, or a list of these."
    )


def _files(path: Path) -> list[ImageSource]:
    if path.is_dir():
        found = find_images(path)
        if not found:
            raise FileNotFoundError(
                f"folder {path} holds no images; expected files that end in "
                f"{' '.join(IMAGE_EXTENSIONS)}. Name files of other endings one by one."
            )
        return list(found)
    if not path.exists():
        raise FileNotFoundError(
            f"no image or folder {str(path)!r} (looked from {Path.cwd()}); check the path."
        )
    return [str(path)]


def _checked_array(array: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        if array.ndim == 4:
            hint = "Pass a batch as a list: list(images)."
        elif array.ndim == 2:
            hint = "Repeat a grey image three times: np.repeat(image[..., None], 3, axis=2)."
        elif array.dtype != np.uint8:
            hint = "Scale it to 0..255 and call .astype(np.uint8)."
        else:
            hint = "Put the three colours last, red first, and drop any fourth channel."
        raise ValueError(
            f"got an array of shape {array.shape} and dtype {array.dtype}; expected (H, W, 3) "
            f"uint8 RGB. {hint}"
        )
    return array
