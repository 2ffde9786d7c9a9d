"""COCO annotations as labels of whole images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .coco_json import read_coco
from .tags import TagDataset, Tags


@DATASETS.register_module()
class CocoTags(TagDataset):
    """Images of COCO json; a class holds for an image that has an annotation of it, crowds too.

    Args:
        ann_file: the json file; relative to ``data_root``.
        data_root: folder of the data set.
        data_prefix: folder of the images, relative to ``data_root``.
        only_annotated: leave out images without annotations, as the published multi-label recipes
            do (82,081 of COCO's 82,783 training and 40,137 of its 40,504 validation images of 2014
            are left); False keeps them, as images of negatives.
        kwargs: see ``TagDataset``. The classes are the categories by ascending id.

    Raises:
        FileNotFoundError: if the json file or an image does not exist.
        ValueError: if the file is not COCO's format.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str],
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "",
        *,
        only_annotated: bool = True,
        **kwargs: Any,
    ) -> None:
        self.only_annotated = only_annotated
        self.image_root = Path(data_root, data_prefix)
        source = Path(data_root, ann_file)
        self._coco = read_coco(source)
        super().__init__(source, {"ann_file": ann_file, "data_root": data_root}, **kwargs)
        del self._coco

    @classmethod
    def source_classes(cls, **kwargs: Any) -> tuple[str, ...]:
        """The names of the categories."""
        return read_coco(Path(kwargs.get("data_root", ""), kwargs["ann_file"])).names

    def load_classes(self) -> tuple[str, ...]:
        """The names of the categories, or of ``classes_file``."""
        return self._coco.names if not self._names else super().load_classes()

    def read_tags(self) -> Iterator[Tags]:
        """Gather the categories of each image."""
        names = {category["id"]: str(category["name"]) for category in self._coco.categories}
        held: dict[Any, dict[str, int]] = {}
        for annotation in self._coco.annotations:
            held.setdefault(annotation["image_id"], {})[names[annotation["category_id"]]] = 1
        for image in self._coco.images:
            labels = held.get(image["id"], {})
            if labels or not self.only_annotated:
                path = str(self.image_root / image["file_name"])
                yield Tags(path, labels, f"{self.source}, image {image['id']}")
