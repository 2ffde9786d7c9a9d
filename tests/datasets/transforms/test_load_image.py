"""Images from files, bytes and arrays."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tresnet_tasks.datasets import LoadImage

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    results = LoadImage()(dict(img_path=str(path)))
    np.testing.assert_array_equal(results["img"], PIXELS)
    assert results["ori_shape"] == results["img_shape"] == (20, 30)


def test_from_bytes() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    np.testing.assert_array_equal(LoadImage()(dict(img=buffer.getvalue()))["img"], PIXELS)


def test_from_arrays() -> None:
    np.testing.assert_array_equal(LoadImage()(dict(img=PIXELS))["img"], PIXELS)
    grey = LoadImage()(dict(img=PIXELS[..., 0]))["img"]
    np.testing.assert_array_equal(grey, np.stack([PIXELS[..., 0]] * 3, axis=-1))


def test_at_a_fraction_of_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(PIXELS).resize((300, 200)).save(path)
    results = LoadImage(scale=50)(dict(img_path=str(path)))
    assert results["ori_shape"] == (200, 300)
    assert results["img_shape"] == results["img"].shape[:2] == (50, 75)


@pytest.mark.parametrize(
    "array", [PIXELS.astype(np.float32), PIXELS[..., :2], PIXELS[:0], PIXELS[None]]
)
def test_arrays_of_another_kind(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected \(height, width, 3\) uint8 RGB"):
        LoadImage()(dict(img=array))


def test_a_scale_below_one_pixel() -> None:
    with pytest.raises(ValueError, match="scale is 0"):
        LoadImage(scale=0)
