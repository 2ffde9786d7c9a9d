"""Pascal VOC's annotations as labels of whole images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .annotation_text import read_lines
from .tags import TagDataset, Tags
from .voc_xml import read_voc_objects


@DATASETS.register_module()
class VOCTags(TagDataset):
    """Images of a VOC folder; a class holds for an image that has an object of it.

    ``data_root`` has the folders ``JPEGImages``, ``Annotations`` (one xml file an image) and
    ``ImageSets/Main`` (lists of image names).

    Args:
        ann_file: the list of the split, one image name a line; relative to ``data_root``.
        data_root: folder of the data set, such as ``VOCdevkit/VOC2007``.
        data_prefix: folder of the images, relative to ``data_root``.
        xml_prefix: folder of the xml files, likewise.
        difficult: the label of a class all of whose objects in an image are marked difficult; -1
            as in VOC's own evaluation, which leaves these images out for that class; or 1, or 0.
        kwargs: see ``TagDataset``. The classes are the sorted names of all objects of the split.

    Raises:
        FileNotFoundError: if the list, an xml file or an image does not exist.
        ValueError: if an xml file is damaged.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str],
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "JPEGImages",
        *,
        xml_prefix: str = "Annotations",
        difficult: int = -1,
        **kwargs: Any,
    ) -> None:
        self.image_root = Path(data_root, data_prefix)
        self.xml_root = Path(data_root, xml_prefix)
        self.difficult = difficult
        arguments = {"ann_file": ann_file, "data_root": data_root, "xml_prefix": xml_prefix}
        super().__init__(Path(data_root, ann_file), arguments, **kwargs)

    @classmethod
    def source_classes(cls, **kwargs: Any) -> tuple[str, ...]:
        """The sorted names of all objects of the split."""
        root = Path(kwargs.get("data_root", ""))
        folder = root / kwargs.get("xml_prefix", "Annotations")
        files = (folder / f"{name}.xml" for name in _image_names(root / kwargs["ann_file"]))
        return tuple(sorted({found.name for file in files for found in read_voc_objects(file)}))

    def read_tags(self) -> Iterator[Tags]:
        """Read the xml files one by one."""
        for name in _image_names(self.source):
            file = self.xml_root / f"{name}.xml"
            labels: dict[str, int] = {}
            for found in read_voc_objects(file):
                if not found.difficult:
                    labels[found.name] = 1
                else:
                    labels.setdefault(found.name, self.difficult)
            yield Tags(str(self.image_root / f"{name}.jpg"), labels, str(file))


def _image_names(path: Path) -> Iterator[str]:
    """First field of each line; the lists of a single class have its label behind it."""
    for line in read_lines(path, "one image name a line"):
        if line.strip():
            yield line.split()[0]
