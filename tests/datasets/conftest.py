"""Small image files for the tests of the readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def smooth_image(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    """An image with some structure, (height, width, 3) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def write_image() -> Callable[..., Path]:
    """Write a small image file, making its folders."""

    def write(path: Path, height: int = 24, width: int = 32, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth_image(height, width, seed)).save(path)
        return path

    return write


@pytest.fixture
def flowers(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    """A data root with train/{daisy,rose,tulip}, four images each, all different."""
    for label, name in enumerate(("rose", "daisy", "tulip")):
        for number in range(4):
            write_image(tmp_path / "train" / name / f"{number}.png", seed=10 * label + number)
    return tmp_path
