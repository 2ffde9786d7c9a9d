"""A text file with a path and a label a line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .annotation_text import check_files_exist, read_lines, warn_of_blank_lines
from .base import ClassificationDataset, SampleInfo, Transform, checked_classes


@DATASETS.register_module()
class ImageList(ClassificationDataset):
    """Images named in a list, ``path label`` on each line; PaddleClas's format.

    The label is the last field, so a path may hold spaces. Blank lines are ignored (and counted in
    one warning).

    Args:
        ann_file: the list, UTF-8; relative to ``data_root``.
        data_root: folder of the data set.
        data_prefix: what the paths in the list are relative to; itself relative to ``data_root``.
        classes_file: class names, one a line in the order of their labels, or PaddleClas's ``label
            name``; relative to ``data_root``.
        pipeline, classes, test_mode, on_error, seed, subset: see ``ClassificationDataset``. With
            ``on_error='raise'`` every file is looked for at once, with ``'skip'`` when its turn
            comes.

    Raises:
        FileNotFoundError: if the list or an image does not exist, with the line.
        ValueError: for a line without a label or with one that is not a class, with the line.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str],
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "",
        *,
        classes_file: str | os.PathLike[str] | None = None,
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        classes: Sequence[str] | None = None,
        test_mode: bool = False,
        on_error: str = "raise",
        seed: int = 0,
        subset: Mapping[str, Any] | None = None,
    ) -> None:
        self.ann_file = Path(data_root, ann_file)
        self.image_root = os.path.join(data_root, data_prefix)  # noqa: PTH118 - Path would drop "./"
        self.classes_file = Path(data_root, classes_file) if classes_file is not None else None
        super().__init__(
            pipeline=pipeline,
            classes=classes,
            test_mode=test_mode,
            on_error=on_error,
            seed=seed,
            subset=subset,
        )

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...] | None:
        """Read ``classes_file``; arguments as the constructor's."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        if kwargs.get("classes_file") is None:
            return None
        return read_classes(Path(kwargs.get("data_root", ""), kwargs["classes_file"]))

    def load_classes(self) -> tuple[str, ...] | None:
        """Read ``classes_file`` if there is one."""
        return read_classes(self.classes_file) if self.classes_file is not None else None

    def load_data_list(self) -> list[SampleInfo]:
        """Read the list."""
        paths: list[str] = []
        labels: list[int] = []
        numbers: list[int] = []
        lines = read_lines(self.ann_file, "`path label` on each line")
        for number, line in enumerate(lines, start=1):
            fields = line.rsplit(maxsplit=1)
            if not fields:
                continue
            if len(fields) < 2:
                raise ValueError(
                    f"{self.ann_file}, line {number}: got {line!r}; expected `path label`. Add "
                    "what is missing."
                )
            paths.append(os.path.join(self.image_root, fields[0].strip()))  # noqa: PTH118 - a million times
            labels.append(self._label(fields[1], number))
            numbers.append(number)
        if not paths:
            raise ValueError(
                f"{self.ann_file} names no images; expected `path label` on each line."
            )
        warn_of_blank_lines(self.ann_file, len(lines) - len(paths))
        if self.on_error == "raise":
            check_files_exist(self.ann_file, paths, numbers)
        return [
            {"img_path": path, "gt_label": label} for path, label in zip(paths, labels, strict=True)
        ]

    def _label(self, field: str, number: int) -> int:
        try:
            label = int(field)
        except ValueError:
            label = -1
        if label < 0 or (self.classes is not None and label >= len(self.classes)):
            top = f"0 to {len(self.classes) - 1}" if self.classes is not None else "0 up"
            raise ValueError(
                f"{self.ann_file}, line {number}: label {field!r}; expected a whole number from "
                f"{top} as the last "
                "field. Correct the line, or name every class in `classes` or `classes_file`."
            )
        return label

    def __repr__(self) -> str:
        return f"ImageList({os.fspath(self.ann_file)!r})"


def read_classes(path: Path) -> tuple[str, ...]:
    """Class names, one a line in the order of their labels, or PaddleClas's ``label name``."""
    names = [line.strip() for line in read_lines(path, "one class name a line") if line.strip()]
    fields = [name.split(maxsplit=1) for name in names]
    if all(len(field) == 2 and field[0] == str(label) for label, field in enumerate(fields)):
        names = [field[1] for field in fields]
    return checked_classes(names)
