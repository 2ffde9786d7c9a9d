"""Detections in COCO's format of results."""

from __future__ import annotations

import json

import numpy as np
import torch
from pycocotools import mask as mask_library

from tresnet_tasks.metrics import coco_results, encode_masks


def test_corners_become_a_corner_and_a_size_under_the_category_s_id() -> None:
    results = coco_results(7, [[1, 2, 5, 9]], [0.5], [1], category_ids=(10, 20))
    assert results == [dict(image_id=7, category_id=20, bbox=[1, 2, 4, 7], score=0.5)]


def test_an_image_where_nothing_was_found() -> None:
    assert coco_results("a", np.zeros((0, 4)), [], [], (1,)) == []
    assert coco_results("a", np.zeros((0, 4)), [], [], (1,), []) == []


def test_masks_survive_the_way_through_json() -> None:
    masks = torch.zeros(2, 6, 8, dtype=torch.bool)
    masks[0, 1:4, 2:7] = True
    results = coco_results(1, torch.ones(2, 4), [0.5, 0.4], [0, 0], (1,), encode_masks(masks))
    again = [mask_library.decode(r["segmentation"]) for r in json.loads(json.dumps(results))]
    assert (np.stack(again) == masks.numpy()).all()


def test_masks_that_are_encoded_stay_so() -> None:
    encoded = mask_library.encode(np.asfortranarray(np.eye(4, dtype=np.uint8)))
    assert encode_masks([encoded]) == [dict(size=[4, 4], counts=encoded["counts"].decode())]
