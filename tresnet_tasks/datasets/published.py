"""What the readers of well-known data sets in their original files share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from .base import ClassificationDataset, SampleInfo, checked_classes
from .image_names import missing_files
from .nearest_name import nearest_name


class PublishedDataset(ClassificationDataset):
    """A data set in the files that its authors published, as the command ``prepare`` lays them.

    Args:
        data_root: the folder that holds them.
        split: one of ``splits``.
        kwargs: ``pipeline``, ``classes``, ``test_mode``, ``on_error`` and ``seed`` of
            ``ClassificationDataset``. ``classes`` may give the published names in another order.

    Raises:
        FileNotFoundError: if a file is missing; the message shows the layout.
        ValueError: for an unknown split, other ``classes``, or a file that is damaged or disagrees
            with another.

    Attributes:
        splits: the names that ``split`` may have.
        prepare_name: what the command ``prepare`` calls the data set.
        layout: the files below ``data_root``, for errors.
    """

    splits: tuple[str, ...]
    prepare_name: str
    layout: str

    def __init__(
        self, data_root: str | os.PathLike[str], split: str = "train", **kwargs: Any
    ) -> None:
        if split not in self.splits:
            raise ValueError(
                f"split is {split!r}; {type(self).__name__} has {', '.join(map(repr, self.splits))}."
            )
        self.data_root = Path(data_root)
        self.split = split
        super().__init__(**kwargs)

    # ------------------------------------------------------------------ what a reader provides

    @classmethod
    def published_names(cls, data_root: Path) -> tuple[str, ...]:
        """The class names in the order of the published labels."""
        raise NotImplementedError(f"{cls.__name__} must define published_names")

    def published_samples(self) -> Iterable[tuple[str, int]]:
        """Path and published label, from 0, of each image of the split."""
        raise NotImplementedError(f"{type(self).__name__} must define published_samples")

    # ------------------------------------------------------------------ what it gets

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...]:
        """The published names, or ``classes`` where given; arguments as the constructor's."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        return cls.published_names(Path(kwargs["data_root"]))

    def load_classes(self) -> tuple[str, ...]:
        """Take the published names."""
        return self.published_names(self.data_root)

    def load_data_list(self) -> Iterator[SampleInfo]:
        """Read the split."""
        names = self.published_names(self.data_root)
        classes = self.classes or names
        _check_names(type(self).__name__, classes, names)
        ids = {name: label for label, name in enumerate(classes)}
        for path, label in self.published_samples():
            if not 0 <= label < len(names):
                raise ValueError(
                    f"{path} has the label {label}, counted from 0, but {type(self).__name__} has "
                    f"{len(names)} classes. {self.fetch_again()}"
                )
            yield {"img_path": path, "gt_label": ids[names[label]]}

    @classmethod
    def existing(cls, path: Path) -> Path:
        """``path``, if there is something.

        Raises:
            FileNotFoundError: otherwise; the message shows the layout.
        """
        if path.exists():
            return path
        raise FileNotFoundError(
            f"no {path.absolute()}. {cls.__name__} reads the files as they were published, below "
            f"data_root:\n{cls.layout}\n"
            f"`python tools/prepare.py {cls.prepare_name}` puts them into "
            f"data/{cls.prepare_name}, or says where to get them."
        )

    @classmethod
    def fetch_again(cls) -> str:
        """What to do about a damaged file."""
        return (
            f"The files are damaged, or not the published ones: remove them, and `python "
            f"tools/prepare.py {cls.prepare_name}` fetches them again."
        )

    def check_images(self, paths: Sequence[str]) -> None:
        """Check that every image exists; with ``on_error='skip'`` its turn will show.

        Raises:
            FileNotFoundError: naming the first missing images.
        """
        missing = list(missing_files(paths)) if self.on_error == "raise" else []
        if missing:
            first = "\n".join(f"  {Path(paths[i]).absolute()}" for i in islice(missing, 5))
            raise FileNotFoundError(
                f"{len(missing)} of {len(paths)} images of {self} do not exist:\n{first}\n"
                f"{self.fetch_again()} on_error='skip' leaves such images out."
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.data_root)!r}, {self.split!r})"


def _check_names(reader: str, classes: Sequence[str], names: Sequence[str]) -> None:
    unknown = [name for name in classes if name not in names]
    if unknown or len(classes) != len(names):
        hint = f" {unknown[0]!r} is none of them. {nearest_name(unknown[0], names)}" * bool(unknown)
        raise ValueError(
            f"`classes` has {len(classes)} names, and {reader} has {len(names)} classes.{hint} "
            "Leave it out, or give the published names in the order of their labels."
        )
