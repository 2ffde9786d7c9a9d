"""The boxes of the embedded data set."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from .coco_detection import CocoDetection
from .detection import DetectionInfo
from .digit_scenes_files import annotation_file, prepare_scenes
from .digit_scenes_render import SPLITS


class DigitBoxes(CocoDetection):
    """The scenes of ``DigitScenes`` with a box around each digit; ``DigitScenes(task='det')``.

    Args:
        data_root, split, image_size, num_train, num_val, scene_seed: as ``DigitScenes`` takes them.
        kwargs: as ``CocoDetection`` takes them.
    """

    def __init__(
        self,
        data_root: str | Path,
        split: str,
        image_size: int,
        num_train: int,
        num_val: int,
        scene_seed: int,
        **kwargs: Any,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}; it must be 'train' or 'val'.")
        self.num_scenes = num_train if split == "train" else num_val
        root = prepare_scenes(
            data_root, image_size=image_size, num_train=num_train, num_val=num_val, seed=scene_seed
        )
        super().__init__(annotation_file(root, split), data_prefix=str(root / split), **kwargs)

    def load_data_list(self) -> Iterator[DetectionInfo]:
        """Read the stored annotations, of as many scenes as are asked for."""
        return islice(super().load_data_list(), self.num_scenes)
