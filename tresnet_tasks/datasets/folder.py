"""A folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .base import ClassificationDataset, SampleInfo, Transform, checked_classes
from .image_names import IMAGE_EXTENSIONS, find_images
from .nearest_name import nearest_name


@DATASETS.register_module()
class ImageFolder(ClassificationDataset):
    """Images sorted into one folder for each class; ImageNet's layout.

    ``data_root/data_prefix/<class>/**/<image>``; the classes are the sorted folder names. Images
    may lie in folders inside a class folder; hidden names are left out, links are followed.

    Args:
        data_root: folder of the data set.
        data_prefix: the split, a folder in ``data_root``; empty if the class folders lie in
            ``data_root`` itself.
        allow_empty_classes: accept a class without images.
        pipeline, classes, test_mode, on_error, seed, subset: see ``ClassificationDataset``. Labels follow
            the order of ``classes``, and the folders must be exactly these.

    Raises:
        FileNotFoundError: if the folder does not exist; the message shows the layout.
        ValueError: if it holds no class folders, a class has no images, or ``classes`` and the
            folders disagree.
    """

    def __init__(
        self,
        data_root: str | os.PathLike[str],
        data_prefix: str = "train",
        *,
        allow_empty_classes: bool = False,
        pipeline: Sequence[Mapping[str, Any] | Transform] = (),
        classes: Sequence[str] | None = None,
        test_mode: bool = False,
        on_error: str = "raise",
        seed: int = 0,
        subset: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(data_root, data_prefix)
        self.allow_empty_classes = allow_empty_classes
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
        """Read the folder names; arguments as the constructor's."""
        if kwargs.get("classes") is not None:
            return checked_classes(kwargs["classes"])
        return _class_folders(Path(kwargs["data_root"], kwargs.get("data_prefix", "train")))

    def load_classes(self) -> tuple[str, ...]:
        """Take the sorted names of the class folders."""
        return _class_folders(self.folder)

    def load_data_list(self) -> Iterator[SampleInfo]:
        """Find the images class by class."""
        folders = _class_folders(self.folder)
        classes = self.classes or folders
        self._check_agreement(classes, folders)
        present = set(folders)
        empty = []
        for label, name in enumerate(classes):
            paths = find_images(self.folder / name) if name in present else []
            if not paths:
                empty.append(name)
            for path in paths:
                yield {"img_path": path, "gt_label": label}
        if empty and not self.allow_empty_classes:
            raise ValueError(
                f"{len(empty)} of {len(classes)} classes in {self.folder.absolute()} have no "
                "images: "
                f"{', '.join(empty[:10])}{', ...' if len(empty) > 10 else ''}. Images end in "
                f"{' '.join(IMAGE_EXTENSIONS)}. Add some, remove the folder, or set "
                "allow_empty_classes=True."
            )

    def _check_agreement(self, classes: Sequence[str], folders: Sequence[str]) -> None:
        known, present = set(classes), set(folders)
        unnamed = [name for name in folders if name not in known]
        if unnamed:
            raise ValueError(
                f"folder {unnamed[0]!r} in {self.folder.absolute()} is not one of the "
                f"{len(classes)} `classes`. "
                f"{nearest_name(unnamed[0], classes)} Unless the config states `classes`, they are "
                "those of the training data. Correct them or the folder's name."
            )
        absent = [name for name in classes if name not in present]
        if absent and not self.allow_empty_classes:
            raise ValueError(
                f"class {absent[0]!r} of `classes` has no folder in {self.folder.absolute()}. "
                f"{nearest_name(absent[0], folders)} Unless the config states `classes`, they are "
                "those of the training data. Add the folder, or set allow_empty_classes=True for "
                "this data set, such as val_dataloader.dataset.allow_empty_classes=True."
            )

    def __repr__(self) -> str:
        return f"ImageFolder({os.fspath(self.folder)!r})"


def _class_folders(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no folder {folder.absolute()}. Put the images there, one folder for each class:\n"
            f"  {folder}/<class>/<image>.jpg\n"
            "ImageNet: data/imagenet/train/n01440764/n01440764_18.JPEG and "
            "data/imagenet/val/n01440764/...\n"
            "data/README.md shows every layout."
        )
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()
        )
    if not names:
        raise ValueError(
            f"{folder.absolute()} has no folders in it; expected one for each class, "
            f"{folder}/<class>/<image>.jpg. "
            "Sort the images into such folders, or use ImageList or ImageCSV (data/README.md)."
        )
    return tuple(names)
