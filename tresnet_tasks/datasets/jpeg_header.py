"""The few facts of a JPEG's header that decide how it is decoded."""

from __future__ import annotations

from struct import unpack_from
from typing import NamedTuple

from PIL import Image

_ORIENTATION_TAG = 0x0112
# Start-of-frame markers of the Huffman-coded baseline, extended and progressive kinds.
_FRAMES = (0xC0, 0xC1, 0xC2)
_PROGRESSIVE = 0xC2
_APP1 = 0xE1
_START_OF_SCAN = 0xDA

# Larger images are refused as probable decompression bombs, at Pillow's own limit.
MAX_PIXELS = 178_956_970


class JpegHeader(NamedTuple):
    """Size as stored (before the orientation is applied), and how it is stored.

    Fields:
        height, width: pixels.
        orientation: EXIF, 1 to 8; 1 is upright.
        rows_at: where in the file the height stands; None if all rows must be decoded to have any,
            as in a progressive JPEG.
    """

    height: int
    width: int
    orientation: int
    rows_at: int | None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the upright image."""
        lies = self.orientation >= 5
        return (self.width, self.height) if lies else (self.height, self.width)


def read_jpeg_header(data: bytes) -> JpegHeader | None:
    """Read the markers of a JPEG up to the first scan.

    Args:
        data: the whole file.

    Returns:
        None for anything but an ordinary 8-bit JPEG, grey or in colours, that is complete up to
        its end marker: let a full decoder judge.
    """
    # Some cameras pad with zeros behind the end marker.
    tail = data[-64:].rstrip(b"\0")
    if data[:3] != b"\xff\xd8\xff" or not tail.endswith(b"\xff\xd9"):
        return None
    position, orientation, frame, rows_at = 2, 1, None, None
    while position + 4 <= len(data):
        prefix, marker, length = unpack_from(">BBH", data, position)
        if prefix != 0xFF or length < 2 or marker == 0xFF:
            return None
        if marker == _START_OF_SCAN:
            break
        body = position + 4
        if marker in _FRAMES:
            if body + 6 > len(data):
                return None
            bits, height, width, components = unpack_from(">BHHB", data, body)
            known = bits == 8 and components in (1, 3) and frame is None
            if not known or not 0 < height * width <= MAX_PIXELS:
                return None
            frame = (height, width)
            rows_at = None if marker == _PROGRESSIVE else body + 1
        elif marker == _APP1:
            found = _orientation(data[body : position + 2 + length])
            if found is None:
                return None
            orientation = found if found != 1 else orientation
        position += 2 + length
    return None if frame is None else JpegHeader(*frame, orientation, rows_at)


def _orientation(segment: bytes) -> int | None:
    """Orientation in an APP1 segment; 1 if it says nothing, None if it takes a full decoder."""
    if not segment.startswith(b"Exif\0\0"):
        return None if b"Orientation" in segment else 1
    exif = Image.Exif()
    try:
        exif.load(segment)
        found = exif.get(_ORIENTATION_TAG, 1)
    except Exception:  # Pillow's parser lets any exception out on a damaged block.
        return None
    return found if isinstance(found, int) and 1 <= found <= 8 else 1
