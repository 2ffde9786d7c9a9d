from __future__ import annotations

import math

import pytest
import torch
import torchvision
from mmcv.ops import RoIAlign, roi_align
from torch import Tensor

import tresnet_tasks.upstream.mmcv_ops.roi_align as ours

# Two images; inside, across the border, outside, smaller than a cell, as large as the map.
ROIS = [
    [0, 3.3, 2.1, 17.6, 12.9],
    [1, -6.0, -4.0, 9.0, 5.0],
    [0, 60.0, 60.0, 70.0, 80.0],
    [1, 7.2, 7.3, 7.4, 7.9],
    [1, 0.0, 0.0, 23.0, 19.0],
]
SCALE = 0.5


def features(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2, 3, 10, 12, dtype=dtype)


def rois(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(ROIS, dtype=dtype)


def value(plane: list[list[float]], y: float, x: float) -> float:
    """One bilinear reading, by hand."""
    height, width = len(plane), len(plane[0])
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = math.floor(y), math.floor(x)
    low, right = min(top + 1, height - 1), min(left + 1, width - 1)
    y, x = y - top, x - left
    above = (1 - x) * plane[top][left] + x * plane[top][right]
    below = (1 - x) * plane[low][left] + x * plane[low][right]
    return (1 - y) * above + y * below


def by_hand(x: Tensor, boxes: Tensor, ratio: int, aligned: bool, pool: str) -> Tensor:
    """RoIAlign to 2 x 3 bins as loops."""
    output = torch.zeros(len(boxes), x.shape[1], 2, 3, dtype=x.dtype)
    for k, (image, *box) in enumerate(boxes.tolist()):
        left, top, right, bottom = (SCALE * edge - (0.5 if aligned else 0) for edge in box)
        height, width = bottom - top, right - left
        if not aligned:
            height, width = max(height, 1), max(width, 1)
        rows = ratio or math.ceil(height / 2)
        columns = ratio or math.ceil(width / 3)
        for c in range(x.shape[1]):
            plane = x[int(image), c].tolist()
            for i in range(2):
                for j in range(3):
                    values = [
                        value(
                            plane,
                            top + (i + (p + 0.5) / rows) * height / 2,
                            left + (j + (q + 0.5) / columns) * width / 3,
                        )
                        for p in range(rows)
                        for q in range(columns)
                    ]
                    output[k, c, i, j] = max(values) if pool == "max" else sum(values) / len(values)
    return output


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 1, 2])
@pytest.mark.parametrize("pool", ["avg", "max"])
def test_the_loop_says_the_same(pool: str, ratio: int, aligned: bool) -> None:
    x, boxes = features(), rois()
    found = roi_align(x, boxes, (2, 3), SCALE, ratio, pool, aligned)
    torch.testing.assert_close(found, by_hand(x, boxes, ratio, aligned, pool))


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_torchvision_says_the_same(ratio: int, aligned: bool) -> None:
    x, boxes = features(), rois()
    expected = torchvision.ops.roi_align(x, boxes, (2, 3), SCALE, ratio, aligned)
    found = RoIAlign((2, 3), SCALE, ratio, "avg", aligned)(x, boxes)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("pool", ["avg", "max"])
def test_gradients(pool: str, ratio: int) -> None:
    x = features()[:, :2, :6, :7].clone().requires_grad_()
    module = RoIAlign((2, 3), SCALE, ratio, pool, True)
    assert torch.autograd.gradcheck(lambda x: module(x, rois()), (x,))


