"""Draw the scenes of DigitScenes: handwritten digits on crops of photographs.

This file imports nothing of the package, so that several copies of it can run beside each other as
plain scripts (``python digit_scenes_render.py JOB_JSON``) without loading torch, and without the
pitfalls of forking a process that already runs threads or CUDA.

Sources, both shipped with scikit-learn: the 1,797 handwritten digits of the UCI set (8x8 pixels, 16
grey levels), and the photographs china.jpg (danielbuechele) and flower.jpg (vultilion), both CC BY
2.0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

VERSION = 1
"""Counts up whenever the same arguments would give other scenes."""

SPLITS = ("train", "val")
TRAIN_DIGITS = 1437  # 80 % of the 1,797 digit instances; the rest appears in validation scenes only
MIN_IMAGE_SIZE = 32
BLANK_SPREAD = 8.0
"""A crop whose colours vary less than this (of 255) counts as blank: clear sky, deep shadow."""

_LARGEST = (0.4, 0.75)  # height of the largest digit's cell, as a fraction of the image
_SMALLEST = 0.2  # lower end of the other digits' cells
_RATIO = 2  # the largest digit is at least this many times as high as every other one
_CROP = (64, 300)  # side of the background crop in pixels of the photograph
_INK = 0.3  # ink above this opacity belongs to the digit's box
_CONTRAST = 200  # summed over the channels, between a digit's colour and what it lies on
_TRIES = 30

Image8 = NDArray[np.uint8]


@dataclass(frozen=True)
class PlacedDigit:
    """One digit of a scene.

    Attributes:
        label: 0 to 9.
        bbox: (x, y, width, height) of its ink, in pixels.
        source: its index in scikit-learn's set.
    """

    label: int
    bbox: tuple[int, int, int, int]
    source: int


@dataclass(frozen=True)
class Scene:
    """An image, (S, S, 3) uint8 RGB, and its digits, the largest (the class of the scene) first."""

    image: Image8
    digits: tuple[PlacedDigit, ...]


@lru_cache(maxsize=1)
def _sources() -> tuple[Image8, tuple[int, ...], tuple[Image.Image, ...]]:
    """Digits (1797, 8, 8) uint8, their labels, and the photographs."""
    from sklearn.datasets import load_digits, load_sample_images

    digits = load_digits()
    glyphs = (digits.images * 255 / 16).astype(np.uint8)
    photos = tuple(Image.fromarray(np.asarray(photo)) for photo in load_sample_images().images)
    return glyphs, tuple(int(label) for label in digits.target), photos


@lru_cache(maxsize=2)
def digit_pool(split: str) -> NDArray[np.int64]:
    """Indices into scikit-learn's digits that scenes of ``split`` draw from; disjoint.

    They do not depend on the seed of the scenes, so no choice of seeds lets a digit leak into
    validation.
    """
    order = np.random.default_rng(0).permutation(len(_sources()[0]))
    return order[:TRAIN_DIGITS] if split == "train" else order[TRAIN_DIGITS:]


def render_scene(split: str, index: int, image_size: int = 64, seed: int = 0) -> Scene:
    """Draw one scene; the result depends on the arguments alone.

    Args:
        split: 'train' or 'val'; the two never share a digit instance.
        index: number of the scene in its split, >= 0.
        image_size: side of the square image in pixels, >= 32.
        seed: another seed gives other scenes.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    image = draw_background(rng, image_size)
    pool = digit_pool(split)
    wanted = int(rng.integers(1, 4))
    largest = int(rng.integers(int(_LARGEST[0] * image_size), int(_LARGEST[1] * image_size)))
    digits: list[PlacedDigit] = []
    _add_digit(rng, image, pool, digits, largest, max_height=image_size)
    low, high = int(_SMALLEST * image_size), largest // _RATIO
    for _ in range(wanted - 1):
        size = int(rng.integers(low, max(low, high) + 1))
        _add_digit(rng, image, pool, digits, size, max_height=digits[0].bbox[3] // _RATIO)
    return Scene(image.clip(0, 255).astype(np.uint8), tuple(digits))


def draw_background(rng: np.random.Generator, image_size: int) -> NDArray[np.float32]:
    """A crop of one of the photographs that is not blank, (S, S, 3) float32 in 0..255."""
    photos = _sources()[2]
    while True:
        photo = photos[int(rng.integers(len(photos)))]
        side = int(rng.integers(*_CROP))
        y = int(rng.integers(photo.height - side + 1))
        x = int(rng.integers(photo.width - side + 1))
        crop = photo.crop((x, y, x + side, y + side))
        crop = crop.resize((image_size, image_size), Image.Resampling.BILINEAR)
        image = np.array(crop, dtype=np.float32)
        if colour_spread(image) >= BLANK_SPREAD:
            return image


def colour_spread(image: NDArray[Any]) -> float:
    """Standard deviation of an (H, W, 3) image, averaged over the channels.

    Seen on a grid of about 16x16 pixels, which tells clear sky from anything else just as well.
    """
    step = max(1, image.shape[0] // 16)
    pixels = image[::step, ::step].reshape(-1, 3)
    return float(pixels.std(axis=0).mean())


def _add_digit(
    rng: np.random.Generator,
    image: NDArray[np.float32],
    pool: NDArray[np.int64],
    digits: list[PlacedDigit],
    size: int,
    max_height: int,
) -> None:
    """Draw a digit into a free square cell of the image; where none is found the digit is left out.

    Args:
        rng: the scene's generator.
        image: (S, S, 3), drawn into.
        pool: which digits may be used.
        digits: those of the scene so far, whose boxes the new cell must not touch; the new one is
            appended.
        size: side of the cell in pixels.
        max_height: the height, in pixels, that the new box must not exceed.
    """
    free = image.shape[0] - size + 1
    for _ in range(_TRIES):
        x, y = (int(v) for v in rng.integers(0, free, 2))
        if not any(_overlaps((x, y, size, size), digit.bbox) for digit in digits):
            break
    else:
        return
    for _ in range(_TRIES):
        source = int(pool[int(rng.integers(len(pool)))])
        opacity, (left, top, width, height) = _glyph(source, size)
        if height <= max_height:
            break
    else:
        return
    cell = image[y : y + size, x : x + size]
    beneath = cell.mean(axis=(0, 1))
    while True:
        colour = rng.integers(0, 256, 3)
        if np.abs(colour - beneath).sum() > _CONTRAST:
            break
    cell += (colour.astype(np.float32) - cell) * opacity
    box = (x + left, y + top, width, height)
    digits.append(PlacedDigit(_sources()[1][source], box, source))


def _overlaps(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether two boxes (x, y, width, height) share a pixel."""
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def _glyph(source: int, size: int) -> tuple[NDArray[np.float32], tuple[int, int, int, int]]:
    """A digit in a cell of ``size``: opacity (size, size, 1) in [0, 1] and box (x, y, w, h)."""
    glyph = Image.fromarray(_sources()[0][source]).resize((size, size), Image.Resampling.BICUBIC)
    opacity = np.asarray(glyph, dtype=np.float32) / np.float32(255)
    ink = opacity > _INK
    columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
    left, top = int(columns[0]), int(rows[0])
    box = (left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)
    return opacity[..., None], box


def write_scenes(
    folder: Path, split: str, indices: Iterable[int], image_size: int, seed: int
) -> list[dict[str, Any]]:
    """Write scenes as ``NNNNNN.png`` into ``folder``, an existing directory.

    Returns:
        One dict a scene: its ``index``, and ``digits``, the fields of each ``PlacedDigit``.
    """
    # Uncompressed PNG is read twice as fast; in larger images its size outweighs that.
    level = 0 if image_size <= 96 else 1
    records: list[dict[str, Any]] = []
    for index in indices:
        scene = render_scene(split, index, image_size, seed)
        png = BytesIO()
        Image.fromarray(scene.image).save(png, "PNG", compress_level=level)
        (folder / f"{index:06d}.png").write_bytes(png.getvalue())
        records.append({"index": index, "digits": [vars(digit) for digit in scene.digits]})
    return records


def main(job_json: str) -> None:
    """Run one share of the work, a JSON object.

    Args:
        job_json: ``folder`` (holds a directory for each split), ``shares`` (split -> arguments of
            ``range``), ``image_size``, ``seed``, and ``records``, the file that receives split ->
            result of ``write_scenes``.
    """
    job = json.loads(job_json)
    records = {
        split: write_scenes(
            Path(job["folder"], split), split, range(*share), job["image_size"], job["seed"]
        )
        for split, share in job["shares"].items()
    }
    Path(job["records"]).write_text(json.dumps(records), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
