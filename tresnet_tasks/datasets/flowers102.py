"""Oxford 102 Flower (https://www.robots.ox.ac.uk/~vgg/data/flowers/102/)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..registry import DATASETS
from .mat_file import read_mat
from .published import PublishedDataset

_IDS = {"train": ("trnid",), "val": ("valid",), "trainval": ("trnid", "valid"), "test": ("tstid",)}


@DATASETS.register_module()
class Flowers102(PublishedDataset):
    """Flowers-102: 8,189 photos of 102 kinds of flowers, in the published files.

    Args:
        data_root: the folder that holds ``jpg/``, ``imagelabels.mat`` and ``setid.mat``.
        split: 'train' (1,020 images), 'val' (1,020), 'trainval', which papers on transfer train on,
            or 'test' (6,149).
        kwargs: see ``PublishedDataset``, as for what is raised.
    """

    splits = tuple(_IDS)
    prepare_name = "flowers102"
    layout = "  jpg/image_00001.jpg ... image_08189.jpg\n  imagelabels.mat\n  setid.mat"

    @classmethod
    def published_names(cls, data_root: Path) -> tuple[str, ...]:
        """The names, which are on the data set's page but in none of its files."""
        from torchvision.datasets import Flowers102 as Published

        return tuple(Published.classes)

    def published_samples(self) -> list[tuple[str, int]]:
        """Read the lists."""
        labels = self._numbers("imagelabels.mat", "labels")
        splits = {key: self._numbers("setid.mat", key) for key in ("trnid", "valid", "tstid")}
        listed = np.sort(np.concatenate(list(splits.values())))
        if not np.array_equal(listed, np.arange(1, len(labels) + 1)):
            raise ValueError(
                f"{self.data_root}: imagelabels.mat has {len(labels)} labels, and the splits of "
                f"setid.mat name {len(np.unique(listed))} images, {len(listed)} in all; expected "
                f"each labelled image once. {self.fetch_again()}"
            )
        ids = np.concatenate([splits[key] for key in _IDS[self.split]]).tolist()
        folder = self.existing(self.data_root / "jpg")
        paths = [str(folder / f"image_{number:05}.jpg") for number in ids]
        self.check_images(paths)
        return [
            (path, int(labels[number - 1]) - 1) for path, number in zip(paths, ids, strict=True)
        ]

    def _numbers(self, file: str, name: str) -> NDArray[np.int64]:
        path = self.existing(self.data_root / file)
        try:
            found: NDArray[Any] = read_mat(path, name)
            if found.ndim != 1 or found.dtype.kind not in "iu":
                raise ValueError(f"{name} in {path} is no list of whole numbers.")
        except ValueError as error:
            raise ValueError(f"{error} {self.fetch_again()}") from error
        return found.astype(np.int64)
