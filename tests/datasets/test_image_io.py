"""Every kind of image file, against Pillow."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from tresnet_tasks.datasets import UnreadableImageError, decode_image, read_image

PIXELS = np.asarray(
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        (130, 90), Image.Resampling.BICUBIC
    )
)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def _decode(data: bytes) -> np.ndarray:
    return decode_image(data)[0]


@pytest.mark.parametrize(
    ("kind", "modes"),
    [
        ("JPEG", "L RGB CMYK YCbCr"),
        ("PNG", "1 L P RGB"),
        ("TIFF", "1 L P RGB CMYK"),  # Pillow 12 cannot read its own YCbCr
        ("BMP", "1 L P RGB"),
        ("WEBP", "L RGB"),
    ],
)
def test_same_pixels_as_pillow(kind: str, modes: str) -> None:
    for mode in modes.split():
        data = _encode(Image.fromarray(PIXELS).convert(mode), kind)
        np.testing.assert_array_equal(_decode(data), _pillow(data), err_msg=mode)


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"quality": 30}])
def test_kinds_of_jpeg(options: dict[str, Any]) -> None:
    data = _encode(Image.fromarray(PIXELS), "JPEG", **options)
    np.testing.assert_array_equal(_decode(data), _pillow(data))


def test_photographs_decode_to_the_pixels_of_pillow(real_data: Path) -> None:
    files = sorted((real_data / "tf_flowers_s160" / "val").rglob("*.jpg"))
    for path in random.Random(0).sample(files, 40):
        np.testing.assert_array_equal(read_image(path), _pillow(path.read_bytes()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encode(Image.fromarray(PIXELS), kind, exif=exif)
    image, size = decode_image(data)
    np.testing.assert_array_equal(image, _pillow(data))
    assert size == image.shape[:2] == ((90, 130) if orientation < 5 else (130, 90))


def test_large_jpeg_decodes_at_a_fraction_of_its_size() -> None:
    data = _encode(Image.fromarray(PIXELS), "JPEG")
    image, size = decode_image(data, min_side=20)
    assert image.shape == (23, 33, 3)  # a quarter, rounded up: an eighth would fall below 20
    assert size == (90, 130)
    halved = np.asarray(Image.fromarray(PIXELS).resize((33, 23), Image.Resampling.BOX), int)
    assert np.abs(image - halved).mean() < 8


def test_transparency_is_laid_on_white() -> None:
    rgba = Image.fromarray(PIXELS).convert("RGBA")
    rgba.putalpha(0)
    assert (_decode(_encode(rgba, "PNG")) == 255).all()


def test_half_transparency_is_half_white() -> None:
    black = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert abs(int(_decode(_encode(black, "PNG"))[0, 0, 0]) - 127) <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = _decode(_encode(Image.fromarray(ramp), kind))
    assert np.abs(image - (ramp / 257)[..., None]).max() < 1


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bit_colour_is_scaled_not_clipped(extension: str) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    rgb = np.stack([ramp, ramp.T, ramp[::-1]], axis=-1)
    data = cv2.imencode(extension, rgb[..., ::-1])[1].tobytes()
    assert np.abs(_decode(data) - rgb / 257).max() < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(1, 1), (20_000, 3), (3, 20_000)])
def test_extreme_sizes(kind: str, size: tuple[int, int]) -> None:
    data = _encode(Image.new("RGB", size, (10, 200, 30)), kind)
    image = _decode(data)
    assert image.shape == (size[1], size[0], 3)
    np.testing.assert_array_equal(image, _pillow(data))


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm() -> None:
    data = _encode(Image.fromarray(PIXELS), "JPEG")
    for tail in (b"\0" * 30, b"camera's own"):
        np.testing.assert_array_equal(_decode(data + tail), _pillow(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated_file_is_an_error_that_names_it(kind: str, share: float, tmp_path: Path) -> None:
    data = _encode(Image.fromarray(PIXELS), kind)
    path = tmp_path / "cut short.jpg"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UnreadableImageError, match=r"cut short\.jpg: .+"):
        read_image(path)


def test_jpeg_whose_rest_was_never_written_is_an_error() -> None:
    data = _encode(Image.fromarray(PIXELS), "JPEG")
    with pytest.raises(ValueError, match="truncated"):
        _decode(data[: len(data) // 2] + bytes(len(data) // 2))


def test_damaged_png_is_an_error() -> None:
    data = bytearray(_encode(Image.fromarray(PIXELS), "PNG"))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(UnreadableImageError):
        _decode(bytes(data))


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(ValueError, match=r"empty\.png: the file is empty \(0 bytes\)"):
        read_image(path)


def test_file_that_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_text("<html>404</html>")
    with pytest.raises(ValueError, match=r"page\.jpg: it is not an image of a known format"):
        read_image(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.jpg: No such file"):
        read_image(tmp_path / "gone.jpg")


def test_float_samples_have_no_range() -> None:
    data = cv2.imencode(".tiff", np.ones((4, 4), np.float32))[1].tobytes()
    with pytest.raises(ValueError, match="no agreed range"):
        _decode(data)


def test_name_that_is_not_ascii(tmp_path: Path) -> None:
    path = tmp_path / "Фото 1.jpg"
    Image.fromarray(PIXELS).save(path)
    assert read_image(path).shape == (90, 130, 3)


def test_opencv_does_not_take_the_cores_of_the_workers() -> None:
    assert cv2.getNumThreads() == 1
