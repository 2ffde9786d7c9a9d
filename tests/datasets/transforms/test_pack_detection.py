"""The last step of a detection pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from tresnet_tasks.datasets.transforms import PackDetSample


def _results(**more: Any) -> dict[str, Any]:
    return dict(
        img=np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3),
        img_path="a.png",
        ori_shape=(8, 6),
        gt_bboxes=HorizontalBoxes(torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3]])),
        gt_bboxes_labels=np.array([5, 6]),
        gt_ignore_flags=np.array([False, True]),
        **more,
    )


def test_boxes_to_be_ignored_stand_apart() -> None:
    sample = PackDetSample()(_results())["data_samples"]
    assert sample.gt_instances.labels.tolist() == [5]
    assert sample.gt_instances.bboxes.tensor.tolist() == [[0, 0, 2, 2]]
    assert sample.ignored_instances.labels.tolist() == [6]


def test_masks_go_with_their_boxes() -> None:
    masks = BitmapMasks(np.stack([np.zeros((4, 6)), np.ones((4, 6))]).astype(np.uint8), 4, 6)
    sample = PackDetSample()(_results(gt_masks=masks))["data_samples"]
    assert sample.gt_instances.masks.masks.sum() == 0
    assert sample.ignored_instances.masks.masks.sum() == 24


def test_the_image_is_channels_first_uint8_and_contiguous() -> None:
    packed = PackDetSample()(_results())
    expected = torch.from_numpy(_results()["img"]).permute(2, 0, 1)
    assert torch.equal(packed["inputs"], expected)
    assert packed["inputs"].is_contiguous()


def test_without_annotations_the_sample_has_no_boxes() -> None:
    results = {key: value for key, value in _results().items() if not key.startswith("gt_")}
    assert len(PackDetSample()(results)["data_samples"].gt_instances) == 0


def test_the_scale_follows_from_the_sizes_unless_it_is_known() -> None:
    assert PackDetSample()(_results())["data_samples"].scale_factor == (1.0, 0.5)
    sample = PackDetSample()(_results(scale_factor=(3.0, 3.0)))["data_samples"]
    assert sample.scale_factor == (3.0, 3.0)
    assert sample.flip is False


def test_an_image_of_floats_is_refused() -> None:
    results = _results() | {"img": np.zeros((4, 6, 3), dtype=np.float32)}
    with pytest.raises(ValueError, match=r"a.png is \(4, 6, 3\) float32"):
        PackDetSample()(results)
