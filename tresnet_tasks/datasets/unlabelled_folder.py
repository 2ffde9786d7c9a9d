"""Images of which nothing is known."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .image_dataset import ImageDataset
from .image_names import find_images


@DATASETS.register_module()
class UnlabelledFolder(ImageDataset):
    """The images in a folder and the folders inside it, without labels, for a teacher to tell.

    Their samples have no ``gt_label``. A labelled reader gives such ones too, if its pipeline ends
    with ``PackClsInputs(labels=False)``.

    Args:
        data_root: folder of the data set.
        data_prefix: a folder in ``data_root``; empty for ``data_root`` itself.
        kwargs: ``pipeline``, ``classes``, ``test_mode``, ``on_error`` and ``seed`` of
            ``ImageDataset``. In configs ``classes`` are those of the labelled data.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if it holds no images; see also ``ImageDataset``.
    """

    task = "unlabelled"

    def __init__(
        self, data_root: str | os.PathLike[str], data_prefix: str = "", **kwargs: Any
    ) -> None:
        self.folder = Path(data_root, data_prefix)
        super().__init__(**kwargs)

    def load_data_list(self) -> Sequence[str]:
        """Find the images."""
        if not self.folder.is_dir():
            raise FileNotFoundError(
                f"no folder {self.folder.absolute()}. Put the unlabelled images there; they may lie "
                "in folders inside it."
            )
        return find_images(self.folder)

    def get_cat_ids(self, index: int) -> list[int]:
        """No labels."""
        return []

    def _pack(self, samples: Iterable[str]) -> Iterator[str]:
        return iter(samples)

    def __repr__(self) -> str:
        return f"UnlabelledFolder({os.fspath(self.folder)!r})"
