from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision
from mmcv.ops import batched_nms, nms, nms_match, soft_nms
from torch import Tensor

# The figures of mmcv's own tests.
BOXES = torch.tensor(
    [[6.0, 3.0, 8.0, 7.0], [3.0, 6.0, 9.0, 11.0], [3.0, 7.0, 10.0, 12.0], [1.0, 4.0, 13.0, 7.0]]
)
SCORES = torch.tensor([0.6, 0.9, 0.7, 0.2])


def crowd(count: int) -> tuple[Tensor, Tensor]:
    corner = 40 * torch.rand(count, 2)
    size = 5 + 30 * torch.rand(count, 2)
    return torch.cat([corner, corner + size], dim=1), torch.rand(count)


def iou(a: list[float], b: list[float], offset: int) -> float:
    """By hand."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    areas = [(c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b)]
    return width * height / (sum(areas) - width * height)


def greedy(boxes: Tensor, scores: Tensor, threshold: float, offset: int) -> list[int]:
    """NMS as a loop."""
    kept: list[int] = []
    for i in scores.argsort(descending=True).tolist():
        if all(iou(boxes[i].tolist(), boxes[k].tolist(), offset) <= threshold for k in kept):
            kept.append(i)
    return kept


def test_nms_gives_mmcvs_figures() -> None:
    dets, kept = nms(BOXES, SCORES, iou_threshold=0.3, offset=0)
    assert kept.tolist() == [1, 0, 3]
    torch.testing.assert_close(dets, torch.cat([BOXES[kept], SCORES[kept, None]], dim=1))


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_nms_is_the_greedy_loop(threshold: float, offset: int) -> None:
    boxes, scores = crowd(60)
    _, kept = nms(boxes, scores, threshold, offset=offset)
    assert kept.tolist() == greedy(boxes, scores, threshold, offset)


def test_nms_of_half_and_double() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        _, kept = nms(BOXES.to(dtype), SCORES.to(dtype), 0.3)
        assert kept.tolist() == [1, 0, 3]


def test_nms_takes_numpy_thresholds_and_limits() -> None:
    dets, kept = nms(BOXES.numpy(), SCORES.numpy(), 0.3, score_threshold=0.3, max_num=1)
    assert isinstance(dets, np.ndarray)
    assert kept.tolist() == [1]


def test_nms_of_nothing() -> None:
    dets, kept = nms(torch.empty(0, 4), torch.empty(0), 0.5)
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)


@pytest.mark.parametrize("split", [10, 10000])
def test_batched_nms_keeps_classes_apart(split: int) -> None:
    boxes, scores = crowd(60)
    classes = torch.randint(3, (60,))
    config = {"type": "nms", "iou_threshold": 0.5, "split_thr": split}
    _, kept = batched_nms(boxes, scores, classes, config)
    expected = torchvision.ops.batched_nms(boxes, scores, classes, 0.5)
    assert kept.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("method", "scores", "kept"),
    [
        ("linear", [0.9, 0.6, 0.29024392, 0.2], [1, 0, 2, 3]),
        ("gaussian", [0.9, 0.59630775, 0.35275510, 0.18650459], [1, 0, 2, 3]),
        ("naive", [0.9, 0.6, 0.2], [1, 0, 3]),
    ],
)
def test_soft_nms_gives_mmcvs_figures(method: str, scores: list[float], kept: list[int]) -> None:
    dets, index = soft_nms(BOXES, SCORES, 0.3, sigma=0.5, min_score=0.01, method=method)
    assert index.tolist() == kept
    expected = torch.cat([BOXES[kept], torch.tensor(scores)[:, None]], dim=1)
    torch.testing.assert_close(dets, expected, rtol=1e-5, atol=1e-6)


def soft(boxes: Tensor, scores: Tensor, method: str, offset: int) -> list[tuple[int, float]]:
    """Soft-NMS as a loop."""
    left = dict(enumerate(scores.tolist()))
    found = []
    while left:
        best = max(left, key=left.__getitem__)
        found.append((best, left.pop(best)))
        for i in list(left):
            overlap = iou(boxes[best].tolist(), boxes[i].tolist(), offset)
            if method == "gaussian":
                left[i] *= math.exp(-(overlap**2) / 0.5)
            elif overlap >= 0.3:
                left[i] *= 0 if method == "naive" else 1 - overlap
            if left[i] < 0.05:
                del left[i]
    return found


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms_is_the_loop(method: str, offset: int) -> None:
    boxes, scores = (tensor.double() for tensor in crowd(40))
    dets, index = soft_nms(boxes, scores, 0.3, min_score=0.05, method=method, offset=offset)
    expected = soft(boxes, scores, method, offset)
    assert index.tolist() == [i for i, _ in expected]
    torch.testing.assert_close(dets[:, 4].tolist(), [score for _, score in expected])


def test_soft_nms_with_boxes_without_area() -> None:
    # The example in mmcv's documentation.
    boxes = np.array([[4, 3, 5, 3], [4, 3, 5, 4], *[[3, 1, 3, 1]] * 4], dtype=np.float32)
    scores = np.array([0.9, 0.9, 0.5, 0.5, 0.4, 0.0], dtype=np.float32)
    dets, index = soft_nms(boxes, scores, 0.6, sigma=0.5)
    assert len(index) == len(dets) == 5
    assert np.isfinite(soft_nms(boxes, scores, 0.6, method="gaussian")[0]).all()


def test_soft_nms_leaves_its_inputs_and_takes_none() -> None:
    boxes, scores = BOXES.clone(), SCORES.clone()
    soft_nms(boxes, scores, 0.3)
    assert torch.equal(boxes, BOXES)
    assert torch.equal(scores, SCORES)
    assert soft_nms(torch.empty(0, 4), torch.empty(0))[0].shape == (0, 5)


def test_nms_match_gives_mmcvs_figures() -> None:
    dets = np.array(
        [
            [49.1, 32.4, 51.0, 35.9, 0.9],
            [49.3, 32.9, 51.0, 35.3, 0.9],
            [35.3, 11.5, 39.9, 14.5, 0.4],
            [35.2, 11.7, 39.7, 15.7, 0.3],
        ],
        dtype=np.float32,
    )
    groups = nms_match(dets, 0.6)
    assert [group.tolist() for group in groups] == [[0, 1], [2, 3]]


def test_nms_match_groups_what_nms_drops() -> None:
    boxes, scores = crowd(60)
    groups = [g.tolist() for g in nms_match(torch.cat([boxes, scores[:, None]], dim=1), 0.4)]
    assert [group[0] for group in groups] == greedy(boxes, scores, 0.4, 0)
    assert sorted(index for group in groups for index in group) == list(range(60))
    for kept, *dropped in groups:
        assert all(iou(boxes[kept].tolist(), boxes[d].tolist(), 0) >= 0.4 for d in dropped)
        assert dropped == sorted(dropped, key=lambda d: -scores[d])
    assert nms_match(torch.empty(0, 5), 0.4) == []
