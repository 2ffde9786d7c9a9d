"""Parts and fractions of a JPEG, against the whole as Pillow decodes it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from tresnet_tasks.datasets.jpeg_header import JpegHeader, read_jpeg_header
from tresnet_tasks.datasets.jpeg_pixels import decode_jpeg, upright

HEIGHT, WIDTH = 150, 203
PHOTO = Image.fromarray(
    np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)
).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def _file(**options: Any) -> tuple[bytes, JpegHeader, np.ndarray]:
    buffer = io.BytesIO()
    PHOTO.save(buffer, "JPEG", **options)
    data = buffer.getvalue()
    header = read_jpeg_header(data)
    assert header is not None
    return data, header, np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("rows", [1, 16, 30, 100])
def test_the_upper_rows_are_those_of_the_whole(options: dict[str, Any], rows: int) -> None:
    data, header, whole = _file(**options)
    image = decode_jpeg(data, header, rows=rows)
    assert image is not None and rows <= len(image) < rows + 32
    np.testing.assert_array_equal(image[:rows], whole[:rows])


@pytest.mark.parametrize("rows", [143, 149, 150, 200])
def test_rows_near_the_end_are_all_decoded(rows: int) -> None:
    data, header, whole = _file()
    np.testing.assert_array_equal(decode_jpeg(data, header, rows=rows), whole)


def test_a_progressive_file_is_decoded_whole() -> None:
    data, header, whole = _file(progressive=True)
    assert header.rows_at is None
    np.testing.assert_array_equal(decode_jpeg(data, header, rows=16), whole)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_file_is_decoded_as_stored_and_then_turned(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data, header, stored = _file(exif=exif)
    image = decode_jpeg(data, header, rows=16)
    assert image is not None and len(image) < HEIGHT
    np.testing.assert_array_equal(image[:16], stored[:16])
    turned = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(upright(stored, orientation), turned)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("rows", [None, 40])
def test_a_fraction_is_the_average(factor: int, rows: int | None) -> None:
    data, header, whole = _file(quality=95)
    image = decode_jpeg(data, header, factor, rows)
    assert image is not None
    assert image.shape[1] == -(-WIDTH // factor)
    assert len(image) >= (rows or HEIGHT) / factor
    high, wide = (rows or HEIGHT) // factor, WIDTH // factor
    blocks = whole[: high * factor, : wide * factor].reshape(high, factor, wide, factor, 3)
    assert np.abs(image[:high, :wide] - blocks.mean((1, 3))).mean() < 2


def test_fast_is_nearly_exact() -> None:
    data, header, whole = _file()
    image = decode_jpeg(data, header, fast=True)
    assert image is not None
    # Small fields of full colours are the worst for it; photos are 1 to 2 off.
    assert 0 < np.abs(image.astype(int) - whole).mean() < 5


def test_images_of_a_few_pixels_are_decoded_at_full_size() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    data = buffer.getvalue()
    header = read_jpeg_header(data)
    assert header is not None
    image = decode_jpeg(data, header)
    np.testing.assert_array_equal(image, np.asarray(Image.open(io.BytesIO(data))))


def test_a_damaged_file_is_left_to_others() -> None:
    data, header, _ = _file()
    assert decode_jpeg(data[: len(data) // 2] + b"\xff\xd9", header) is None
