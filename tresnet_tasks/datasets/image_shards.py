"""Images in tar files: WebDataset's layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..registry import DATASETS
from .base import ClassificationDataset, SampleInfo, checked_classes
from .image_io import UnreadableImageError
from .list_file import read_classes
from .shard_index import shard_index

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@DATASETS.register_module()
class ImageShards(ClassificationDataset):
    """Images with one label each, in tar files that hold ``0001.jpg``, ``0001.cls``, ``0002.jpg``, ...

    Every shard is looked through once; its index (names, places, labels) is stored beside it as
    ``SHARD.index.npz`` and built anew when the shard changes. Then any sample can be read at any
    time, so that epochs are exact for any number of processes and workers and a run is resumed at
    any batch, with ``EpochSampler`` (the order of which is random access) or ``ShardSampler`` (which
    reads the shards nearly from front to back). The shards must be on a disk, not behind a URL.

    Args:
        shards: names of the tar files, relative to ``data_root``; ``{000..146}`` stands for the
            numbers from 000 to 146, ``*`` for any text.
        data_root: folder of the data set.
        label_key: which file of a sample is its label: ``'cls'`` (``0001.cls`` holds a whole
            number) or, in a JSON object, ``'json:label'``.
        classes_file: class names, one a line in the order of their labels; relative to
            ``data_root``.
        kwargs: ``pipeline``, ``classes``, ``test_mode``, ``on_error``, ``seed``, see
            ``ClassificationDataset``.

    Raises:
        FileNotFoundError: for a shard that does not exist.
        ValueError: for one that is cut off, compressed, or has a sample without image or label.

    Attributes:
        shard_sizes: samples of each shard, in the order of the data set.
    """

    def __init__(
        self,
        shards: str | Sequence[str],
        data_root: str | os.PathLike[str] = "",
        *,
        label_key: str = "cls",
        classes_file: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("subset") is not None:
            raise ValueError(
                "ImageShards got a subset; shards are read as a whole. Leave it out, or use "
                "ImageFolder, ImageList or ImageCSV."
            )
        self.shards = _expanded([shards] if isinstance(shards, str) else shards, Path(data_root))
        self.label_key = label_key
        self.classes_file = None if classes_file is None else Path(data_root, classes_file)
        self.shard_sizes: list[int] = []
        super().__init__(**kwargs)

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...] | None:
        """Read ``classes_file``; arguments as the constructor's."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        if kwargs.get("classes_file") is None:
            return None
        return read_classes(Path(kwargs.get("data_root", ""), kwargs["classes_file"]))

    def load_classes(self) -> tuple[str, ...] | None:
        """Read ``classes_file`` if there is one."""
        return None if self.classes_file is None else read_classes(self.classes_file)

    def load_data_list(self) -> Iterator[SampleInfo]:
        """Read the indices, shard by shard."""
        places = []
        for shard in self.shards:
            index = shard_index(shard, self.label_key)
            self.shard_sizes.append(len(index.names))
            places.append(np.stack([index.offsets, index.sizes], axis=1))
            for name, label in zip(index.names, index.labels.tolist(), strict=True):
                yield {"img_path": f"{shard}/{name}", "gt_label": label}
        self._places = np.concatenate(places)
        self._ends = np.cumsum(self.shard_sizes)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """The same as of any image, and as ``img`` the bytes of its file."""
        return {**super().get_data_info(index), "img": self._read(int(index))}

    def _read(self, index: int) -> bytes:
        shard = self.shards[int(np.searchsorted(self._ends, index, side="right"))]
        offset, size = self._places[index].tolist()
        try:
            with shard.open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), size, offset)
        except OSError as error:
            raise UnreadableImageError(f"cannot read shard {shard}: {error.strerror}.") from error
        if len(data) < size:
            raise UnreadableImageError(
                f"shard {shard} is cut off: image {self._paths[index]} ends at byte {offset + size}. "
                "Fetch the shard again."
            )
        return data

    def __repr__(self) -> str:
        return f"ImageShards({len(self.shards)} shards, {os.fspath(self.shards[0])!r}, ...)"


def _expanded(names: Sequence[str], root: Path) -> list[Path]:
    """The files that the names stand for, in order.

    Raises:
        FileNotFoundError: if a pattern matches nothing.
    """
    found: list[Path] = []
    for name in names:
        for plain in _numbered(name):
            if "*" not in plain:
                found.append(root / plain)
                continue
            pattern = root / plain
            matches = sorted(pattern.parent.glob(pattern.name))
            if not matches:
                raise FileNotFoundError(
                    f"no shard matches {pattern.absolute()}. Correct `shards` or `data_root`."
                )
            found += matches
    if not found:
        raise ValueError("ImageShards got no shards; name them, such as 'train-{000..146}.tar'.")
    return found


def _numbered(name: str) -> list[str]:
    match = _RANGE.search(name)
    if match is None:
        return [name]
    first, last = match.groups()
    numbers = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return [
        plain
        for number in numbers
        for plain in _numbered(name[: match.start()] + number + name[match.end() :])
    ]
