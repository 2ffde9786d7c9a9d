"""COCO's average precision, by whichever of two libraries is installed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The module, its reader of annotations and its evaluation; the first is several times as fast.
BACKENDS = {
    "faster_coco_eval": ("faster_coco_eval", "faster_coco_eval", "COCOeval_faster"),
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval", "COCOeval"),
}
_AREAS = {"APs": 1, "APm": 2, "APl": 3}  # small below 32 x 32 px, large from 96 x 96


@dataclass(frozen=True)
class CocoScores:
    """COCO's scores in [0, 1]; NaN where there is nothing to find.

    Attributes:
        summary: ``AP`` (the mean over IoU 0.50, 0.55, ..., 0.95), ``AP50``, ``AP75``, and ``APs``,
            ``APm``, ``APl`` of objects below 32 x 32, between, and from 96 x 96 pixels.
        class_ap: the same three of each class, (C, 3) float64: AP, AP50, AP75.
        support: how many objects each class has, crowds not counted, (C,) int64.
    """

    summary: dict[str, float]
    class_ap: NDArray[np.float64]
    support: NDArray[np.int64]


def coco_scores(
    ground_truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    iou_type: str = "bbox",
    backend: str | None = None,
) -> CocoScores:
    """Compare detections with annotations.

    Args:
        ground_truth: a data set in COCO's format: ``images`` (id, height, width), ``annotations``
            (id from 1 up, image_id, category_id, bbox as x, y, w, h, area, iscrowd, and for masks
            ``segmentation``) and ``categories`` (id, name).
        results: detections in COCO's format: image_id, category_id, score, bbox and for masks
            ``segmentation``, a compressed RLE. At most the best 100 of an image and class count.
        iou_type: 'bbox' or 'segm'.
        backend: 'faster_coco_eval' or 'pycocotools'; None takes the first if it is installed.

    Returns:
        The scores, classes in ascending order of their ids.

    Raises:
        ValueError: for another ``iou_type`` or ``backend``.
        ImportError: if the library is not installed.
    """
    if iou_type not in ("bbox", "segm"):
        raise ValueError(f"iou_type is {iou_type!r}; it must be 'bbox' or 'segm'.")
    if backend is None:
        backend = next((name for name in BACKENDS if find_spec(name)), "pycocotools")
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}; it must be one of {', '.join(BACKENDS)}.")
    reader_module, evaluation_module, evaluation_name = BACKENDS[backend]
    reader = import_module(reader_module).COCO
    evaluation_type = getattr(import_module(evaluation_module), evaluation_name)
    shared = {key: ground_truth[key] for key in ("images", "categories")}
    with redirect_stdout(StringIO()):  # both tell of every step
        evaluation = evaluation_type(
            _indexed(reader, {**shared, "annotations": ground_truth["annotations"]}),
            _indexed(reader, {**shared, "annotations": _with_areas(results, iou_type)}),
            iou_type,
        )
        evaluation.evaluate()
        evaluation.accumulate()
    # (IoU threshold, recall, class, area, number of detections)
    precision = np.asarray(evaluation.eval["precision"])[..., -1]
    ids = sorted(category["id"] for category in ground_truth["categories"])
    support = Counter(a["category_id"] for a in ground_truth["annotations"] if not a.get("iscrowd"))
    return CocoScores(
        {
            "AP": _mean(precision[..., 0]),
            "AP50": _mean(precision[0, ..., 0]),
            "AP75": _mean(precision[5, ..., 0]),
            **{name: _mean(precision[..., area]) for name, area in _AREAS.items()},
        },
        np.array(
            [
                [_mean(precision[which, :, k, 0]) for which in (slice(None), 0, 5)]
                for k in range(len(ids))
            ],
            dtype=np.float64,
        ),
        np.array([support[key] for key in ids], dtype=np.int64),
    )


def _indexed(reader: Any, dataset: dict[str, Any]) -> Any:
    coco = reader()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _with_areas(results: Sequence[Mapping[str, Any]], iou_type: str) -> list[dict[str, Any]]:
    """Detections as both libraries keep them. Their own ``loadRes`` refuses an empty list."""
    if iou_type == "bbox":
        areas = [result["bbox"][2] * result["bbox"][3] for result in results]
    else:
        from pycocotools import mask

        # One by one: pycocotools 2.0.11 overflows where it is given more than 255 at once.
        areas = [mask.area(result["segmentation"]) for result in results]
    return [
        {**result, "id": number, "area": float(area), "iscrowd": 0}
        for number, (result, area) in enumerate(zip(results, areas, strict=True), start=1)
    ]


def _mean(precision: NDArray[np.float64]) -> float:
    known = precision[precision > -1]  # -1: a class or size without an object
    return float(known.mean()) if known.size else float("nan")
