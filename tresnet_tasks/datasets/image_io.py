"""From an image file of any usual kind to (H, W, 3) uint8 RGB.

Ordinary JPEG goes through simplejpeg and ordinary PNG through OpenCV, which give the very pixels
that Pillow gives, in two thirds of the time; all else, and whatever these refuse, goes through
Pillow, which says what is wrong with a file.
"""

from __future__ import annotations

import os
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..upstream.opencv import cv2
from .jpeg_header import MAX_PIXELS, read_jpeg_header
from .jpeg_pixels import RGBImage, decode_jpeg, upright

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
# Chunks that OpenCV and Pillow treat differently: a transparent colour, EXIF, animation.
_PNG_NEEDS_PILLOW = (b"tRNS", b"eXIf", b"acTL")
_PNG_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


class UnreadableImageError(ValueError):
    """An image file that is missing, cut short, damaged or of no supported format."""


def read_image(path: str | os.PathLike[str]) -> RGBImage:
    """Read an image file.

    JPEG (CMYK and YCCK included), PNG, BMP, WebP, TIFF, PNM and what else Pillow reads; of an
    animation the first frame. The EXIF orientation is applied. Transparency is laid on white.
    16-bit samples lose their lower byte.

    Args:
        path: any file name that the system allows.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        UnreadableImageError: a ``ValueError`` that names the file and the reason.
    """
    return decode_image(read_bytes(path), name=os.fspath(path))[0]


def read_image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Read the (height, width) that ``read_image`` would give, without decoding the pixels.

    Raises:
        UnreadableImageError: as ``read_image``, as far as the head of the file shows it.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except FileNotFoundError as error:
        raise _unreadable(os.fspath(path), "No such file or directory") from error
    except Exception as error:  # see _decode_with_pillow
        raise _unreadable(os.fspath(path), str(error) or type(error).__name__) from error
    return (width, height) if orientation >= 5 else (height, width)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a file whole; ``UnreadableImageError`` if that fails."""
    try:
        # Once for every sample: without a Path and a buffer, which take longer.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.readall()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(
            os.fspath(path), getattr(error, "strerror", None) or str(error)
        ) from error


def decode_image(
    data: bytes, *, name: str = "<bytes>", min_side: int | None = None
) -> tuple[RGBImage, tuple[int, int]]:
    """Decode the bytes of an image file, as ``read_image`` does.

    Args:
        data: the whole file.
        name: what an error calls it.
        min_side: decode a larger JPEG at 1/2, 1/4 or 1/8 of its size, in a fraction of the time, as
            long as its shorter side keeps at least so many pixels. None decodes at full size.

    Returns:
        (H, W, 3) uint8 RGB, contiguous, and the full (height, width), orientation applied.

    Raises:
        UnreadableImageError: naming ``name`` and the reason.
    """
    if not data:
        raise _unreadable(name, "the file is empty (0 bytes)")
    image = size = None
    if data.startswith(b"\xff\xd8"):
        image, size = _decode_jpeg(data, min_side)
    elif _is_ordinary_png(data):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _PNG_FLAGS)
    if image is None:
        image = _decode_with_pillow(data, name)
    return image, size or image.shape[:2]


def _decode_jpeg(
    data: bytes, min_side: int | None
) -> tuple[RGBImage | None, tuple[int, int] | None]:
    header = read_jpeg_header(data)
    if header is None:
        return None, None
    factor = 1
    if min_side is not None:
        while factor < 8 and min(header.size) >= 2 * factor * min_side:
            factor *= 2
    image = decode_jpeg(data, header, factor)
    return (None, None) if image is None else (upright(image, header.orientation), header.size)


def _is_ordinary_png(data: bytes) -> bool:
    if not data.startswith(_PNG_SIGNATURE) or not data.endswith(_PNG_END) or len(data) < 45:
        return False
    bits, colour, interlaced = data[24], data[25], data[28]
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if bits != 8 or colour not in (0, 2) or interlaced or width * height > MAX_PIXELS:
        return False
    head = data[: max(data.find(b"IDAT"), 0)]
    # An orientation may also stand behind the pixels.
    return not any(chunk in head for chunk in _PNG_NEEDS_PILLOW) and b"eXIf" not in data[-4096:]


def _decode_with_pillow(data: bytes, name: str) -> RGBImage:
    try:
        with Image.open(BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _unreadable(name, f"{image.width}x{image.height} exceeds {MAX_PIXELS} pixels")
            image.load()
            return _rgb_array(ImageOps.exif_transpose(image), name)
    except (UnreadableImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise _unreadable(name, "it is not an image of a known format") from error
    except Exception as error:
        # Pillow's decoders let nearly any exception out on a damaged file: OSError, SyntaxError,
        # struct.error, ...
        raise _unreadable(name, str(error) or type(error).__name__) from error


def _rgb_array(image: Image.Image, name: str) -> RGBImage:
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(_grey_to_8_bits(image, name)[..., None], 3, axis=2)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    return np.array(image.convert("RGB"))


def _grey_to_8_bits(image: Image.Image, name: str) -> RGBImage:
    """Scale grey of more than 8 bits as Pillow scales 16-bit colour: the upper byte is kept."""
    samples = np.asarray(image)
    if image.mode == "F" or samples.min() < 0 or samples.max() > 65535:
        raise _unreadable(
            name, f"{samples.dtype} samples have no agreed range; save them as 8 or 16 bits"
        )
    return (samples >> 8).astype(np.uint8)


def _unreadable(name: str, reason: str) -> UnreadableImageError:
    return UnreadableImageError(f"cannot read image {name}: {reason}. Replace or remove it.")
