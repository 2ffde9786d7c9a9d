"""Small image files for the tests of the readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.fixture
def write_coco(tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., Path]:
    """A factory of COCO data sets: a.png and b.png, 24x32 px, and ``coco.json`` beside them.

    a.png has a cat at (4, 3, 14, 15) and a dog at (20, 10, 28, 16), b.png is background. Keyword
    arguments replace sections of the json, a callable changes the whole of it.
    """

    def write(change: Callable[[dict[str, Any]], None] | None = None, **sections: Any) -> Path:
        outline = [[4, 3, 14, 3, 14, 15, 4, 15]], [[20, 10, 28, 10, 28, 16, 20, 16]]
        content: dict[str, Any] = {
            "images": [
                dict(id=number, file_name=f"{name}.png", height=24, width=32)
                for number, name in ((7, "a"), (9, "b"))
            ],
            "annotations": [
                dict(id=1, image_id=7, category_id=5, bbox=[4, 3, 10, 12], area=100.0, iscrowd=0),
                dict(id=2, image_id=7, category_id=3, bbox=[20, 10, 8, 6], area=40.0, iscrowd=0),
            ],
            "categories": [dict(id=5, name="cat"), dict(id=3, name="dog")],
        }
        for annotation, polygons in zip(content["annotations"], outline, strict=True):
            annotation["segmentation"] = polygons
        content |= sections
        if change is not None:
            change(content)
        for seed, name in enumerate("ab"):
            write_image(tmp_path / f"{name}.png", seed=seed)
        path = tmp_path / "coco.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write