def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on CUDA with deterministic algorithms."""
    monkeypatch.setattr(ours, "_kernel_will_do", lambda features: False)


@pytest.mark.parametrize("limit", [2**19, 7])
@pytest.mark.parametrize("ratio", [0, 2])
def test_plain_torch_equals_the_kernel(
    ratio: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, boxes = features().requires_grad_(), rois()
    expected = roi_align(x, boxes, (2, 3), SCALE, ratio, "avg", True)
    weights = torch.randn_like(expected)
    (slope,) = torch.autograd.grad((expected * weights).sum(), x)
    _plain(monkeypatch)
    monkeypatch.setattr(ours, "POINTS_AT_ONCE", limit)
    monkeypatch.setattr(ours, "NUMBERS_AT_ONCE", 12 * limit)
    found = roi_align(x, boxes, (2, 3), SCALE, ratio, "avg", True)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad((found * weights).sum(), x)[0], slope)


def test_the_kernel_serves_unless_it_could_differ_from_run_to_run(deterministic: None) -> None:
    class OnCuda:
        device = torch.device("cuda")

    assert ours._kernel_will_do(features())
    assert not ours._kernel_will_do(OnCuda())  # type: ignore[arg-type]


def test_pieces_change_no_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    x, boxes = features().requires_grad_(), rois()
    expected = roi_align(x, boxes, (2, 3), SCALE, 0, "max", True)
    (slope,) = torch.autograd.grad(expected.sum(), x)
    monkeypatch.setattr(ours, "NUMBERS_AT_ONCE", 30)
    found = roi_align(x, boxes, (2, 3), SCALE, 0, "max", True)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), x)[0], slope)


@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize("plain", [True, False])
def test_regions_inside_out_are_empty(
    pool: str, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if plain:
        _plain(monkeypatch)
    bad = [[0, 6, 1, 1, 6], [0, 6, 6, 1, 1], [1, 1, 6, 6, 1]]
    x = features().requires_grad_()
    found = roi_align(x, torch.tensor(bad, dtype=x.dtype), (2, 3), SCALE, 0, pool, True)
    found.sum().backward()
    assert torch.equal(found, torch.zeros_like(found))
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_regions_that_are_not_finite_read_nothing(pool: str, aligned: bool, ratio: int) -> None:
    bad = [[math.nan] * 5, [0, math.nan, 1, 6, 6], [0, -math.inf, 1, math.inf, 6]]
    x = features().requires_grad_()
    found = roi_align(x, torch.tensor(bad, dtype=x.dtype), (2, 3), SCALE, ratio, pool, aligned)
    found.sum().backward()
    assert torch.equal(found, torch.zeros_like(found))
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("pool", ["avg", "max"])
def test_no_regions(pool: str) -> None:
    x = features().requires_grad_()
    found = roi_align(x, torch.zeros(0, 5, dtype=x.dtype), (2, 3), SCALE, 0, pool, True)
    found.sum().backward()
    assert found.shape == (0, 3, 2, 3)
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("pool", ["avg", "max"])
def test_half_is_float_rounded(pool: str, dtype: torch.dtype) -> None:
    x, boxes = features(dtype).requires_grad_(), rois(dtype)
    found = roi_align(x, boxes, (2, 3), SCALE, 2, pool, True)
    expected = roi_align(x.float(), boxes.float(), (2, 3), SCALE, 2, pool, True)
    assert torch.equal(found, expected.to(dtype))
    found.sum().backward()
    assert x.grad.dtype == dtype


def test_autocast_changes_nothing() -> None:
    x, boxes = features(torch.float32), rois(torch.float32)
    expected = roi_align(x, boxes, (2, 3), SCALE, 2, "avg", True)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(roi_align(x, boxes, (2, 3), SCALE, 2, "avg", True), expected)


def test_mmcvs_figures() -> None:
    x = torch.tensor(
        [[[[1.0, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]]], requires_grad=True
    )
    found = roi_align(x, torch.tensor([[0.0, 0, 0, 3, 3]]), (2, 2), 1.0, 2, "avg", True)
    found.sum().backward()
    assert found.flatten().tolist() == [1.9375, 4.75, 7.5625, 10.375]
    outer, inner = [0.47265625, 0.4296875, 0.4296875, 0.04296875], [0.4296875, 0.390625]
    torch.testing.assert_close(x.grad[0, 0, 0], torch.tensor(outer))
    torch.testing.assert_close(x.grad[0, 0, 1, :2], torch.tensor(inner))
