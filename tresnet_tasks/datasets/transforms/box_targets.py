"""Boxes, labels, flags and masks on their way through albumentations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

_OF_BOXES = ("gt_bboxes_labels", "gt_ignore_flags")


def take_boxes(results: dict[str, Any]) -> dict[str, Any]:
    """Give what albumentations is to transform along with the image.

    Args:
        results: with ``gt_bboxes``, (N, 4) x1, y1, x2, y2 in pixels (an array, a tensor or mmdet's
            ``HorizontalBoxes``), and perhaps mmdet's ``gt_masks``.

    Returns:
        ``bboxes``: (N, 5) float32, the last column being the number of the box, by which labels,
        flags and masks are found again; ``masks``: a list of N arrays (H, W) where there are any.

    Raises:
        ValueError: for boxes that are not axis-aligned.
    """
    found = getattr(results["gt_bboxes"], "tensor", results["gt_bboxes"])
    boxes = np.asarray(found, dtype=np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f"gt_bboxes of {results.get('img_path')} is {boxes.shape}; albumentations takes (N, 4) "
            "boxes x1, y1, x2, y2. Use mmdet's transforms for rotated ones."
        )
    numbers = np.arange(len(boxes), dtype=np.float32)[:, None]
    data: dict[str, Any] = {"bboxes": np.hstack([boxes, numbers])}
    if len(boxes) and "gt_masks" in results:
        data["masks"] = list(results["gt_masks"].to_ndarray())
    return data


def give_boxes(results: dict[str, Any], data: dict[str, Any]) -> None:
    """Put what albumentations has made of the boxes back into ``results``.

    A box that is gone takes its label, flag and mask with it; a mask without a pixel left takes
    its box along.
    """
    boxes = np.asarray(data["bboxes"], dtype=np.float32)
    boxes = boxes if len(boxes) else np.zeros((0, 5), dtype=np.float32)
    kept = boxes[:, 4].astype(np.int64)
    if "masks" in data:
        visible = np.array([bool(data["masks"][i].any()) for i in kept], dtype=bool)
        boxes, kept = boxes[visible], kept[visible]
    old = results["gt_bboxes"]
    new: Any = np.ascontiguousarray(boxes[:, :4])
    if isinstance(old, torch.Tensor):
        new = torch.from_numpy(new)
    results["gt_bboxes"] = type(old)(torch.from_numpy(new)) if hasattr(old, "tensor") else new
    for key in _OF_BOXES:
        if key in results:
            results[key] = results[key][kept]
    if "gt_masks" in results:
        from mmdet.structures.mask import BitmapMasks

        shape = data["image"].shape[:2]
        results["gt_masks"] = BitmapMasks([data["masks"][i] for i in kept], *shape)
