"""One set of images, annotated for several tasks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..registry import DATASETS
from .image_dataset import ImageDataset


@DATASETS.register_module()
class JointDataset(ImageDataset):
    """Images that several readers know something of, each for one head.

    An image that a reader does not list has no labels for that head. Images are the same where
    their paths are.

    The pipeline changes an image once for all heads. Labels of a detection reader (``gt_bboxes``,
    ...) go through it, so there can be one such reader; the labels of the others stay aside, in
    ``results['tasks']``, where ``PackTasks``, the pipeline's last step, finds them.

    Args:
        readers: config of a reader for each head, by the head's name, without pipelines.
        kwargs: ``pipeline``, ``test_mode``, ``on_error`` and ``seed`` of ``ImageDataset``.

    Raises:
        ValueError: for no reader, one with a pipeline, or two for detection.
    """

    task = "joint"

    def __init__(self, readers: Mapping[str, Mapping[str, Any]], **kwargs: Any) -> None:
        if not readers:
            raise ValueError(
                "JointDataset got no readers; name at least one: readers=dict(cls=...)."
            )
        with_pipeline = [name for name, reader in readers.items() if reader.get("pipeline")]
        if with_pipeline:
            raise ValueError(
                f"readers {', '.join(with_pipeline)} of a JointDataset have a pipeline. An image is "
                "changed once for all heads: state one pipeline, for the JointDataset."
            )
        self.readers = {name: DATASETS.build(dict(reader)) for name, reader in readers.items()}
        detecting = [name for name, r in self.readers.items() if r.task == "detection"]
        if len(detecting) > 1:
            raise ValueError(
                f"readers {', '.join(detecting)} of a JointDataset all give boxes, of which an "
                "image carries one set. Put their classes into one head, or use a MultiTaskDataset."
            )
        super().__init__(**kwargs)

    def load_data_list(self) -> Iterable[tuple[str, list[int]]]:
        """Each image's path and its index in each reader, -1 where it is not listed."""
        found: dict[str, tuple[str, list[int]]] = {}
        for position, reader in enumerate(self.readers.values()):
            for index in range(len(reader)):
                path = reader.img_path(index)
                # Not resolve(), which asks the disk about each of a million files.
                same = os.path.abspath(path)  # noqa: PTH100
                entry = found.setdefault(same, (path, [-1] * len(self.readers)))
                entry[1][position] = index
        return found.values()

    def _pack(self, samples: Iterable[tuple[str, list[int]]]) -> Iterator[str]:
        rows = []
        for path, indices in samples:
            rows.append(indices)
            yield path
        self._indices = np.array(rows, dtype=np.int64)

    @property
    def metainfo(self) -> dict[str, Any]:
        """``tasks``: the metainfo of each head's reader, by the head's name; and ``task``."""
        return {"task": self.task, "tasks": {name: r.metainfo for name, r in self.readers.items()}}

    def get_data_info(self, index: int) -> dict[str, Any]:
        """``img_path``, ``sample_idx``, the boxes, and in ``tasks`` what else each head is told."""
        results = super().get_data_info(index)
        tasks: dict[str, dict[str, Any]] = {}
        for (name, reader), inside in zip(self.readers.items(), self._indices[index], strict=True):
            if inside < 0:
                continue
            info = reader.get_data_info(int(inside))
            if reader.task == "detection":
                results = {**info, **results}
                info = {}
            tasks[name] = {"task": reader.task, **info}
        return {**results, "tasks": tasks}
