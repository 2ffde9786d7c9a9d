"""Several data sets, one for each task or for some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..registry import DATASETS
from ..structures import MultiTaskDataSample
from .several_datasets import SeveralDatasets


@DATASETS.register_module()
class MultiTaskDataset(SeveralDatasets):
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
        super().__init__(datasets)
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

    def from_dataset(self, name: str, sample: dict[str, Any], index: int) -> dict[str, Any]:
        """The sample, labelled for the heads that it feeds."""
        return _for_heads(sample, name, index)


def _for_heads(sample: dict[str, Any], source: str, index: int) -> dict[str, Any]:
    inner = sample["data_samples"]
    if not isinstance(inner, MultiTaskDataSample):
        inner = MultiTaskDataSample(metainfo=inner.metainfo).set_task(source, inner)
    inner.set_metainfo({"source": source, "sample_idx": index})
    for head in inner.keys():  # noqa: SIM118
        # Metrics tell images by it, and those of two data sets must not be taken for one.
        inner.get(head).set_metainfo({"sample_idx": index})
    return {**sample, "data_samples": inner}
