from __future__ import annotations

import pytest
import torch
import torchvision
from mmcv.ops import bbox_overlaps
from pycocotools import mask
from torch import Tensor

from tresnet_tasks.upstream.mmcv_ops import box_iou


def boxes(count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    corner = 80 * torch.rand(count, 2, dtype=dtype)
    return torch.cat([corner, corner + 1 + 40 * torch.rand(count, 2, dtype=dtype)], dim=1)


def test_torchvision_says_the_same() -> None:
    first, second = boxes(7), boxes(5)
    expected = torchvision.ops.box_iou(first, second)
    torch.testing.assert_close(bbox_overlaps(first, second), expected)
    assert expected.max() > 0


def test_pycocotools_says_the_same_of_crowds() -> None:
    first, second = boxes(7), boxes(5)
    xywh = [torch.cat([b[:, :2], b[:, 2:] - b[:, :2]], dim=1).numpy() for b in (first, second)]
    expected = torch.from_numpy(mask.iou(*xywh, [1] * 5))
    torch.testing.assert_close(bbox_overlaps(first, second, mode="iof"), expected)


# The figures of mmcv's own test.
FIRST = [[1.0, 1.0, 3.0, 4.0], [2.0, 2.0, 3.0, 4.0], [7.0, 7.0, 8.0, 8.0]]
SECOND = [[0.0, 2.0, 2.0, 5.0], [2.0, 1.0, 3.0, 3.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_mmcvs_figures(dtype: torch.dtype) -> None:
    first, second = torch.tensor(FIRST, dtype=dtype), torch.tensor(SECOND, dtype=dtype)
    expected = torch.tensor([[1 / 3, 0.5], [0.2, 0.5], [0, 0]], dtype=dtype)
    close = {"rtol": 1e-3, "atol": 1e-6}
    torch.testing.assert_close(bbox_overlaps(first, second, offset=1), expected, **close)
    aligned = bbox_overlaps(first[:2], second, aligned=True, offset=1)
    torch.testing.assert_close(aligned, expected.diagonal(), **close)


def test_boxes_without_area_overlap_nothing() -> None:
    flat = torch.tensor([[3.0, 3.0, 3.0, 5.0]])
    assert bbox_overlaps(flat, flat).item() == 0


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = boxes(7), boxes(5)
    whole = bbox_overlaps(first, second)
    monkeypatch.setattr(box_iou, "PAIRS_AT_ONCE", 11)
    torch.testing.assert_close(bbox_overlaps(first, second), whole, rtol=0, atol=0)


def test_no_boxes() -> None:
    assert bbox_overlaps(torch.empty(0, 4), boxes(3, torch.float32)).shape == (0, 3)
