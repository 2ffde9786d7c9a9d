"""Boxes in YOLO's text files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .annotation_text import read_lines
from .detection import DetectionDataset, DetectionInfo
from .image_dataset import checked_classes
from .image_io import UnreadableImageError, read_image_size
from .image_names import find_images
from .instances import Instance


@DATASETS.register_module()
class YoloDetection(DetectionDataset):
    """Images with boxes, annotated in YOLO's text files, one an image.

    A line is ``class x y width height``, the centre and the size as shares of the image's, or
    ``class x1 y1 x2 y2 x3 y3 ...``, the outline of the object, which is its mask. An image without
    such a file, or with an empty one, is one of background.

    Args:
        data_root: folder of the data set; what follows is relative to it.
        data_prefix: the folder of the images.
        label_prefix: the folder of the text files; None takes the images' folder with its last
            ``images`` turned into ``labels``, as YOLO's tools do, or else itself.
        classes_file: the names, a line each, or a ``data.yaml`` with ``names``.
        classes: names in the order of the class numbers, in place of ``classes_file``. Without
            either the classes are '0', '1', ... as far as the files count.
        kwargs: ``filter_empty``, ``on_bad_box`` and ``with_masks`` of ``DetectionDataset``;
            ``pipeline``, ``test_mode``, ``on_error`` and ``seed`` of ``ImageDataset``.

    Raises:
        FileNotFoundError: if a folder or ``classes_file`` does not exist.
        ValueError: for a line that is not as above or has a class without a name, a text file
            without an image, no text file at all.
    """

    def __init__(
        self,
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "images/train",
        label_prefix: str | None = None,
        *,
        classes_file: str | os.PathLike[str] | None = None,
        classes: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.image_folder = Path(data_root, data_prefix)
        self.label_folder = Path(data_root, _label_prefix(data_prefix, label_prefix))
        self.classes_file = Path(data_root, classes_file) if classes_file is not None else None
        super().__init__(classes=classes, **kwargs)

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...]:
        """Read ``classes_file``, or count the classes; arguments as the constructor's."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        root = kwargs.get("data_root", "")
        if kwargs.get("classes_file") is not None:
            return _read_names(Path(root, kwargs["classes_file"]))
        prefix = kwargs.get("data_prefix", "images/train")
        return _counted(Path(root, _label_prefix(prefix, kwargs.get("label_prefix"))))

    def load_classes(self) -> tuple[str, ...]:
        """Read ``classes_file``, or count the classes."""
        if self.classes_file is not None:
            return _read_names(self.classes_file)
        return _counted(self.label_folder)

    def load_data_list(self) -> Iterator[DetectionInfo]:
        """Read the text files, and the size of each image from its head."""
        if not self.image_folder.is_dir():
            raise FileNotFoundError(
                f"no folder {self.image_folder.absolute()}; it should hold the images. "
                "data/README.md shows the layout."
            )
        names = {
            Path(path).relative_to(self.image_folder).with_suffix("").as_posix(): path
            for path in find_images(self.image_folder)
        }
        label_files = _label_files(self.label_folder)
        self._refuse_strangers(sorted(set(label_files) - set(names)))
        for name, path in names.items():
            height, width = self._size(path)
            lines = _read_labels(label_files[name]) if name in label_files and height else ()
            yield {
                "img_path": path,
                "img_id": name,
                "height": height,
                "width": width,
                "instances": [
                    self._instance(label, numbers, height, width, place)
                    for label, numbers, place in lines
                ],
            }

    def _size(self, path: str) -> tuple[int, int]:
        try:
            return read_image_size(path)
        except UnreadableImageError as error:
            if self.on_error == "raise":
                raise UnreadableImageError(
                    f"{error} on_error='skip' lets the data set leave it out."
                ) from error
            return 0, 0

    def _instance(
        self, label: int, numbers: list[float], height: int, width: int, place: str
    ) -> Instance:
        classes = self.classes or ()
        if not 0 <= label < len(classes):
            raise ValueError(
                f"{place}: class {label} has no name; there are {len(classes)}: 0 to "
                f"{len(classes) - 1} ({', '.join(classes[:20])}). Correct the line, or name every "
                "class."
            )
        if len(numbers) == 4:
            x, y, w, h = numbers
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        else:
            box = (min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))
        instance: Instance = {
            "bbox": (box[0] * width, box[1] * height, box[2] * width, box[3] * height),
            "label": label,
        }
        if self.with_masks and len(numbers) > 4:
            sides = (width, height) * (len(numbers) // 2)
            instance["mask"] = [[n * side for n, side in zip(numbers, sides, strict=True)]]
        return instance

    def _refuse_strangers(self, names: Sequence[str]) -> None:
        if names and self.on_error == "raise":
            first = "".join(f"\n  {self.label_folder / name}.txt" for name in islice(names, 5))
            raise ValueError(
                f"{len(names)} text files in {self.label_folder} belong to no image in "
                f"{self.image_folder}:{first}\nAdd the images or remove the files; on_error='skip' "
                "passes over them."
            )

    def __repr__(self) -> str:
        return f"YoloDetection({os.fspath(self.image_folder)!r})"


def _label_prefix(data_prefix: str, label_prefix: str | None) -> str:
    if label_prefix is not None:
        return label_prefix
    parts = list(Path(data_prefix).parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return str(Path(*parts))


def _label_files(folder: Path) -> dict[str, Path]:
    """The text files by their names without extension; those beside the images may be others."""
    known = ("classes", "obj", "train", "val", "test")
    files = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.txt"))
        if path.relative_to(folder).with_suffix("").as_posix() not in known
    }
    if not files:
        raise FileNotFoundError(
            f"no text file in {folder.absolute()}; expected `class x y width height` for the images. "
            "Set label_prefix (data/README.md shows the layout)."
        )
    return files


def _read_labels(path: Path) -> Iterator[tuple[int, list[float], str]]:
    """The class, the numbers and the place of each line."""
    for number, line in enumerate(read_lines(path, "`class x y width height` lines"), start=1):
        fields = line.split()
        if not fields:
            continue
        place = f"{path}, line {number}"
        try:
            label, numbers = int(fields[0]), [float(field) for field in fields[1:]]
        except ValueError:
            numbers = []
        if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
            raise ValueError(
                f"{place}: got {line!r}; expected `class x y width height`, shares of the image's "
                "sides, or `class x1 y1 x2 y2 x3 y3 ...`. Correct the line."
            )
        yield label, numbers, place


def _counted(folder: Path) -> tuple[str, ...]:
    files = _label_files(folder).values()
    labels = {label for path in files for label, _, _ in _read_labels(path)}
    return tuple(str(label) for label in range(max(labels, default=0) + 1))


def _read_names(path: Path) -> tuple[str, ...]:
    lines = read_lines(path, "the names of the classes")
    if path.suffix not in (".yaml", ".yml"):
        return checked_classes([line.strip() for line in lines if line.strip()])
    import yaml

    try:
        names = (yaml.safe_load("\n".join(lines)) or {}).get("names")
    except (yaml.YAMLError, AttributeError) as error:
        raise ValueError(f"{path} is no data.yaml: {error}. Correct it.") from error
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        names = [names[label] for label in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ValueError(
            f"{path} has names={names!r}; expected a list, or a dict from 0 up. Correct it."
        )
    return checked_classes(names)
