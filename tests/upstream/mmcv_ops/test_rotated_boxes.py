from __future__ import annotations

import math

import cv2
import pytest
import torch
from mmcv.ops import box_iou_rotated, nms_rotated
from torch import Tensor

from tresnet_tasks.upstream.mmcv_ops import rotated_boxes


def boxes(count: int) -> Tensor:
    middle, size = 20 * torch.rand(count, 2), 2 + 15 * torch.rand(count, 2)
    return torch.cat([middle, size, 8 * torch.rand(count, 1) - 4], dim=1).double()


def by_opencv(first: Tensor, second: Tensor) -> float:
    """IoU from OpenCV's polygon of the intersection."""
    described = [
        ((b[0], b[1]), (b[2], b[3]), math.degrees(b[4])) for b in (first.tolist(), second.tolist())
    ]
    _, polygon = cv2.rotatedRectangleIntersection(*described)
    shared = 0.0 if polygon is None else cv2.contourArea(cv2.convexHull(polygon))
    return shared / (float(first[2] * first[3] + second[2] * second[3]) - shared)


def test_opencv_says_the_same() -> None:
    first, second = boxes(9), boxes(11)
    expected = torch.tensor([[by_opencv(a, b) for b in second] for a in first])
    found = box_iou_rotated(first, second)
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-4)
    assert (found > 0).float().mean() > 0.3


# The figures of mmcv's own test.
FIRST = [[1.0, 1.0, 3.0, 4.0, 0.5], [2.0, 2.0, 3.0, 4.0, 0.6], [7.0, 7.0, 8.0, 8.0, 0.4]]
SECOND = [[0.0, 2.0, 2.0, 5.0, 0.3], [2.0, 1.0, 3.0, 3.0, 0.5], [5.0, 5.0, 6.0, 7.0, 0.4]]
IOU = [[0.3708, 0.4351, 0.0], [0.1104, 0.4487, 0.0424], [0.0, 0.0, 0.3622]]
IOF = [[0.4959, 0.5306, 0.0], [0.1823, 0.5420, 0.1832], [0.0, 0.0, 0.4404]]


@pytest.mark.parametrize(("mode", "expected"), [("iou", IOU), ("iof", IOF)])
@pytest.mark.parametrize("clockwise", [True, False])
def test_mmcvs_figures(mode: str, expected: list[list[float]], clockwise: bool) -> None:
    turn = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0 if clockwise else -1.0])
    first, second = torch.tensor(FIRST) * turn, torch.tensor(SECOND) * turn
    close = {"rtol": 0, "atol": 1e-4}
    found = box_iou_rotated(first, second, mode=mode, clockwise=clockwise)
    torch.testing.assert_close(found, torch.tensor(expected), **close)
    aligned = box_iou_rotated(first, second, mode=mode, aligned=True, clockwise=clockwise)
    torch.testing.assert_close(aligned, torch.tensor(expected).diagonal(), **close)


def test_sides_that_coincide_count_once() -> None:
    box = torch.tensor([[5.0, 5.0, 4.0, 2.0, 0.3]])
    turned_twice = box + torch.tensor([0.0, 0.0, 0.0, 0.0, math.pi])
    half = torch.tensor([[5.0, 5.0, 4.0, 2.0, 0.0], [6.0, 5.0, 2.0, 2.0, 0.0]])
    assert box_iou_rotated(box, box).item() == pytest.approx(1, abs=1e-5)
    assert box_iou_rotated(box, turned_twice).item() == pytest.approx(1, abs=1e-5)
    assert box_iou_rotated(half[:1], half[1:]).item() == pytest.approx(0.5, abs=1e-6)


def test_boxes_without_area_overlap_nothing() -> None:
    flat = torch.tensor([[5.0, 5.0, 0.0, 2.0, 0.3]])
    assert box_iou_rotated(flat, flat).item() == 0


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = boxes(7), boxes(5)
    whole = box_iou_rotated(first, second)
    monkeypatch.setattr(rotated_boxes, "PAIRS_AT_ONCE", 11)
    torch.testing.assert_close(box_iou_rotated(first, second), whole, rtol=0, atol=0)


def greedy(boxes: Tensor, scores: Tensor, labels: Tensor) -> list[int]:
    kept: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        rivals = [k for k in kept if labels[k] == labels[i]]
        if all(by_opencv(boxes[i], boxes[k]) <= 0.3 for k in rivals):
            kept.append(i)
    return kept


@pytest.mark.parametrize("classes", [1, 3])
def test_nms_is_the_greedy_loop(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotated_boxes, "ROWS_AT_ONCE", 16)
    candidates, scores, labels = boxes(50), torch.rand(50), torch.randint(classes, (50,))
    _, kept = nms_rotated(candidates, scores.double(), 0.3, labels if classes > 1 else None)
    assert kept.tolist() == greedy(candidates, scores, labels)


def test_nms_gives_mmcvs_figures() -> None:
    candidates = torch.tensor(
        [
            [6.0, 3.0, 8.0, 7.0, 0.5],
            [3.0, 6.0, 9.0, 11.0, 0.6],
            [3.0, 7.0, 10.0, 12.0, 0.3],
            [1.0, 4.0, 13.0, 7.0, 0.6],
        ]
    )
    _, kept = nms_rotated(candidates, torch.tensor([0.7, 0.8, 0.5, 0.9]), 0.5)
    assert kept.tolist() == [3, 1, 0]
