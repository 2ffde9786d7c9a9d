"""What all classification readers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict

import numpy as np

from .image_dataset import ImageDataset, Transform, checked_classes
from .labels import MultiLabels, SingleLabels
from .subset import Subset

__all__ = ["ClassificationDataset", "SampleInfo", "Transform", "checked_classes"]


class SampleInfo(TypedDict):
    """What a reader says of one image: where it is, and its class.

    A multi-label reader names the classes that it knows of, each with 1 (it holds), 0 (it does not)
    or -1 (unknown); what it leaves out is ``unlisted``.
    """

    img_path: str
    gt_label: int | Mapping[int, int]


class ClassificationDataset(ImageDataset):
    """Images with one label each, or with any number of them; the base of every such reader.

    Args:
        subset: use some of the images, by the arguments of ``Subset``: ``dict(fold=(1, 5))`` for a
            fold (in test mode) or the rest of a cross-validation, ``dict(per_class=16)`` for a few
            of each class.
        kwargs: ``pipeline``, ``classes``, ``test_mode``, ``on_error`` and ``seed`` of
            ``ImageDataset``.

    Raises:
        ValueError: for a label without a class; see also ``ImageDataset``.

    Attributes:
        task: 'single_label' or 'multi_label'; a multi-label reader states it for its class.
        unlisted: 0 or -1, what a class is that a multi-label reader does not name for an image.
    """

    task = "single_label"
    unlisted = 0

    def __init__(self, *, subset: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        self._subset = Subset.of(subset)
        self._kept: np.ndarray[Any, np.dtype[np.int64]] | None = None
        self._labels = MultiLabels(self.unlisted) if self.task == "multi_label" else SingleLabels()
        super().__init__(**kwargs)
        if self.classes is None:
            self.classes = tuple(str(label) for label in range(self._labels.bounds()[1] + 1))
        low, high = self._labels.bounds()
        if low < 0 or high >= len(self.classes):
            raise ValueError(
                f"{self} has labels from {low} to {high}, but its {len(self.classes)} classes "
                "allow "
                f"0 to {len(self.classes) - 1}. Correct the labels or name every class in "
                "`classes`."
            )

    def load_data_list(self) -> Iterable[SampleInfo]:
        """Say for every image ``dict(img_path=str, gt_label=int)``, in a list or lazily."""
        raise NotImplementedError(f"{type(self).__name__} must define load_data_list")

    def get_data_info(self, index: int) -> dict[str, Any]:
        """What the pipeline starts from: ``img_path``, ``sample_idx`` and ``gt_label``, an id; with
        several labels in its place ``gt_score``, (C,) float32 of 1, 0 and -1."""
        return {
            "img_path": self._paths[index],
            **self._labels.fields(index, len(self.classes or ())),
            "sample_idx": int(index),
        }

    def source_index(self, index: int) -> int:
        """The number, from 0, under which ``load_data_list`` said an image: another in a subset."""
        return int(index) if self._kept is None else int(self._kept[index])

    def get_cat_ids(self, index: int) -> list[int]:
        """The labels that hold for one image."""
        return self._labels.positives(index)

    def label_counts(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """For how many images each class holds, and for how many that is known; both (C,) int64."""
        return self._labels.counts(len(self.classes or ()))

    @property
    def gt_labels(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The labels of all images, (len,) int64; of a data set with one label an image."""
        if not isinstance(self._labels, SingleLabels):
            raise ValueError(f"{self} has several labels an image; see get_cat_ids(index).")
        return self._labels.ids

    def _pack(self, samples: Iterable[Any]) -> Iterator[str]:
        if self._subset is not None:
            whole = list(samples)
            labels = [_held(sample["gt_label"]) for sample in whole]
            several = self.task == "multi_label"
            held_out = self.test_mode
            kept = self._subset.choose(labels, self.classes, several=several, held_out=held_out)
            self._kept = kept
            samples = [whole[index] for index in kept]
        for sample in samples:
            self._labels.append(sample["gt_label"])
            yield sample["img_path"]


def _held(label: int | Mapping[int, int]) -> list[int]:
    """The classes that hold."""
    if isinstance(label, Mapping):
        return [class_id for class_id, value in label.items() if value == 1]
    return [int(label)]
