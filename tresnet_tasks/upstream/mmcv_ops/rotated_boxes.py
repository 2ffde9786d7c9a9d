"""``box_iou_rotated`` and ``nms_rotated``: plain torch."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import operator, widened

PAIRS_AT_ONCE = 2**18
ROWS_AT_ONCE = 1024
NO_AREA = 1e-14


def _corners_in_frame(first: Tensor, second: Tensor) -> Tensor:
    """Corners of ``first`` in the frame where ``second`` is centred and upright: (..., 4, 2)."""
    turn, base = first[..., 4], second[..., 4]
    half = first[..., 2:4, None] / 2
    # The corners in turn round the box, in its own frame.
    signs = first.new_tensor([[-1.0, 1.0, 1.0, -1.0], [-1.0, -1.0, 1.0, 1.0]])
    x, y = (half * signs).unbind(-2)
    cos, sin = torch.cos(turn - base)[..., None], torch.sin(turn - base)[..., None]
    shift = first[..., :2] - second[..., :2]
    cos_base, sin_base = torch.cos(base), torch.sin(base)
    shift_x = shift[..., 0] * cos_base + shift[..., 1] * sin_base
    shift_y = shift[..., 1] * cos_base - shift[..., 0] * sin_base
    return torch.stack(
        [x * cos - y * sin + shift_x[..., None], x * sin + y * cos + shift_y[..., None]], dim=-1
    )


def _intersection(first: Tensor, second: Tensor) -> Tensor:
    """Area that (..., 5) boxes share.

    In the frame of ``second`` the shared area is the integral, over the width of ``second``, of the
    height between the upper and the lower side of ``first``, both clamped to the height of
    ``second``: a signed sum over the four sides of ``first``. Nothing in it jumps when sides touch
    or coincide, unlike in a search for crossing points.
    """
    start = _corners_in_frame(first, second)
    end = start.roll(-1, dims=-2)
    half_width = second[..., 2, None] / 2
    half_height = second[..., 3, None] / 2
    run = end[..., 0] - start[..., 0]
    slope = (end[..., 1] - start[..., 1]) / torch.where(run == 0, 1.0, run)
    from_x = torch.minimum(torch.maximum(start[..., 0], -half_width), half_width)
    to_x = torch.minimum(torch.maximum(end[..., 0], -half_width), half_width)
    from_y = start[..., 1] + slope * (from_x - start[..., 0])
    to_y = start[..., 1] + slope * (to_x - start[..., 0])
    low, high = torch.minimum(from_y, to_y), torch.maximum(from_y, to_y)
    rise = torch.where(high > low, high - low, 1.0)
    below = ((-half_height - low) / rise).clamp(0, 1)
    above = ((high - half_height) / rise).clamp(0, 1)
    low = torch.minimum(torch.maximum(low, -half_height), half_height)
    high = torch.minimum(torch.maximum(high, -half_height), half_height)
    mean = (above - below) * half_height + (1 - above - below) * (low + high) / 2
    return ((to_x - from_x) * mean).sum(-1).abs()


def _overlap(first: Tensor, second: Tensor, mode: int) -> Tensor:
    """IoU (mode 0) or share of ``first`` (mode 1) of (..., 5) boxes, broadcast."""
    area_first, area_second = first[..., 2] * first[..., 3], second[..., 2] * second[..., 3]
    shared = _intersection(first, second)
    base = (area_first + area_second - shared) if mode == 0 else area_first.expand_as(shared)
    real = (area_first >= NO_AREA) & (area_second >= NO_AREA)
    return torch.where(real, shared / torch.where(real, base, 1.0), 0.0)


@operator
def box_iou_rotated(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, *, mode_flag: int, aligned: bool
) -> None:
    """Overlaps of rotated boxes, written into ``ious``.

    Args:
        bboxes1: (M, 5): centre x, centre y, width, height, angle in radians, clockwise on the screen.
        bboxes2: (N, 5); as many as ``bboxes1`` if ``aligned``.
        ious: (M * N,), or (M,) if ``aligned``; filled with values in [0, 1].
        mode_flag: 0 for intersection over union, 1 for intersection over the area of ``bboxes1``.
        aligned: compare the i-th with the i-th only.

    Memory: about 100 numbers for each of at most 2^18 pairs (or one row of N) at a time: 100 MiB in
    float32.
    """
    first, second = widened(bboxes1), widened(bboxes2)
    if aligned:
        for start in range(0, len(first), PAIRS_AT_ONCE):
            pairs = slice(start, start + PAIRS_AT_ONCE)
            ious[pairs] = _overlap(first[pairs], second[pairs], mode_flag)
        return
    table = ious.view(len(first), len(second))
    rows = max(1, PAIRS_AT_ONCE // max(1, len(second)))
    for start in range(0, len(first), rows):
        part = first[start : start + rows, None]
        table[start : start + rows] = _overlap(part, second[None], mode_flag)


@operator
def nms_rotated(
    dets: Tensor,
    scores: Tensor,
    order: Tensor,
    dets_sorted: Tensor,
    labels: Tensor,
    iou_threshold: float,
    multi_label: bool,
) -> Tensor:
    """Indices of the rotated boxes that no higher-scoring kept box overlaps by more than the threshold.

    Args:
        dets: (N, 5), or (N, 6) with the label last if ``multi_label``; not used.
        scores: (N,); not used.
        order: (N,) int64, the boxes by falling score.
        dets_sorted: ``dets`` in this order.
        labels: not used: they are in ``dets_sorted``.
        iou_threshold: in [0, 1].
        multi_label: boxes suppress only those of their own label.

    Returns:
        (K,) int64, by falling score.

    Memory: 1,024 x N bytes, and that of `box_iou_rotated`.
    """
    boxes = widened(dets_sorted)
    count = len(boxes)
    alive = torch.ones(count, dtype=torch.bool)
    for start in range(0, count, ROWS_AT_ONCE):
        rows = boxes[start : start + ROWS_AT_ONCE]
        overlap = boxes.new_zeros(len(rows) * (count - start))
        box_iou_rotated(rows[:, :5], boxes[start:, :5], overlap, mode_flag=0, aligned=False)
        hit = overlap.view(len(rows), -1) > iou_threshold
        if multi_label:
            hit &= rows[:, None, 5] == boxes[None, start:, 5]
        hit = hit.cpu()
        for row in range(len(rows)):
            if alive[start + row]:
                # Only later boxes: itself and the earlier ones of this block stay as they are.
                alive[start + row + 1 :] &= ~hit[row, row + 1 :]
    return order[alive.to(order.device)]
