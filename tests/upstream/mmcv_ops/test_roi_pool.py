from __future__ import annotations

import math

import pytest
import torch
from mmcv.ops import RoIPool, roi_pool
from torch import Tensor

import tresnet_tasks.upstream.mmcv_ops.roi_pool as ours

ROIS = torch.tensor(
    [
        [0, 3.3, 2.1, 17.6, 12.9],
        [1, -6.0, -4.0, 9.0, 5.0],
        [0, 60.0, 60.0, 70.0, 80.0],
        [1, 7.2, 7.3, 7.4, 7.9],
        [1, 0.0, 0.0, 23.0, 19.0],
        [1, 9.0, 9.0, 3.0, 12.0],
    ],
    dtype=torch.float64,
)


def by_hand(x: Tensor) -> Tensor:
    """RoIPool to 2 x 3 bins at half scale, as loops."""
    height, width = x.shape[2:]
    output = torch.zeros(len(ROIS), x.shape[1], 2, 3, dtype=x.dtype)
    for k, (image, x1, y1, x2, y2) in enumerate(ROIS.tolist()):
        left, top, right, bottom = x1 / 2, y1 / 2, (x2 + 1) / 2, (y2 + 1) / 2
        if right <= left or bottom <= top:
            continue
        for i in range(2):
            for j in range(3):
                y = [
                    math.floor(top + i * (bottom - top) / 2),
                    math.ceil(top + (i + 1) * (bottom - top) / 2),
                ]
                w = [
                    math.floor(left + j * (right - left) / 3),
                    math.ceil(left + (j + 1) * (right - left) / 3),
                ]
                (y0, y1_), (x0, x1_) = (
                    [min(max(e, 0), height) for e in y],
                    [min(max(e, 0), width) for e in w],
                )
                if y1_ > y0 and x1_ > x0:
                    output[k, :, i, j] = x[int(image), :, y0:y1_, x0:x1_].amax((1, 2))
    return output


@pytest.mark.parametrize("numbers", [2**23, 20])
def test_the_loop_says_the_same(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "NUMBERS_AT_ONCE", numbers)
    x = torch.randn(2, 3, 10, 12, dtype=torch.float64)
    found = roi_pool(x, ROIS, (2, 3), 0.5)
    torch.testing.assert_close(found, by_hand(x), rtol=0, atol=0)


def test_gradients() -> None:
    x = torch.randperm(2 * 2 * 6 * 7).view(2, 2, 6, 7).double().requires_grad_()
    module = RoIPool((2, 3), 0.5)
    assert torch.autograd.gradcheck(lambda x: module(x, ROIS), (x,))


def test_mmcvs_figures() -> None:
    x = torch.tensor(
        [[[[1.0, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]]], requires_grad=True
    )
    found = roi_pool(x, torch.tensor([[0.0, 0, 0, 3, 3]]), (2, 2), 1.0)
    found.sum().backward()
    assert found.flatten().tolist() == [4, 8, 12, 16]
    assert x.grad.nonzero()[:, 2:].tolist() == [[1, 1], [1, 3], [3, 1], [3, 3]]


def test_regions_that_are_not_finite_are_empty() -> None:
    x = torch.randn(1, 1, 4, 4, requires_grad=True)
    found = roi_pool(x, torch.tensor([[0, math.nan, 0, 3, 3], [math.nan] * 5]), (2, 2), 1.0)
    found.sum().backward()
    assert torch.equal(found, torch.zeros(2, 1, 2, 2))
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_no_regions() -> None:
    x = torch.randn(1, 1, 4, 4, requires_grad=True)
    found = roi_pool(x, torch.zeros(0, 5), (2, 2), 1.0)
    found.sum().backward()
    assert found.shape == (0, 1, 2, 2)


def test_half_is_float_rounded() -> None:
    x, boxes = torch.randn(2, 3, 10, 12, dtype=torch.float16), ROIS.half()
    expected = roi_pool(x.float(), boxes.float(), (2, 3), 0.5)
    assert torch.equal(roi_pool(x, boxes, (2, 3), 0.5), expected.half())
