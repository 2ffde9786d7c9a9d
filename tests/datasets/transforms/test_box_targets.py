"""albumentations on boxes: labels, flags and masks follow."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from tresnet_tasks.datasets.transforms import Albumentations


def _results(masks: bool = False) -> dict[str, Any]:
    """20x40 px; boxes at the left (label 1), at the right (2, ignored) and everywhere (3)."""
    boxes = np.array([[2, 4, 10, 12], [30, 6, 38, 16], [0, 0, 40, 20]], dtype=np.float32)
    results: dict[str, Any] = dict(
        img=np.arange(20 * 40 * 3, dtype=np.uint32).astype(np.uint8).reshape(20, 40, 3),
        gt_bboxes=HorizontalBoxes(torch.from_numpy(boxes)),
        gt_bboxes_labels=np.array([1, 2, 3]),
        gt_ignore_flags=np.array([False, True, False]),
    )
    if masks:
        bitmaps = np.zeros((3, 20, 40), dtype=np.uint8)
        for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes.astype(int), strict=True):
            bitmap[y1:y2, x1:x2] = 1
        results["gt_masks"] = BitmapMasks(bitmaps, 20, 40)
    return results


def _crop(x1: int, y1: int, x2: int, y2: int) -> dict[str, Any]:
    return dict(type="Crop", x_min=x1, y_min=y1, x_max=x2, y_max=y2)


def test_a_flip_mirrors_the_boxes() -> None:
    results = Albumentations([dict(type="HorizontalFlip", p=1)])(_results())
    boxes = results["gt_bboxes"]
    assert isinstance(boxes, HorizontalBoxes)
    expected = torch.tensor([[30.0, 4, 38, 12], [2, 6, 10, 16], [0, 0, 40, 20]])
    torch.testing.assert_close(boxes.tensor, expected, rtol=0, atol=1e-4)
    assert results["gt_bboxes_labels"].tolist() == [1, 2, 3]


def test_a_resize_scales_the_boxes() -> None:
    results = Albumentations([dict(type="Resize", height=40, width=20)])(_results())
    expected = torch.tensor([[1.0, 8, 5, 24], [15, 12, 19, 32], [0, 0, 20, 40]])
    torch.testing.assert_close(results["gt_bboxes"].tensor, expected, rtol=0, atol=1e-4)
    assert results["img_shape"] == (40, 20)


def test_a_crop_clips_boxes_and_drops_what_is_lost_with_label_flag_and_mask() -> None:
    results = Albumentations([_crop(8, 0, 40, 8)])(_results(masks=True))
    expected = torch.tensor([[0.0, 4, 2, 8], [22, 6, 30, 8], [0, 0, 32, 8]])
    torch.testing.assert_close(results["gt_bboxes"].tensor, expected, rtol=0, atol=1e-4)
    results = Albumentations([_crop(12, 0, 40, 20)])(_results(masks=True))
    assert results["gt_bboxes_labels"].tolist() == [2, 3]
    assert results["gt_ignore_flags"].tolist() == [True, False]
    assert results["gt_masks"].masks.shape == (2, 20, 28)
    assert results["gt_masks"].masks.sum(axis=(1, 2)).tolist() == [80, 560]


def test_masks_stay_on_their_boxes_through_several_transforms() -> None:
    transform = Albumentations(
        [
            dict(type="RandomResizedCrop", size=(32, 32), scale=(0.3, 0.8)),
            dict(type="OneOf", transforms=[dict(type="HorizontalFlip"), dict(type="VerticalFlip")]),
            dict(type="ColorJitter", p=1),
        ],
    )
    for seed in range(20):
        random.seed(seed)
        results = transform(_results(masks=True))
        masks, boxes = results["gt_masks"].masks, results["gt_bboxes"].tensor
        assert len(masks) == len(boxes) == len(results["gt_bboxes_labels"]) > 0
        for mask, box in zip(masks, boxes, strict=True):
            rows, columns = np.nonzero(mask)
            inked = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(box, inked, atol=1.6)  # masks are resampled to whole pixels


def test_a_box_whose_mask_is_gone_goes_too() -> None:
    results = _results(masks=True)
    results["gt_masks"].masks[2, :, 5:] = 0
    results = Albumentations([_crop(12, 0, 40, 20)])(results)
    assert results["gt_bboxes_labels"].tolist() == [2]


def test_polygons_become_bitmaps() -> None:
    results = _results()
    square = [np.array([2.0, 4, 10, 4, 10, 12, 2, 12])]
    results["gt_masks"] = PolygonMasks([square] * 3, 20, 40)
    results = Albumentations([dict(type="VerticalFlip", p=1)])(results)
    assert isinstance(results["gt_masks"], BitmapMasks)
    assert results["gt_masks"].masks[0, 8:16, 2:10].all()


def test_boxes_of_which_little_is_left_are_dropped_on_request() -> None:
    crop = [_crop(8, 0, 40, 20)]
    kept = Albumentations(crop)(_results())["gt_bboxes_labels"].tolist()
    seen = Albumentations(crop, min_visibility=0.3)(_results())["gt_bboxes_labels"].tolist()
    large = Albumentations(crop, min_box_area=100)(_results())["gt_bboxes_labels"].tolist()
    assert (kept, seen, large) == ([1, 2, 3], [2, 3], [3])


def test_less_than_a_square_pixel_is_no_box() -> None:
    results = _results()
    results["gt_bboxes"].tensor[0] = torch.tensor([2, 4, 2.5, 5])
    results = Albumentations([dict(type="HorizontalFlip", p=1)])(results)
    assert results["gt_bboxes_labels"].tolist() == [2, 3]


def test_colours_leave_the_boxes_alone() -> None:
    results = Albumentations([dict(type="ColorJitter", p=1)])(_results())
    torch.testing.assert_close(results["gt_bboxes"].tensor, _results()["gt_bboxes"].tensor)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_plain_arrays_and_tensors_keep_their_kind(kind: Any) -> None:
    results = _results()
    results["gt_bboxes"] = kind(results["gt_bboxes"].tensor.numpy())
    boxes = Albumentations([_crop(12, 0, 40, 20)])(results)["gt_bboxes"]
    assert type(boxes) is type(kind(np.zeros(1)))
    assert tuple(boxes.shape) == (2, 4)


def test_an_image_without_boxes_passes() -> None:
    results = _results(masks=True)
    results["gt_bboxes"] = results["gt_bboxes"][:0]
    results["gt_masks"] = results["gt_masks"][np.zeros(0, dtype=int)]
    for key in ("gt_bboxes_labels", "gt_ignore_flags"):
        results[key] = results[key][:0]
    results = Albumentations([_crop(12, 0, 40, 20)])(results)
    assert results["gt_bboxes"].tensor.shape == (0, 4)
    assert results["gt_masks"].masks.shape == (0, 20, 28)


def test_boxes_of_another_kind_are_refused() -> None:
    results = _results()
    results["gt_bboxes"] = np.zeros((2, 5), dtype=np.float32)
    with pytest.raises(ValueError, match="takes \\(N, 4\\)"):
        Albumentations([dict(type="HorizontalFlip")])(results)


def test_the_draws_depend_on_python_s_random_alone() -> None:
    transform = Albumentations([dict(type="RandomResizedCrop", size=(16, 16))])
    drawn = []
    for seed in (1, 2, 1):
        random.seed(seed)
        drawn.append(transform(_results())["gt_bboxes"].tensor)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
