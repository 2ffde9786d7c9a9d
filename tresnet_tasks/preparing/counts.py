"""How the images of a split are counted, in each of the layouts.

Each function returns one that takes the folder of a data set, and counts what is there: 0 where
nothing is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def files(pattern: str) -> Callable[[Path], int]:
    """Count files, such as ``train/*/*.JPEG``."""
    return lambda folder: sum(1 for _ in folder.glob(pattern))


def listed(voc: str, split: str) -> Callable[[Path], int]:
    """Count the images of a VOC list that are there with their annotations.

    Args:
        voc: the folder of a year, such as ``VOC2007``.
        split: name of a list in its ``ImageSets/Main``.
    """

    def count(folder: Path) -> int:
        images, boxes = folder / voc / "JPEGImages", folder / voc / "Annotations"
        names = folder / voc / "ImageSets" / "Main" / f"{split}.txt"
        if not names.is_file():
            return 0
        return sum(
            (images / f"{name}.jpg").is_file() and (boxes / f"{name}.xml").is_file()
            for name in names.read_text(encoding="utf-8").split()
        )

    return count


def batches(pattern: str) -> Callable[[Path], int]:
    """Count the images in CIFAR's batch files; one that cannot be read has none.

    Args:
        pattern: of the files, such as ``cifar-10-batches-py/data_batch_*``.
    """

    def count(folder: Path) -> int:
        from ..upstream.array_pickle import read_array_pickle  # with NumPy

        images = 0
        for path in folder.glob(pattern):
            with suppress(ValueError):
                images += len(read_array_pickle(path).get("data", ()))
        return images

    return count


def flowers(key: str) -> Callable[[Path], int]:
    """Count the images of a split of Flowers-102 that are there.

    Args:
        key: of the split in ``setid.mat``: ``trnid``, ``valid`` or ``tstid``.
    """

    def count(folder: Path) -> int:
        if not (folder / "setid.mat").is_file():
            return 0
        from scipy.io import loadmat  # half a second

        numbers = loadmat(folder / "setid.mat")[key].ravel()
        return sum((folder / "jpg" / f"image_{number:05d}.jpg").is_file() for number in numbers)

    return count
