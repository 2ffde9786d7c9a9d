"""Data sets one after the other, whatever is known of their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..registry import DATASETS
from .samplers import EpochIndex


class SeveralDatasets(Dataset[Any]):
    """Data sets one after the other, of which ``TaskSampler`` can compose steps.

    As mmengine's ``ConcatDataset``, but an index keeps its epoch, so that the augmentations of an
    image differ from epoch to epoch.

    Args:
        datasets: config of each by its name.

    Raises:
        ValueError: for none.

    Attributes:
        sizes: number of images of each data set, by its name.
    """

    def __init__(self, datasets: Mapping[str, Mapping[str, Any]]) -> None:
        if not datasets:
            raise ValueError(
                f"{type(self).__name__} got no datasets; name at least one: dict(cls=...)."
            )
        self.names = list(datasets)
        self.datasets = [DATASETS.build(dict(dataset)) for dataset in datasets.values()]
        self.sizes = {n: len(d) for n, d in zip(self.names, self.datasets, strict=True)}
        self._ends: list[int] = np.cumsum(list(self.sizes.values())).tolist()

    def full_init(self) -> None:
        """Do nothing: everything is read at construction. mmengine calls it."""

    def __len__(self) -> int:
        return self._ends[-1]

    def unreadable_files(self) -> list[str]:
        """Name the images that any worker has left out so far."""
        return [path for dataset in self.datasets for path in dataset.unreadable_files()]

    def __getitem__(self, index: int) -> Any:
        """What the pipeline makes of one image; see ``from_dataset``."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Several images, in the order asked for."""
        found: list[Any] = [None] * len(indices)
        for end, name, dataset in zip(self._ends, self.names, self.datasets, strict=True):
            first = end - len(dataset)
            places = [p for p, i in enumerate(indices) if first <= int(i) < end]
            inner = [
                EpochIndex(indices[p] - first, getattr(indices[p], "epoch", 0)) for p in places
            ]
            for place, sample in zip(places, dataset.__getitems__(inner), strict=True):
                if sample is not None:
                    found[place] = self.from_dataset(name, sample, int(indices[place]))
        return found

    def from_dataset(self, name: str, sample: dict[str, Any], index: int) -> dict[str, Any]:
        """A sample as it leaves.

        Args:
            name: of the data set that it comes from.
            sample: what that gave, ``dict(inputs=..., data_samples=...)``.
            index: of the image among all.
        """
        raise NotImplementedError(f"{type(self).__name__} must define from_dataset")
