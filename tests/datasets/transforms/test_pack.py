"""What the model gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tresnet_tasks.datasets import PackClsInputs

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def _pack(**results: Any) -> dict[str, Any]:
    return PackClsInputs()(dict(img=PIXELS, **results))


def test_image_becomes_a_view_of_its_pixels() -> None:
    image = PIXELS.copy()
    inputs = PackClsInputs()({"img": image})["inputs"]
    assert inputs.dtype == torch.uint8
    assert inputs.data_ptr() == image.ctypes.data
    np.testing.assert_array_equal(inputs.numpy(), PIXELS.transpose(2, 0, 1))


@pytest.mark.parametrize("kept", [PIXELS, np.ones((2, 20, 30, 3), np.uint8)[0]])
def test_an_array_that_its_reader_keeps_is_not_shared(kept: np.ndarray) -> None:
    kept = kept.view()
    inputs = PackClsInputs()({"img": kept})["inputs"]
    assert not np.shares_memory(inputs.numpy(), kept)


def test_a_view_of_an_image() -> None:
    inputs = PackClsInputs()(dict(img=PIXELS[:, ::-1]))["inputs"]
    np.testing.assert_array_equal(inputs.numpy(), PIXELS[:, ::-1].transpose(2, 0, 1))


def test_labels_and_metainfo() -> None:
    sample = _pack(gt_label=3, img_path="a.jpg", ori_shape=(40, 60), sample_idx=5)["data_samples"]
    assert sample.gt_label.dtype == torch.int64
    assert sample.gt_label.tolist() == [3]
    assert sample.metainfo == dict(
        img_path="a.jpg", ori_shape=(40, 60), img_shape=(20, 30), sample_idx=5
    )


def test_several_labels_and_scores() -> None:
    sample = _pack(gt_label=[0, 2], gt_score=[1.0, 0.0, 1.0])["data_samples"]
    assert sample.gt_label.tolist() == [0, 2]
    assert sample.gt_score.tolist() == [1.0, 0.0, 1.0]


def test_without_a_label() -> None:
    assert "gt_label" not in _pack()["data_samples"]


@pytest.mark.parametrize(
    "image", [PIXELS / 255, PIXELS[..., 0], torch.zeros(3, 4, 4), np.zeros((3, 20, 30), np.uint8)]
)
def test_an_image_that_is_not_uint8_any_more(image: Any) -> None:
    with pytest.raises(ValueError, match=r"expected \(height, width, 3\) uint8"):
        PackClsInputs()(dict(img=image, img_path="a.jpg"))
