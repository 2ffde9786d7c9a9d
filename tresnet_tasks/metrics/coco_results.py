"""Detections in COCO's format of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def coco_results(
    image_id: int | str,
    bboxes: ArrayLike,
    scores: ArrayLike,
    labels: ArrayLike,
    category_ids: Sequence[int],
    masks: Sequence[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Write the detections of one image as COCO's results, ready for ``json.dumps``.

    Args:
        image_id: of the image.
        bboxes: (N, 4) x1, y1, x2, y2 in pixels.
        scores: (N,).
        labels: (N,) whole numbers.
        category_ids: the category's id of each label.
        masks: N compressed RLEs (``encode_masks``); None for boxes alone.

    Returns:
        N dicts of ``image_id``, ``category_id``, ``bbox`` (x, y, width, height), ``score`` and,
        with masks, ``segmentation``.
    """
    boxes = np.asarray(bboxes, dtype=np.float64).reshape(-1, 4)
    boxes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    results = [
        {
            "image_id": image_id,
            "category_id": category_ids[label],
            "bbox": box,
            "score": score,
        }
        for box, score, label in zip(
            boxes.tolist(),
            np.asarray(scores, dtype=np.float64).tolist(),
            np.asarray(labels, dtype=np.int64).tolist(),
            strict=True,
        )
    ]
    for result, mask in zip(results, masks or (), strict=masks is not None):
        result["segmentation"] = mask
    return results


def encode_masks(masks: Any) -> list[dict[str, Any]]:
    """Encode masks as COCO's compressed RLEs, ready for ``json.dumps``.

    Args:
        masks: (N, H, W) of 0 and 1, or a list of RLEs, which stay as they are.

    Returns:
        N dicts of ``size`` and ``counts`` (text).
    """
    from pycocotools import mask as library

    if isinstance(masks, Sequence):
        encoded = [dict(mask) for mask in masks]
    else:
        pixels = np.asarray(masks.cpu() if hasattr(masks, "cpu") else masks, dtype=np.uint8)
        encoded = library.encode(np.asfortranarray(pixels.transpose(1, 2, 0)))
    for mask in encoded:
        if isinstance(mask["counts"], bytes):
            mask["counts"] = mask["counts"].decode("ascii")
    return encoded
