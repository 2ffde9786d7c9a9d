"""What is known of the objects of all images, in a few blocks of memory that workers share."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from typing import Any, TypedDict

import numpy as np


class Instance(TypedDict, total=False):
    """One object of an image, as a reader says it.

    Attributes:
        bbox: x1, y1, x2, y2 in pixels; (0, 0) is the upper left corner of the image.
        label: its class.
        ignore: a crowd, or too difficult to count: neither a positive nor background.
        area: in square pixels, what COCO's sizes go by; the box's where it is not given.
        mask: polygons ``[[x1, y1, x2, y2, ...], ...]`` or COCO's run lengths ``dict(size, counts)``.
    """

    bbox: tuple[float, float, float, float]
    label: int
    ignore: bool
    area: float
    mask: Any


class PackedInstances:
    """The instances of one image after the other, 53 bytes each, masks as JSON text beside them.

    A worker that merely reads a Python object writes its reference count, so that every worker
    would end up with its own copy of a million dicts.
    """

    def __init__(self) -> None:
        self._images = _PackedJson()  # [id, height, width]
        self._ends = array("q", [0])
        self._boxes = array("d")  # float32 would move the boxes of COCO's evaluation
        self._areas = array("d")
        self._labels = array("i")
        self._ignored = array("b")
        self._masks = _PackedJson()

    def append(
        self, img_id: int | str, height: int, width: int, instances: Iterable[Instance]
    ) -> None:
        """Take the next image; either all of its instances have a mask or none is kept."""
        self._images.append([img_id, height, width])
        for instance in instances:
            self._boxes.extend(instance["bbox"])
            self._areas.append(instance["area"])
            self._labels.append(instance["label"])
            self._ignored.append(instance["ignore"])
            if "mask" in instance:
                self._masks.append(instance["mask"])
        self._ends.append(len(self._labels))

    def fields(self, index: int) -> dict[str, Any]:
        """What mmdet's transforms start from: ``img_id``, ``height``, ``width`` and ``instances``.

        Returns:
            Each instance is a dict of ``bbox``, ``bbox_label``, ``ignore_flag`` (0 or 1), ``area``
            and, where masks are kept, ``mask``.
        """
        img_id, height, width = self._images[index % len(self._images)]
        instances = []
        for i in self._range(index):
            instance = {
                "bbox": self._boxes[4 * i : 4 * i + 4].tolist(),
                "bbox_label": self._labels[i],
                "ignore_flag": self._ignored[i],
                "area": self._areas[i],
            }
            if len(self._masks):
                instance["mask"] = self._masks[i]
            instances.append(instance)
        return {"img_id": img_id, "height": height, "width": width, "instances": instances}

    def labels(self, index: int) -> list[int]:
        """The labels of an image's instances that are not ignored."""
        return [self._labels[i] for i in self._range(index) if not self._ignored[i]]

    def counts(self, num_classes: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """How many instances each class has that are not ignored, (C,)."""
        held = np.asarray(self._ignored, dtype=bool)
        labels = np.asarray(self._labels, dtype=np.int64)
        return np.bincount(labels[~held], minlength=num_classes)

    def _range(self, index: int) -> range:
        index %= len(self._images)
        return range(self._ends[index], self._ends[index + 1])


class _PackedJson:
    """A list of plain values, kept as the bytes of their JSON text."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])

    def append(self, value: Any) -> None:
        self._bytes += json.dumps(value).encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Any:
        return json.loads(bytes(self._bytes[self._ends[index] : self._ends[index + 1]]))
