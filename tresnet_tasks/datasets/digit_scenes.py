"""The embedded data set: handwritten digits on photographs, drawn on first use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .base import ClassificationDataset, SampleInfo
from .digit_boxes import DigitBoxes
from .digit_scenes_files import CLASSES, annotation_file, prepare_scenes
from .digit_scenes_render import SPLITS

_TASKS = {"cls": "single_label", "tags": "multi_label", "det": "detection"}


@DATASETS.register_module()
class DigitScenes(ClassificationDataset):
    """Scenes with 1 to 3 handwritten digits; the class is the largest digit, the tags are all.

    The scenes are drawn from scikit-learn's digits and photographs the first time that they are
    asked for, see ``prepare_scenes``. Beside the classes, ``annotations/{train,val}.json`` hold
    every digit's box in COCO's format.

    Args:
        data_root: where the scenes are, or will be.
        split: 'train' or 'val'. No digit instance is in both.
        task: 'cls' for the largest digit, 'tags' for all digits of the scene, 'det' for their
            boxes, which gives a ``DigitBoxes``.
        image_size: side of the images in pixels.
        num_train, num_val: how many scenes of each split are drawn; fewer are the first
            ones of more.
        scene_seed: another seed gives other scenes.
        classes: '0' to '9' in the order of their labels; None is the natural order.
        kwargs: ``pipeline``, ``test_mode``, ``on_error`` and ``seed`` of ``ClassificationDataset``.

    Raises:
        ValueError: for an argument out of its range, or if ``data_root`` holds anything else.
        OSError: if ``data_root`` cannot be written.
    """

    def __new__(
        cls,
        data_root: str | Path = "data/digit_scenes",
        split: str = "train",
        task: str = "cls",
        image_size: int = 64,
        num_train: int = 20000,
        num_val: int = 1000,
        scene_seed: int = 0,
        classes: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Make a reader of the task's kind; for 'det' that is another class, made here."""
        if task != "det":
            return super().__new__(cls)
        return DigitBoxes(
            *(data_root, split, image_size, num_train, num_val, scene_seed),
            classes=cls.class_names(classes=classes),
            **kwargs,
        )

    def __init__(
        self,
        data_root: str | Path = "data/digit_scenes",
        split: str = "train",
        task: str = "cls",
        image_size: int = 64,
        num_train: int = 20000,
        num_val: int = 1000,
        scene_seed: int = 0,
        classes: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}; it must be 'train' or 'val'.")
        if task not in _TASKS:
            raise ValueError(
                f"task is {task!r}; it must be 'cls' (the largest digit), 'tags' (all digits) or "
                "'det' (their boxes)."
            )
        self.task = _TASKS[task]
        self.split = split
        self.num_scenes = num_train if split == "train" else num_val
        self.data_root = prepare_scenes(
            data_root, image_size=image_size, num_train=num_train, num_val=num_val, seed=scene_seed
        )
        super().__init__(classes=self.class_names(classes=classes), **kwargs)

    def load_data_list(self) -> Iterator[SampleInfo]:
        """Read image paths and classes from the stored annotations."""
        labels = {name: label for label, name in enumerate(self.classes or CLASSES)}
        folder = self.data_root / self.split
        annotations = annotation_file(self.data_root, self.split)
        content = json.loads(annotations.read_text(encoding="utf-8"))
        digits: dict[int, dict[int, int]] = {}
        for digit in content["annotations"]:
            name = CLASSES[digit["category_id"] - 1]
            digits.setdefault(digit["image_id"], {})[labels[name]] = 1
        for image in content["images"][: self.num_scenes]:
            largest = labels[image["class"]]
            label = digits[image["id"]] if self.task == "multi_label" else largest
            yield {"img_path": str(folder / image["file_name"]), "gt_label": label}

    @classmethod
    def label_task(cls, **kwargs: Any) -> str:
        """'multi_label' for the tags, 'detection' for the boxes, else 'single_label'."""
        return _TASKS.get(kwargs.get("task", "cls"), cls.task)

    @classmethod
    def class_names(cls, **kwargs: Any) -> tuple[str, ...]:
        """'0' to '9', or ``classes`` where given; nothing is read or drawn.

        Raises:
            ValueError: if ``classes`` are not these ten names.
        """
        classes = kwargs.get("classes")
        if classes is None:
            return CLASSES
        if tuple(sorted(classes)) != CLASSES:
            raise ValueError(
                f"classes is {list(classes)}; DigitScenes has exactly the classes '0' to '9'. "
                "Leave it out, or give these ten in the order of their labels."
            )
        return tuple(classes)
