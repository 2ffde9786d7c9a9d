"""What a detector says of one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.coco_results import coco_results, encode_masks


@dataclass(frozen=True, eq=False)
class Detections:
    """The N objects that were found on an image, the highest score first.

    Attributes:
        path: the file, or None where the image came as an array or a PIL image.
        size: (height, width) of the image in pixels, upright.
        bboxes: (N, 4) float32, x1, y1, x2, y2 in pixels of the image.
        labels: (N,) int64, ids of the classes.
        scores: (N,) float32, in [0, 1].
        classes: the names of all C classes.
        category_ids: (C,) their ids in the annotations that were trained on; 1 to C where the
            checkpoint does not tell.
        masks: N masks as COCO's compressed RLEs, or None where the detector makes none.
        threshold: only objects above this score are told and drawn.
    """

    path: str | None
    size: tuple[int, int]
    bboxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    classes: tuple[str, ...] = field(repr=False)
    category_ids: tuple[int, ...] = field(repr=False)
    masks: list[dict[str, Any]] | None = field(default=None, repr=False)
    threshold: float = 0.3

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def names(self) -> list[str]:
        """The class of each object."""
        return [self.classes[label] for label in self.labels]

    def topk(self, k: int = 5) -> list[tuple[str, float]]:
        """Class and score of the ``k`` best objects."""
        return list(zip(self.names[:k], self.scores[:k].tolist(), strict=True))

    def told(self) -> tuple[str, str]:
        """Classes and scores of the objects above the threshold, as one line of text each."""
        number = self.above
        names, scores = self.names[:number], self.scores[:number]
        return ", ".join(names) or "-", ", ".join(f"{score:.4f}" for score in scores) or "-"

    @property
    def above(self) -> int:
        """How many objects, the first ones, are above the threshold."""
        return int((self.scores > self.threshold).sum())

    def mask_pixels(self, number: int) -> NDArray[np.uint8] | None:
        """The first ``number`` masks as (number, H, W) of 0 and 1; None where there are none."""
        if not self.masks or not number:
            return None
        from pycocotools import mask as library

        pixels: NDArray[np.uint8] = library.decode(self.masks[:number])
        return np.moveaxis(pixels, 2, 0)

    def to_dict(self, k: int = 0) -> dict[str, Any]:
        """The same as data that JSON can hold.

        Args:
            k: not used: all objects are kept, whatever their score.

        Returns:
            ``path``, ``size`` and ``detections``: for each object ``class_id``, ``class_name``,
            ``category_id``, ``score``, ``bbox`` (x1, y1, x2, y2) and, where there is one, ``mask``.
        """
        detections = [
            {
                "class_id": int(label),
                "class_name": self.classes[label],
                "category_id": self.category_ids[label],
                "score": float(score),
                "bbox": [round(float(edge), 2) for edge in box],
                **({} if self.masks is None else {"mask": self.masks[index]}),
            }
            for index, (label, score, box) in enumerate(
                zip(self.labels, self.scores, self.bboxes, strict=True)
            )
        ]
        return {"path": self.path, "size": list(self.size), "detections": detections}


def detections_of(sample: Any, path: str | None, **about: Any) -> Detections:
    """Take what a detector answered.

    Args:
        sample: a ``DetDataSample`` with ``pred_instances`` in pixels of the whole image.
        path: of the image.
        about: ``classes``, ``category_ids`` and ``threshold``, as in `Detections`.
    """
    found = sample.pred_instances.cpu()
    order = found.scores.argsort(descending=True, stable=True)
    found = found[order]
    return Detections(
        path=path,
        size=tuple(sample.ori_shape),
        bboxes=found.bboxes.float().numpy(),
        labels=found.labels.long().numpy(),
        scores=found.scores.float().numpy(),
        masks=encode_masks(found.masks) if "masks" in found else None,
        **about,
    )


def one_threshold(thresholds: Any) -> float:
    """The threshold of a model that takes a single one.

    Raises:
        ValueError: if it is no number.
    """
    if isinstance(thresholds, int | float):
        return float(thresholds)
    raise ValueError(
        f"thresholds={str(thresholds)!r} for a model that detects; expected one number, above which "
        "objects are told and drawn."
    )


def result_list(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """COCO's results of images, each of which also names its file.

    Args:
        rows: of ``Detections.to_dict``.

    Returns:
        Dicts of ``image_id``, ``category_id``, ``bbox`` (x, y, width, height), ``score``,
        ``file_name`` and, with masks, ``segmentation``. The id of an image is the number that its
        file is named by, as in COCO; where not all are, they are counted from 1.
    """
    stems = [Path(str(row["path"])).stem for row in rows]
    by_name = all(stem.isdecimal() for stem in stems) and len({*map(int, stems)}) == len(stems)
    results = []
    for number, (row, stem) in enumerate(zip(rows, stems, strict=True), start=1):
        found = row["detections"]
        masks = [item["mask"] for item in found] if found and "mask" in found[0] else None
        for result in coco_results(
            int(stem) if by_name else number,
            [item["bbox"] for item in found],
            [item["score"] for item in found],
            range(len(found)),
            [item["category_id"] for item in found],
            masks,
        ):
            results.append({**result, "file_name": Path(str(row["path"])).name})
    return results


def detection_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """Lines of a CSV file, one an object, the header first; an image without objects has none.

    Args:
        rows: of ``Detections.to_dict``.
    """
    yield ["path", "class_id", "class_name", "score", "x1", "y1", "x2", "y2"]
    for row in rows:
        for item in row["detections"]:
            yield [row["path"], item["class_id"], item["class_name"], item["score"], *item["bbox"]]
