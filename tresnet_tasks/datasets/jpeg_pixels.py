"""Pixels of ordinary JPEGs: no more of them than are needed, and no slower."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import simplejpeg

from .jpeg_header import JpegHeader

RGBImage: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

# The largest unit that a JPEG is coded in, in rows, and a margin: the colours of the last row of a
# unit are interpolated with those of the next.
_UNIT, _MARGIN = 16, 2


def decode_jpeg(
    data: bytes, header: JpegHeader, factor: int = 1, rows: int | None = None, fast: bool = False
) -> RGBImage | None:
    """Decode a JPEG as it is stored, by libjpeg-turbo; ``upright`` turns it.

    Args:
        data: the whole file.
        header: what ``read_jpeg_header`` tells of it.
        factor: 1, 2, 4 or 8; decode at this fraction of the size, in less time. The pixels are
            those of the full size, averaged.
        rows: only so many of the upper rows as stored, counted at full size, are needed. The others
            are left out if the file allows that, and damage to them is not noticed.
        fast: less exact arithmetic: photos are 1 to 2 of 255 off, in a tenth less time.

    Returns:
        (H, W, 3) uint8 RGB, contiguous, H and W divided by ``factor`` and rounded up; without the
        rows that were left out. None for a damaged file: let another decoder say what is wrong.
    """
    source: bytes | bytearray = data
    height = header.height
    if rows is not None and header.rows_at is not None:
        needed = -(-(rows + _MARGIN) // _UNIT) * _UNIT
        if needed < height:
            # A decoder stops where the header says that the image ends.
            source = bytearray(data)
            source[header.rows_at : header.rows_at + 2] = needed.to_bytes(2, "big")
            height = needed
    # At full size none is asked for: the smallest images would be as large at 7/8.
    reduced = (-(-height // factor), -(-header.width // factor)) if factor > 1 else (0, 0)
    try:
        image: RGBImage = simplejpeg.decode_jpeg(
            source,
            fastdct=fast,
            fastupsample=fast,
            min_height=reduced[0],
            min_width=reduced[1],
            strict=height == header.height,  # what follows the end is damage to a strict decoder
        )
    except ValueError:
        return None
    return image


def upright(image: RGBImage, orientation: int) -> RGBImage:
    """Apply an EXIF orientation, 1 to 8 (Exif 2.32, table 6).

    Args:
        image: (H, W, 3), as stored.
        orientation: of ``JpegHeader``.

    Returns:
        (H, W, 3), or (W, H, 3) of one that lies on its side; contiguous.
    """
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
