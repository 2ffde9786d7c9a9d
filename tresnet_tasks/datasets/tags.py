"""What all readers of several labels an image share."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from .annotation_text import read_lines
from .base import ClassificationDataset, SampleInfo, checked_classes
from .image_names import missing_files
from .nearest_name import nearest_name


class Tags(NamedTuple):
    """The labels of one image as its source has them.

    Attributes:
        path: of the image.
        labels: class name to 1 (it holds), 0 (it does not) or -1 (unknown).
        where: the place in the source, for errors.
    """

    path: str
    labels: Mapping[str, int]
    where: str


class TagDataset(ClassificationDataset):
    """Images with any number of labels each, every label 1, 0 or -1 for unknown.

    A reader says ``read_tags`` and, for a source that has no ``classes_file``, ``source_classes``.
    An image without any label is kept, and how many there are is said once.

    Args:
        source: the file or folder that the labels come from, for messages.
        arguments: those of the constructor that ``class_names`` needs.
        classes_file: class names, one a line in the order of their labels; ``id,name`` where the
            source writes ids in place of names.
        skip_other_names: leave labels of names that are not among the classes out, to train on
            some of the classes; False takes such a name for a mistake.
        unlisted: what a class is that the source does not name for an image: 0, it does not hold,
            or -1, it is unknown.
        kwargs: ``pipeline``, ``classes``, ``test_mode``, ``on_error``, ``seed``, ``subset``, see
            ``ClassificationDataset``. With ``on_error='raise'`` every file is looked for at once.

    Raises:
        FileNotFoundError: if the source or an image does not exist.
        ValueError: for a name that is not a class, with the nearest one, or a label other than 1, 0
            and -1.
    """

    task = "multi_label"

    def __init__(
        self,
        source: Path,
        arguments: Mapping[str, Any],
        *,
        classes_file: str | os.PathLike[str] | None = None,
        skip_other_names: bool = False,
        unlisted: int = 0,
        **kwargs: Any,
    ) -> None:
        self.source = source
        self.skip_other_names = skip_other_names
        self.unlisted = unlisted
        self._arguments = {**arguments, "classes_file": classes_file}
        self._names = _named_ids(self._arguments) if classes_file is not None else {}
        super().__init__(**kwargs)

    # ------------------------------------------------------------------ what a reader provides

    def read_tags(self) -> Iterable[Tags]:
        """Say the labels of every image, in a list or lazily."""
        raise NotImplementedError(f"{type(self).__name__} must define read_tags")

    @classmethod
    def source_classes(cls, **kwargs: Any) -> tuple[str, ...]:
        """The names in the source; arguments as the constructor's."""
        raise NotImplementedError(f"{cls.__name__} must define source_classes")

    # ------------------------------------------------------------------ what follows from it

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...]:
        """``classes``, or those of ``classes_file``, or the source's; no image is read."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        if kwargs.get("classes_file") is not None:
            return checked_classes(tuple(_named_ids(kwargs).values()))
        return checked_classes(cls.source_classes(**kwargs))

    def load_classes(self) -> tuple[str, ...]:
        """As ``class_names``."""
        return self.class_names(**self._arguments)

    def load_data_list(self) -> Iterator[SampleInfo]:
        """Turn names into ids."""
        ids = {name: label for label, name in enumerate(self.classes or ())}
        ids |= {key: ids[name] for key, name in self._names.items() if name in ids}
        paths: list[str] = []
        without = 0
        for path, labels, where in self.read_tags():
            if self.skip_other_names:
                labels = {name: value for name, value in labels.items() if name in ids}
            try:
                by_id = {ids[name]: value for name, value in labels.items()}
            except KeyError as error:
                name = str(error.args[0])
                raise ValueError(
                    f"{where}: {name!r} is not one of the {len(self.classes or ())} classes. "
                    f"{nearest_name(name, self.classes or ())} Correct it or `classes`, or set "
                    "skip_other_names=True to train without such labels."
                ) from None
            wrong = next((value for value in by_id.values() if value not in (1, 0, -1)), None)
            if wrong is not None:
                raise ValueError(
                    f"{where}: got the label {wrong!r}; expected 1 (it holds), 0 (it does not) or "
                    "-1 (unknown). Correct it."
                )
            paths.append(path)
            without += 1 not in by_id.values()
            yield {"img_path": path, "gt_label": by_id}
        if self.on_error == "raise":
            self._check_files(paths)
        if without:
            warnings.warn(
                f"{self}: {without} of {len(paths)} images have no label that holds; they count as "
                "negatives of what is known.",
                stacklevel=2,
            )

    def _check_files(self, paths: list[str]) -> None:
        missing = list(missing_files(paths))
        if missing:
            first = "\n".join(f"  {Path(paths[i]).absolute()}" for i in islice(missing, 5))
            raise FileNotFoundError(
                f"{len(missing)} of {len(paths)} images named in {self.source} do not exist:\n"
                f"{first}\n"
                "Correct data_root or data_prefix; on_error='skip' leaves such images out."
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.source)!r})"


def _named_ids(kwargs: Mapping[str, Any]) -> dict[str, str]:
    """What the source writes for each class, and the class's name, in the order of the labels."""
    path = Path(kwargs.get("data_root", ""), kwargs["classes_file"])
    lines = [line.strip() for line in read_lines(path, "one class name a line") if line.strip()]
    pairs = [tuple(part.strip() for part in line.partition(",")[::2]) for line in lines]
    # With a comma in some lines alone it is part of a name.
    if not all(name for _, name in pairs):
        return {line: line for line in lines}
    names = [name for _, name in pairs]
    # Different ids may share a name, which then tells nobody which is meant.
    shared = {name for name, count in Counter(names).items() if count > 1}
    return {key: f"{name} ({key})" if name in shared else name for key, name in pairs}
