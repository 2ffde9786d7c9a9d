"""Several data sets, one for each task or for some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..registry import DATASETS
from ..structures import MultiTaskDataSample
from .samplers import EpochIndex


@DATASETS.register_module()
class MultiTaskDataset(Dataset[Any]):
    """Data sets one after the other, each of which feeds its own heads.

    Which of them a step draws from is :class:`TaskSampler`'s to decide.

    Args:
        datasets: config of each by its name: a reader, whose labels go to the head of that name, or
            a :class:`JointDataset`, which names its heads itself. Each has its own pipeline.

    Raises:
        ValueError: for none, or if two of them feed one head with different classes.

    Attributes:
        sizes: number of images of each data set, by its name.
    """

    def __init__(self, datasets: Mapping[str, Mapping[str, Any]]) -> None:
        if not datasets:
            raise ValueError("MultiTaskDataset got no datasets; name at least one: dict(cls=...).")
        self.names = list(datasets)
        self.datasets = [DATASETS.build(dict(dataset)) for dataset in datasets.values()]
        self.sizes = {n: len(d) for n, d in zip(self.names, self.datasets, strict=True)}
        self._ends = np.cumsum(list(self.sizes.values()))
        self._tasks: dict[str, dict[str, Any]] = {}
        for name, dataset in zip(self.names, self.datasets, strict=True):
            info = dataset.metainfo
            for head, task in info.get("tasks", {name: info}).items():
                known = self._tasks.setdefault(head, task)
                if list(known["classes"]) != list(task["classes"]):
                    raise ValueError(
                        f"data set {name!r} feeds head {head!r} with the classes "
                        f"{list(task['classes'])[:5]} but another has {list(known['classes'])[:5]}. "
                        "Give both the same `classes`, in one order, or use two heads."
                    )

    @property
    def metainfo(self) -> dict[str, Any]:
        """``tasks``: the metainfo of each head's data, by the head's name."""
        return {"task": "joint", "tasks": self._tasks}

    def full_init(self) -> None:
        """Do nothing: everything is read at construction. mmengine calls it."""

    def __len__(self) -> int:
        return int(self._ends[-1])

    def unreadable_files(self) -> list[str]:
        """Name the images that any worker has left out so far."""
        return [path for dataset in self.datasets for path in dataset.unreadable_files()]

    def __getitem__(self, index: int) -> Any:
        """One image: ``dict(inputs=..., data_samples=MultiTaskDataSample)``."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Several images, in the order asked for."""
        found: list[Any] = [None] * len(indices)
        for source, (name, dataset) in enumerate(zip(self.names, self.datasets, strict=True)):
            first = int(self._ends[source]) - len(dataset)
            places = [p for p, i in enumerate(indices) if first <= int(i) < first + len(dataset)]
            inner = [
                EpochIndex(indices[p] - first, getattr(indices[p], "epoch", 0)) for p in places
            ]
            for place, sample in zip(places, dataset.__getitems__(inner), strict=True):
                if sample is not None:
                    found[place] = _for_heads(sample, name, int(indices[place]))
        return found


def _for_heads(sample: dict[str, Any], source: str, index: int) -> dict[str, Any]:
    inner = sample["data_samples"]
    if not isinstance(inner, MultiTaskDataSample):
        inner = MultiTaskDataSample(metainfo=inner.metainfo).set_task(source, inner)
    inner.set_metainfo({"source": source, "sample_idx": index})
    for head in inner.keys():  # noqa: SIM118
        # Metrics tell images by it, and those of two data sets must not be taken for one.
        inner.get(head).set_metainfo({"sample_idx": index})
    return {**sample, "data_samples": inner}
