"""``nms`` by torchvision; ``softnms`` and ``nms_match``, which are sequential, in NumPy on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torchvision
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from .precision import operator, widened

NAIVE, LINEAR, GAUSSIAN = 0, 1, 2
Array = NDArray[Any]


@operator
def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that no higher-scoring kept box overlaps by more than the threshold.

    Args:
        boxes: (N, 4), xyxy.
        scores: (N,).
        iou_threshold: in [0, 1].
        offset: 1 if a box from 3 to 5 is 3 pixels wide, 0 if it is 2.

    Returns:
        (K,) int64, by falling score.

    Memory: torchvision's; N^2 / 8 bytes on CUDA, O(N) on the CPU.
    """
    boxes = widened(boxes)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    kept: Tensor = torchvision.ops.nms(boxes, widened(scores), iou_threshold)
    return kept


def _iou_with_rest(box: Array, rest: Array, offset: int) -> Array:
    """IoU of one box (4,) with others (N, 4); 0 where both have no area."""
    width = np.minimum(box[2], rest[:, 2]) - np.maximum(box[0], rest[:, 0]) + offset
    height = np.minimum(box[3], rest[:, 3]) - np.maximum(box[1], rest[:, 1]) + offset
    inter = np.maximum(width, 0) * np.maximum(height, 0)
    areas = (rest[:, 2] - rest[:, 0] + offset) * (rest[:, 3] - rest[:, 1] + offset)
    union = (box[2] - box[0] + offset) * (box[3] - box[1] + offset) + areas - inter
    iou: Array = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return iou


@operator
def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    *,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al. 2017): overlapped boxes lose score instead of their place.

    Args:
        boxes: (N, 4), xyxy, on the CPU.
        scores: (N,), on the CPU.
        dets: (N, 5), on the CPU; the first K rows are filled with boxes and their new scores.
        iou_threshold: from which on boxes lose score ('naive' and 'linear').
        sigma: of the gaussian.
        min_score: a box whose score falls below this is dropped.
        method: 0 naive, 1 linear, 2 gaussian.
        offset: 1 if a box from 3 to 5 is 3 pixels wide, 0 if it is 2.

    Returns:
        (K,) int64: which boxes the rows of ``dets`` are, in the order of their selection.

    Memory: O(N).
    """
    left = widened(boxes).numpy().copy()
    score = widened(scores).numpy().copy()
    index = np.arange(len(left))
    chosen: list[int] = []
    found: list[Array] = []
    while len(index):
        best = int(np.argmax(score))
        box = left[best]
        chosen.append(int(index[best]))
        found.append(np.append(box, score[best]))
        iou = _iou_with_rest(box, left, offset)
        if method == GAUSSIAN:
            score = score * np.exp(-(iou * iou) / sigma).astype(score.dtype)
        else:
            kept_share = 0 if method == NAIVE else 1 - iou
            score = np.where(iou >= iou_threshold, score * kept_share, score)
        stays = score >= min_score
        stays[best] = False
        left, score, index = left[stays], score[stays], index[stays]
    if found:
        dets[: len(found)] = from_numpy(np.stack(found))
    return from_numpy(np.asarray(chosen, dtype=np.int64))


@operator
def nms_match(dets: Tensor, *, iou_threshold: float) -> list[list[int]]:
    """Groups of boxes: each box that NMS keeps, followed by those it suppresses, by falling score.

    Args:
        dets: (N, 5), xyxy and score, on the CPU.
        iou_threshold: boxes that overlap by at least this much are suppressed.

    Returns:
        One list of indices a kept box.

    Memory: O(N).
    """
    array = widened(dets).numpy()
    order = np.argsort(-array[:, 4], kind="stable")
    groups = []
    while len(order):
        first, rest = order[0], order[1:]
        taken = _iou_with_rest(array[first, :4], array[rest, :4], 0) >= iou_threshold
        groups.append([int(first), *map(int, rest[taken])])
        order = rest[~taken]
    return groups
