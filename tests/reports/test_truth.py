"""What is known of an image, as it is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from tresnet_tasks.reports import DrawnDetections, DrawnJoint, DrawnPrediction, drawn_truth
from tresnet_tasks.structures import ClsDataSample, MultiTaskDataSample

GREY = np.full((40, 60, 3), 128, dtype=np.uint8)
CLASSES = {"classes": [f"class {i}" for i in range(12)]}


def tags(*scores: float) -> ClsDataSample:
    return ClsDataSample().set_gt_score(torch.tensor(scores))


def boxes(*found: tuple[float, ...], labels: tuple[int, ...] = (), **fields: Any) -> Any:
    bboxes = torch.tensor(found).reshape(-1, 4)
    return InstanceData(bboxes=bboxes, labels=torch.tensor(labels, dtype=torch.int64), **fields)


def test_a_label_stands_alone() -> None:
    drawn = drawn_truth(GREY, ClsDataSample().set_gt_label(3), CLASSES, "a.png")
    assert isinstance(drawn, DrawnPrediction)
    assert (list(drawn.names), list(drawn.scores), drawn.chosen) == (["class 3"], [None], 1)
    assert drawn.title == "a.png"


def test_mixed_labels_stand_with_their_shares() -> None:
    sample = tags(0.0, 0.25, 0.75).set_gt_label(2)
    drawn = drawn_truth(GREY, sample, CLASSES)
    assert (list(drawn.names), list(drawn.scores)) == (["class 2", "class 1"], [0.75, 0.25])


def test_tags_are_those_that_hold_and_unknown_ones_are_counted() -> None:
    drawn = drawn_truth(GREY, tags(1, -1, 0, 1, -1), CLASSES, "a.png")
    assert list(drawn.names) == ["class 0", "class 3"]
    assert drawn.title == "a.png · 2 unknown"


def test_of_many_tags_the_first_are_named() -> None:
    drawn = drawn_truth(GREY, tags(*[1.0] * 12), CLASSES)
    assert list(drawn.names)[-2:] == ["class 7", "and 4 more"]


@pytest.mark.parametrize("sample", [tags(0, 0), ClsDataSample()])
def test_an_image_without_a_label_says_so(sample: ClsDataSample) -> None:
    drawn = drawn_truth(GREY, sample, CLASSES)
    assert (list(drawn.names), drawn.chosen) == (["no label"], 0)


@pytest.mark.parametrize("kind", [torch.Tensor, HorizontalBoxes])
def test_boxes_have_names_and_shrink_with_a_large_image(kind: Any) -> None:
    sample = DetDataSample()
    sample.gt_instances = boxes((10, 20, 400, 200), labels=(2,))
    sample.gt_instances.bboxes = kind(sample.gt_instances.bboxes)
    sample.ignored_instances = boxes((0, 0, 1040, 520), labels=(1,))
    drawn = drawn_truth(np.zeros((520, 1040, 3), np.uint8), sample, CLASSES)
    assert isinstance(drawn, DrawnDetections)
    assert drawn.image.shape == (260, 520, 3)
    np.testing.assert_allclose(drawn.bboxes, [(5, 10, 200, 100), (0, 0, 520, 260)])
    assert list(drawn.names) == ["class 2", "class 1 (ignored)"]
    assert drawn.scores is None and list(drawn.labels) == [2, 1]


def test_masks_cover_the_padding_too() -> None:
    sample = DetDataSample()
    masks = BitmapMasks(np.ones((1, 30, 50), np.uint8), 30, 50)
    sample.gt_instances = boxes((0, 0, 50, 30), labels=(0,), masks=masks)
    drawn = drawn_truth(GREY, sample, CLASSES)
    assert drawn.masks.shape == (1, 40, 60) and drawn.masks.sum() == 30 * 50


def test_boxes_that_were_not_loaded_follow_the_resize() -> None:
    known = [{"bbox": [2, 4, 6, 8], "bbox_label": 1, "ignore_flag": 0}]
    sample = DetDataSample(metainfo={"instances": known, "scale_factor": (2.0, 3.0)})
    sample.gt_instances = InstanceData()
    drawn = drawn_truth(GREY, sample, CLASSES)
    np.testing.assert_allclose(drawn.bboxes, [(4, 12, 12, 24)])
    assert list(drawn.names) == ["class 1"]


def test_each_head_has_its_labels_or_says_that_it_has_none() -> None:
    found = DetDataSample()
    found.gt_instances = boxes((1, 2, 3, 4), labels=(0,))
    sample = MultiTaskDataSample().set_task("cls", ClsDataSample().set_gt_label(1))
    sample.set_task("boxes", found)
    drawn = drawn_truth(
        GREY, sample, {"tasks": dict.fromkeys(("cls", "tags", "boxes", "more"), CLASSES)}
    )
    assert isinstance(drawn, DrawnJoint)
    assert list(drawn.picture.names) == ["class 0"]
    missing = [("not labelled", None, False)]
    expected = {"cls": [("class 1", None, True)], "tags": missing, "more": missing}
    assert dict(drawn.labels) == expected
