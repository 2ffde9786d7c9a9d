"""Boxes in Pascal VOC's xml."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .annotation_text import read_lines
from .class_agreement import check_class_agreement
from .detection import DetectionDataset, DetectionInfo
from .image_dataset import checked_classes
from .image_io import UnreadableImageError, read_image_size
from .image_names import find_images
from .instances import Instance
from .voc_xml import VocFile, read_voc_file


@DATASETS.register_module()
class VocDetection(DetectionDataset):
    """Images with boxes, annotated in Pascal VOC's xml, one file an image.

    The image of ``Annotations/a.xml`` is the one named ``a`` in ``JPEGImages``, with any extension;
    of several the one that the xml names. The classes are the names that occur, sorted. Difficult
    objects are ignored. An xml without objects is an image of background.

    Args:
        ann_file: an image set, such as ``ImageSets/Main/train.txt``: a name a line, or a name and
            1, 0 or -1. None takes every xml.
        data_root: folder of the data set; what follows is relative to it.
        data_prefix: the folder of the images.
        ann_prefix: the folder of the xml files.
        one_based: the upper left pixel is (1, 1) and ``xmax``, ``ymax`` are the last pixels of the
            object, as VOC itself counts: 1 is taken off ``xmin`` and ``ymin``. With False numbers
            are taken as they are, for the tools that write edges counted from 0.
        classes: names in the order of their labels; every name that occurs must be among them.
        kwargs: ``filter_empty``, ``on_bad_box``, ``strict_classes`` and ``with_masks`` of
            ``DetectionDataset``; ``pipeline``, ``test_mode``, ``on_error`` and ``seed`` of
            ``ImageDataset``.

    Raises:
        FileNotFoundError: if the image set, an xml or an image does not exist.
        ValueError: for a broken xml, see ``read_voc_file``; for a name that is not in ``classes``.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str] | None = None,
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "JPEGImages",
        ann_prefix: str = "Annotations",
        *,
        one_based: bool = True,
        classes: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.ann_file = Path(data_root, ann_file) if ann_file is not None else None
        self.ann_folder = Path(data_root, ann_prefix)
        self.image_folder = Path(data_root, data_prefix)
        self.one_based = one_based
        super().__init__(classes=classes, **kwargs)

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...]:
        """Read the names that occur in the xml files; arguments as the constructor's."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        ann_file, root = kwargs.get("ann_file"), kwargs.get("data_root", "")
        folder = Path(root, kwargs.get("ann_prefix", "Annotations"))
        names = _image_set(Path(root, ann_file) if ann_file is not None else None, folder)
        return _occurring(read_voc_file(folder / f"{name}.xml") for name in names)

    def load_data_list(self) -> Iterator[DetectionInfo]:
        """Read the xml files."""
        names = _image_set(self.ann_file, self.ann_folder)
        files = [read_voc_file(self.ann_folder / f"{name}.xml") for name in names]
        occurring = _occurring(files)
        if self.classes is None:
            self.classes = occurring
        elif self.strict_classes:
            check_class_agreement(self.classes, occurring, f"names in {self.ann_folder}", False)
        labels = {name: label for label, name in enumerate(self.classes)}
        images = self._images_by_name()
        for name, file in zip(names, files, strict=True):
            path = self._image_path(name, file, images)
            height, width = self._size(path, file)
            yield {
                "img_path": path,
                "img_id": name,
                "height": height,
                "width": width,
                "instances": self._instances_of(name, file, labels) if height else [],
            }

    def _instances_of(self, name: str, file: VocFile, labels: dict[str, int]) -> list[Instance]:
        instances: list[Instance] = []
        for thing in file.objects:
            if thing.name not in labels:
                continue
            if thing.box is None:
                raise ValueError(
                    f"{self.ann_folder / name}.xml: object {thing.name!r} has no <bndbox>. Add it, "
                    "or remove the object."
                )
            x1, y1, x2, y2 = thing.box
            # What is without area as it is written stays so.
            if self.one_based and x2 > x1 and y2 > y1:
                x1, y1 = x1 - 1, y1 - 1
            instances.append(
                {
                    "bbox": (x1, y1, x2, y2),
                    "label": labels[thing.name],
                    "ignore": thing.difficult,
                }
            )
        return instances

    def _images_by_name(self) -> dict[str, list[str]]:
        """The images of each name without its extension, names relative to the folder."""
        images: dict[str, list[str]] = {}
        if self.image_folder.is_dir():
            for path in find_images(self.image_folder):
                name = Path(path).relative_to(self.image_folder).with_suffix("").as_posix()
                images.setdefault(name, []).append(path)
        return images

    def _image_path(self, name: str, file: VocFile, images: dict[str, list[str]]) -> str:
        found = images.get(name, [])
        if len(found) == 1:
            return found[0]
        # None or several: what the xml says decides, and what does not exist is told of later.
        return str(self.image_folder / (file.filename or f"{name}.jpg"))

    def _size(self, path: str, file: VocFile) -> tuple[int, int]:
        if file.size is not None:
            return file.size
        try:
            return read_image_size(path)
        except UnreadableImageError:
            return 0, 0  # it is told of, or left out, when all paths or its turn have come

    def __repr__(self) -> str:
        return f"VocDetection({os.fspath(self.ann_file or self.ann_folder)!r})"


def _occurring(files: Any) -> tuple[str, ...]:
    return tuple(sorted({thing.name for file in files for thing in file.objects}))


def _image_set(ann_file: Path | None, folder: Path) -> list[str]:
    """The names of the images, without extension."""
    if ann_file is None:
        names = sorted(
            p.relative_to(folder).with_suffix("").as_posix() for p in folder.rglob("*.xml")
        )
        if not names:
            raise FileNotFoundError(
                f"no xml file in {folder.absolute()}; expected one for each image. data/README.md "
                "shows the layout."
            )
        return names
    names = []
    for line in read_lines(ann_file, "the name of an image on each line"):
        name, _, mark = line.strip().rpartition(" ")
        # VOC marks in the set of a class whether the image has it; a name may hold spaces itself.
        name = name.strip() if name and mark in ("1", "0", "-1") else line.strip()
        if name:
            names.append(name)
    if not names:
        raise ValueError(f"{ann_file} names no image; expected a name on each line.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"{ann_file} names {twice[0]!r} more than once ({len(twice)} such). Name it once."
        )
    return names
