"""Boxes and masks in COCO's json."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .class_agreement import check_class_agreement
from .coco_boxes import CocoBoxes, read_category_names, read_coco_boxes
from .detection import DetectionDataset, DetectionInfo
from .image_dataset import checked_classes
from .instances import Instance


@DATASETS.register_module()
class CocoDetection(DetectionDataset):
    """Images with boxes and masks, annotated in COCO's json.

    The classes are the categories in the order of their ids; crowds are ignored. An image without
    annotations is one of background.

    Args:
        ann_file: the json, relative to ``data_root``.
        data_root: folder of the data set.
        data_prefix: what ``file_name`` in the json is relative to; itself relative to
            ``data_root``.
        classes: names of categories in the order of their labels; they must be those of the json.
        kwargs: ``filter_empty``, ``on_bad_box``, ``strict_classes`` and ``with_masks`` of
            ``DetectionDataset``; ``pipeline``, ``test_mode``, ``on_error`` and ``seed`` of
            ``ImageDataset``.

    Raises:
        FileNotFoundError: if the json or an image does not exist.
        ValueError: for a json that is none of COCO's or contradicts itself, see
            ``read_coco_boxes``, or whose categories are not ``classes``.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str],
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "",
        *,
        classes: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.ann_file = Path(data_root, ann_file)
        self.image_root = os.path.join(data_root, data_prefix)  # noqa: PTH118 - Path would drop "./"
        self._labels: dict[int, int] = {}
        super().__init__(classes=classes, **kwargs)

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...]:
        """Read the names of the categories; arguments as the constructor's."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        return read_category_names(Path(kwargs.get("data_root", ""), kwargs["ann_file"]))

    @property
    def metainfo(self) -> dict[str, Any]:
        """``classes``, ``task``, and ``category_ids``: the json's id of each class, -1 for a class
        that is not in it."""
        ids = {label: key for key, label in self._labels.items()}
        category_ids = tuple(ids.get(label, -1) for label in range(len(self.classes or ())))
        return {**super().metainfo, "category_ids": category_ids}

    def load_data_list(self) -> Iterator[DetectionInfo]:
        """Read the json."""
        content = read_coco_boxes(self.ann_file)
        self._labels = self._label_of_category(content)
        for image in content.images:
            yield {
                "img_path": os.path.join(self.image_root, image["file_name"]),  # noqa: PTH118 - a million times
                "img_id": image["id"],
                "height": int(image["height"]),
                "width": int(image["width"]),
                "instances": [
                    self._instance(annotation)
                    for annotation in content.annotations[image["id"]]
                    if annotation["category_id"] in self._labels
                ],
            }

    def _label_of_category(self, content: CocoBoxes) -> dict[int, int]:
        """The label of each category id, in the order of the labels."""
        names = tuple(content.names.values())
        if self.classes is None:
            self.classes = checked_classes(names)
        elif self.strict_classes:
            check_class_agreement(self.classes, names, str(self.ann_file), declared=True)
        ids = {name: key for key, name in content.names.items()}
        return {ids[name]: label for label, name in enumerate(self.classes) if name in ids}

    def _instance(self, annotation: Mapping[str, Any]) -> Instance:
        x, y, width, height = annotation["bbox"]
        instance: Instance = {
            "bbox": (x, y, x + width, y + height),
            "label": self._labels[annotation["category_id"]],
            "ignore": bool(annotation.get("iscrowd") or annotation.get("ignore")),
            "area": annotation.get("area") or 0.0,
        }
        if self.with_masks and annotation.get("segmentation"):
            instance["mask"] = annotation["segmentation"]
        return instance

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.ann_file)!r})"
