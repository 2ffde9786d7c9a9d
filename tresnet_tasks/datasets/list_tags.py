"""A folder of lists, one for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .annotation_text import read_lines
from .tags import TagDataset, Tags


@DATASETS.register_module()
class ListTags(TagDataset):
    """Images named in one text file for each class: ``lists/cat.txt``, ``lists/dog.txt``, ...

    Each line is ``path`` (the class holds) or ``path label`` with 1, 0 or -1. The images of the
    data set are all that any list names.

    Args:
        ann_file: the folder of the lists; relative to ``data_root``.
        data_root: folder of the data set.
        data_prefix: what the paths in the lists are relative to; itself relative to ``data_root``.
        kwargs: see ``TagDataset``. The classes are the sorted names of the lists.

    Raises:
        FileNotFoundError: if the folder or an image does not exist.
        ValueError: if the folder has no lists, or a line has a label that is none.
    """

    def __init__(
        self,
        ann_file: str | os.PathLike[str],
        data_root: str | os.PathLike[str] = "",
        data_prefix: str = "",
        **kwargs: Any,
    ) -> None:
        self.image_root = Path(data_root, data_prefix)
        arguments = {"ann_file": ann_file, "data_root": data_root}
        super().__init__(Path(data_root, ann_file), arguments, **kwargs)

    @classmethod
    def source_classes(cls, **kwargs: Any) -> tuple[str, ...]:
        """The sorted names of the lists."""
        return tuple(p.stem for p in _lists(Path(kwargs.get("data_root", ""), kwargs["ann_file"])))

    def read_tags(self) -> Iterator[Tags]:
        """Bring the lists together, images in the order in which they first occur."""
        found: dict[str, dict[str, int]] = {}
        for file in _lists(self.source):
            for number, line in enumerate(read_lines(file, "an image a line"), start=1):
                if not line.strip():
                    continue
                path, label = line.strip(), 1
                fields = line.rsplit(maxsplit=1)
                if len(fields) == 2 and fields[1].removeprefix("-").isdecimal():
                    path, label = fields[0].strip(), int(fields[1])
                if label not in (1, 0, -1):
                    raise ValueError(
                        f"{file}, line {number}: got the label {label}; expected 1 (it holds), 0 "
                        "(it does not) or -1 (unknown). Correct the line."
                    )
                found.setdefault(path, {})[file.stem] = label
        for path, labels in found.items():
            yield Tags(str(self.image_root / path), labels, f"{self.source}, image {path}")


def _lists(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise (ValueError if folder.is_dir() else FileNotFoundError)(
            f"no lists in {folder.absolute()}; expected one file for each class, <class>.txt, with "
            "an image a line. data/README.md shows the layout."
        )
    return files
