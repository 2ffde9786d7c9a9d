"""Images of several places for one task, those without labels among them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..registry import DATASETS
from .several_datasets import SeveralDatasets


@DATASETS.register_module()
class ConcatImages(SeveralDatasets):
    """Data sets one after the other: labelled images of several places, or with unlabelled ones.

    With ``EpochSampler`` an epoch is all images once, in any order; ``TaskSampler`` composes each
    step of so many of each.

    Args:
        datasets: config of each by a name of your choice, each with its own pipeline. Those with
            labels must have the same classes, and either one label an image or several.

    Raises:
        ValueError: for none with labels, or if two have other classes or another kind of labels.
    """

    def __init__(self, datasets: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(datasets)
        infos = dict(zip(self.names, (dataset.metainfo for dataset in self.datasets), strict=True))
        labelled = [name for name, info in infos.items() if info["task"] != "unlabelled"]
        if not labelled:
            raise ValueError(
                f"none of the data sets {', '.join(self.names)} of ConcatImages has labels, so none "
                "tells the classes. Add one that does; for unlabelled images alone, an "
                "UnlabelledFolder takes several folders inside one."
            )
        owner = labelled[0]
        self.metainfo: dict[str, Any] = dict(infos[owner])
        for name in labelled:
            if any(infos[name][key] != infos[owner][key] for key in ("classes", "task")):
                raise ValueError(
                    f"data set {owner!r} has the classes {_shown(infos[owner])} and {name!r} "
                    f"{_shown(infos[name])}. Give both the same `classes`, in one order."
                )

    def get_data_info(self, index: int) -> dict[str, Any]:
        """What the pipeline of one image starts from."""
        dataset, inside = self._place(index)
        return {**dataset.get_data_info(inside), "sample_idx": int(index)}

    def get_cat_ids(self, index: int) -> list[int]:
        """The labels that hold for one image."""
        dataset, inside = self._place(index)
        return list(dataset.get_cat_ids(inside))

    def label_counts(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """For how many images each class holds, and for how many that is known; both (C,) int64."""
        labelled = [dataset for dataset in self.datasets if hasattr(dataset, "label_counts")]
        held, known = zip(*(dataset.label_counts() for dataset in labelled), strict=True)
        return np.sum(held, axis=0), np.sum(known, axis=0)

    def from_dataset(self, name: str, sample: dict[str, Any], index: int) -> dict[str, Any]:
        """The sample, known by its place among all images."""
        sample["data_samples"].set_metainfo({"sample_idx": index})
        return sample

    def _place(self, index: int) -> tuple[Any, int]:
        which = bisect_right(self._ends, int(index))
        dataset = self.datasets[which]
        return dataset, int(index) - self._ends[which] + len(dataset)


def _shown(info: Mapping[str, Any]) -> str:
    return f"{list(info['classes'])[:5]} ({info['task']})"
