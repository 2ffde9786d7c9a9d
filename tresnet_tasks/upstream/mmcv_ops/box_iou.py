"""``bbox_overlaps``: plain torch."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import operator, widened

PAIRS_AT_ONCE = 2**22


def _overlap(first: Tensor, second: Tensor, mode: int, offset: int) -> Tensor:
    """Overlaps of (..., 4) and (..., 4) boxes, broadcast."""
    left_top = torch.maximum(first[..., :2], second[..., :2])
    right_bottom = torch.minimum(first[..., 2:], second[..., 2:])
    width, height = (right_bottom - left_top + offset).clamp_(min=0).unbind(-1)
    intersection = width * height
    base = _area(first, offset)
    if mode == 0:
        base = base + _area(second, offset) - intersection
    base = base.clamp(min=offset).expand_as(intersection)
    # Boxes without area: 0, where mmcv's kernel answers 0 / 0.
    return torch.where(base > 0, intersection / base, 0.0)


def _area(boxes: Tensor, offset: int) -> Tensor:
    width, height = (boxes[..., 2:] - boxes[..., :2] + offset).unbind(-1)
    return width * height


@operator
def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, *, mode: int, aligned: bool, offset: int
) -> None:
    """Overlaps of axis-aligned boxes, written into ``ious``.

    Args:
        bboxes1: (M, 4), xyxy.
        bboxes2: (N, 4); as many as ``bboxes1`` if ``aligned``.
        ious: (M, N), or (M,) if ``aligned``; filled with values in [0, 1].
        mode: 0 for intersection over union, 1 for intersection over the area of ``bboxes1``.
        aligned: compare the i-th with the i-th only.
        offset: 1 if a box from 3 to 5 is 3 pixels wide, 0 if it is 2.

    Memory: about 8 numbers for each of at most 2^22 pairs (or one row of N) at a time.
    """
    first, second = widened(bboxes1), widened(bboxes2)
    if aligned:
        ious.copy_(_overlap(first, second, mode, offset))
        return
    rows = max(1, PAIRS_AT_ONCE // max(1, len(second)))
    for start in range(0, len(first), rows):
        part = first[start : start + rows, None]
        ious[start : start + rows] = _overlap(part, second[None], mode, offset)
