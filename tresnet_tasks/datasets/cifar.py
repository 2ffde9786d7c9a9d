"""CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..registry import DATASETS
from ..upstream.array_pickle import RefusedPickleError, read_array_pickle
from .published import PublishedDataset

_SIDE = 32


@DATASETS.register_module()
class CIFAR10(PublishedDataset):
    """CIFAR-10: 50,000 and 10,000 images of 32x32 px, 10 classes; ``cifar-10-python.tar.gz`` unpacked.

    The published files are Python pickles. They are read as data: one that names anything but NumPy
    arrays is refused, and nothing in it runs. The images lie in memory, once for all workers; their
    paths are those of the file and the position in it, ``.../data_batch_1/17``.

    Args:
        data_root: the folder that holds ``cifar-10-batches-py``.
        split: 'train' or 'test'.
        kwargs: see ``PublishedDataset``, as for what is raised.
    """

    splits = ("train", "test")
    prepare_name = "cifar10"
    layout = "  cifar-10-batches-py/{batches.meta,data_batch_1,...,data_batch_5,test_batch}"
    folder = "cifar-10-batches-py"
    files: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    }
    label_key = "labels"
    meta_file = "batches.meta"
    names_key = "label_names"

    @classmethod
    def published_names(cls, data_root: Path) -> tuple[str, ...]:
        """Read the names."""
        names = cls._meta(data_root)[cls.names_key]
        if not names or not _all_of(str, names):
            raise ValueError(
                f"{data_root / cls.folder / cls.meta_file}: {cls.names_key} is no list of names. "
                f"{cls.fetch_again()}"
            )
        return tuple(names)

    def published_samples(self) -> Iterator[tuple[str, int]]:
        """Read the images and their labels."""
        parts = []
        expected = self._meta(self.data_root).get("num_cases_per_batch")  # CIFAR-10's alone
        for name in self.files[self.split]:
            path = self.existing(self.data_root / self.folder / name)
            batch = self._read(path, "data", self.label_key)
            images, labels = batch["data"], batch[self.label_key]
            size = 3 * _SIDE * _SIDE
            if not (
                isinstance(images, np.ndarray)
                and images.dtype == np.uint8
                and images.shape[1:] == (size,)
                and _all_of(int, labels)
                and len(images) == len(labels)
            ):
                raise ValueError(
                    f"{path} holds {_kind(images)} as data and {_kind(labels)} as "
                    f"{self.label_key}; expected (N, {size}) uint8 and N whole numbers. "
                    f"{self.fetch_again()}"
                )
            if expected not in (None, len(images)):
                raise ValueError(
                    f"{path} has {len(images)} images; {self.meta_file} says {expected}. "
                    f"{self.fetch_again()}"
                )
            parts.append(images.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))
            for position, label in enumerate(labels):
                yield f"{path}/{position}", label
        self._images: NDArray[np.uint8] = np.concatenate(parts)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """The same as of any image, and as ``img`` its pixels, (32, 32, 3) uint8."""
        # A copy: the next epoch is to find them unchanged whatever a transform does.
        return {
            **super().get_data_info(index),
            "img": self._images[self.source_index(index)].copy(),
        }

    @classmethod
    def _meta(cls, data_root: Path) -> dict[Any, Any]:
        return cls._read(cls.existing(data_root / cls.folder / cls.meta_file), cls.names_key)

    @classmethod
    def _read(cls, path: Path, *keys: str) -> dict[Any, Any]:
        try:
            found = read_array_pickle(path)
        except RefusedPickleError as error:
            raise ValueError(
                f"{path} is refused: it wants to load '{error}', and the published files hold NumPy "
                f"arrays alone. Nothing in it was executed. {cls.fetch_again()}"
            ) from error
        except ValueError as error:
            raise ValueError(f"cannot read {path}: {error}. {cls.fetch_again()}") from error
        missing = [key for key in keys if key not in found]
        if missing:
            raise ValueError(
                f"{path} has no {missing[0]!r}, only {', '.join(map(repr, found))}. "
                f"{cls.fetch_again()}"
            )
        return found


@DATASETS.register_module()
class CIFAR100(CIFAR10):
    """CIFAR-100: as CIFAR-10, with 100 (fine) classes; ``cifar-100-python.tar.gz`` unpacked.

    Args:
        data_root: the folder that holds ``cifar-100-python``.
        split: 'train' or 'test'.
        kwargs: see ``PublishedDataset``, as for what is raised.
    """

    prepare_name = "cifar100"
    layout = "  cifar-100-python/{meta,train,test}"
    folder = "cifar-100-python"
    files: ClassVar[Mapping[str, tuple[str, ...]]] = {"train": ("train",), "test": ("test",)}
    label_key = "fine_labels"
    meta_file = "meta"
    names_key = "fine_label_names"


def _all_of(kind: type, values: object) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    return f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__
